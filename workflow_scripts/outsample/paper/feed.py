"""From the bars of a file to a feed that goes on where the package stopped: checkpoint, prices and calendar joined."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from outsample.errors import DataError
from outsample.packaging.contents import SPANS, Calendar, Checkpoint, Package
from outsample.packaging.decider import day_text
from outsample.paper.bars import Bar, SymbolBars

Floats = NDArray[np.float64]
_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True)
class Feed:
    """The bars of one symbol from a checkpoint of the package on."""

    symbol: str
    checkpoint: Checkpoint  # at the close before the first bar
    dates: NDArray[np.datetime64]  # [T], datetime64[us]
    bars: Floats  # [T, 5] adjusted open, high, low, close and volume, on the package's scale of prices
    factor: Floats  # [T] raw price = adjusted price / factor

    @property
    def open(self) -> Floats:
        return self.bars[:, 0]

    @property
    def close(self) -> Floats:
        return self.bars[:, 3]


def make_feed(of_symbol: SymbolBars, package: Package, closed: Sequence[np.datetime64] = ()) -> Feed:
    """The feed of one symbol's bars, checked against the package.

    The bars go on from the package's last checkpoint that is not after the first of them. Where the file knows
    adj_close, or the package's own prices are adjusted there, it must begin with the bar of that checkpoint, which is
    not traded: the ratio of the two adjusted closes joins the two scales, since a dividend or split moves all adjusted
    prices before it.

    Args:
        of_symbol: bars of a file, ascending.
        package: the package.
        closed: days without a session that the package's calendar does not know.
    Raises: DataError for a bar before the package's warm-up, a bar of that checkpoint that is missing, a session
        without a bar, and a second bar of a day where the package is of daily bars.
    """
    first = of_symbol.bars[0]
    checkpoint = _checkpoint(of_symbol, first, package.checkpoints[of_symbol.symbol])
    anchored = first.date == checkpoint.date
    scale = _scale(of_symbol, first, checkpoint, anchored)
    bars = of_symbol.bars[1:] if anchored else of_symbol.bars
    if not bars:
        raise DataError(
            f"{of_symbol.at(first)}: the file ends with the bar that the package saw last; give bars after it."
        )
    dates = np.array([bar.date for bar in bars])
    moments = np.concatenate([[checkpoint.date], dates])
    if all(_are_daily(traced.dates) for traced in package.trace.values()):
        _check_days(of_symbol, bars, moments)
    _check_gaps(of_symbol, bars, moments, package.calendar, closed)
    adjusted = np.array([_adjustment(bar) for bar in bars])
    raw = np.array([bar[2:6] for bar in bars])
    prices = raw * (adjusted * scale)[:, None]
    volume = np.array([bar.volume for bar in bars])
    return Feed(of_symbol.symbol, checkpoint, dates, np.column_stack([prices, volume]), adjusted * scale)


def _adjustment(bar: Bar) -> float:
    return 1.0 if math.isnan(bar.adj_close) else bar.adj_close / bar.close


def _checkpoint(of_symbol: SymbolBars, first: Bar, checkpoints: Sequence[Checkpoint]) -> Checkpoint:
    before = [checkpoint for checkpoint in checkpoints if checkpoint.date <= first.date]
    if not before:
        starts = " or ".join(f"{day_text(c.date)} (followed by {SPANS[c.span]})" for c in checkpoints)
        raise DataError(
            f"{of_symbol.at(first)} is before the end of the package's warm-up; begin with the bar of {starts}."
        )
    return before[-1]


def _scale(of_symbol: SymbolBars, first: Bar, checkpoint: Checkpoint, anchored: bool) -> float:
    """Factor from the file's adjusted prices to the package's."""
    if anchored:
        ratio = checkpoint.close / (first.close * _adjustment(first))
        # The same prices give the same bits: a ratio that is off by rounding alone is 1.
        return 1.0 if math.isclose(ratio, 1.0, rel_tol=1e-12) else ratio
    if math.isnan(first.adj_close) and math.isclose(checkpoint.factor, 1.0, rel_tol=1e-12):
        return 1.0
    last = day_text(checkpoint.date)
    if first.date.astype("datetime64[D]") == checkpoint.date.astype("datetime64[D]"):
        raise DataError(
            f"{of_symbol.at(first)} is of the day of the bar that the package saw last, {last}, but of another time; "
            "begin the file with that bar, its date written as in the data of the package."
        )
    raise DataError(
        f"{of_symbol.at(first)}: begin the file with the bar of {last}, which the package saw last before it; "
        "adjusted prices cannot be joined without."
    )


def _are_daily(dates: NDArray[np.datetime64]) -> bool:
    return len(np.unique(dates.astype("datetime64[D]"))) == len(dates)


def _check_days(of_symbol: SymbolBars, bars: Sequence[Bar], moments: NDArray[np.datetime64]) -> None:
    days = moments.astype("datetime64[D]")
    again = days[1:] == days[:-1]
    if again.any():
        row = int(again.argmax())
        raise DataError(
            f"{of_symbol.at(bars[row])} is a second bar of that day, after {day_text(moments[row])}, and the package "
            "is of daily bars; keep one row a day."
        )


def outside_sessions(feed: Feed, calendar: Calendar) -> NDArray[np.datetime64]:
    """Days of a feed without a session of the package's calendar, where that is known; they are traded all the same,
    as in the evaluation."""
    days = np.unique(feed.dates.astype("datetime64[D]"))
    if calendar.weekmask is None:
        return days[:0]
    return days[~np.is_busday(days, weekmask=list(calendar.weekmask), holidays=calendar.closed)]


def _check_gaps(
    of_symbol: SymbolBars,
    bars: Sequence[Bar],
    moments: NDArray[np.datetime64],
    calendar: Calendar,
    closed: Sequence[np.datetime64],
) -> None:
    """Every session since the checkpoint has a bar, unless the package's own data had none."""
    if calendar.weekmask is None:
        return
    days = moments.astype("datetime64[D]")
    known = calendar.gaps.get(of_symbol.symbol, calendar.closed[:0])
    holidays = np.concatenate([calendar.closed, known, np.array(closed, dtype="datetime64[D]")])
    mask = list(calendar.weekmask)
    missing = np.busday_count(days[:-1] + _DAY, days[1:], weekmask=mask, holidays=holidays)
    if (missing > 0).any():
        row = int((missing > 0).argmax())
        session = np.busday_offset(days[row] + _DAY, 0, roll="forward", weekmask=mask, holidays=holidays)
        raise DataError(
            f"{of_symbol.at(bars[row])} follows {days[row]} with {missing[row]} session{'s' * bool(missing[row] > 1)} "
            f"of {calendar.name} between them that {'have' if missing[row] > 1 else 'has'} no bar, first {session}; "
            "complete the file, or name a day on which the exchange was closed with --closed."
        )
