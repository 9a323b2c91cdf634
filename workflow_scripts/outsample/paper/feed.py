"""From the bars of a file to a feed that goes on where the package stopped: checkpoint, prices and calendar joined."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from outsample.errors import DataError
from outsample.features.references import Closes, last_closes
from outsample.packaging.contents import SPANS, Calendar, Checkpoint, Package
from outsample.packaging.decider import SeenBar, day_text
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
    others: Mapping[str, Floats] = field(default_factory=dict)  # other symbol -> [T] its close at or before each date

    def seen(self, row: int) -> SeenBar:
        """A bar as the decider sees it."""
        others = {symbol: float(closes[row]) for symbol, closes in self.others.items()}
        return SeenBar(self.bars[row], self.dates[row], others)

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


def make_feeds(files: Sequence[SymbolBars], package: Package, closed: Sequence[np.datetime64] = ()) -> list[Feed]:
    """The feeds of the symbols that are traded, each with the closes of the other symbols that its features take.

    Args:
        files: bars of traded symbols (see `make_feed`) and of the package's references, which begin likewise with a
            bar that the package has seen.
        package: the package.
        closed: as for `make_feed`.
    Raises: DataError as `make_feed`, and where bars of another symbol are missing, begin too late or end too early.
    """
    refuse_twice([bars.symbol for bars in files])
    feeds = [make_feed(bars, package, closed) for bars in files if bars.symbol in package.symbols]
    closes = {feed.symbol: _known(feed.checkpoint, feed.dates, feed.close) for feed in feeds}
    closes |= {bars.symbol: _reference_closes(bars, package) for bars in files if bars.symbol in package.references}
    lacking = [symbol for symbol in package.others if symbol not in closes]
    if lacking and feeds:
        raise DataError(
            f"The features of the package take the closes of {lacking[0]}, and no file holds its bars; give "
            f"{lacking[0]}.csv as well{', which is read and not traded' if lacking[0] in package.references else ''}."
        )
    if not feeds:
        raise DataError(f"No file holds bars of {', '.join(package.symbols)}, which the package trades; give one.")
    return [_beside(feed, closes, package) for feed in feeds]


def dates_without(feed: Feed, files: Sequence[SymbolBars]) -> dict[str, NDArray[np.datetime64]]:
    """Dates of a feed on which another symbol has no bar, by symbol; its last close before them counts there."""
    known = {bars.symbol: np.array([bar.date for bar in bars.bars]) for bars in files if bars.symbol in feed.others}
    missing = {other: feed.dates[~np.isin(feed.dates, dates)] for other, dates in sorted(known.items())}
    return {other: dates for other, dates in missing.items() if len(dates)}


def refuse_twice(symbols: Sequence[str]) -> None:
    """Raises: DataError where a symbol is there twice."""
    twice = [symbol for symbol in symbols if symbols.count(symbol) > 1]
    if twice:
        raise DataError(f"Two files hold bars of {twice[0]}; give one file for each symbol.")


def _known(checkpoint: Checkpoint, dates: NDArray[np.datetime64], closes: Floats) -> Closes:
    """Closes from a checkpoint on."""
    return Closes(np.concatenate([[checkpoint.date], dates]), np.concatenate([[checkpoint.close], closes]))


def _reference_closes(of_symbol: SymbolBars, package: Package) -> Closes:
    """The closes of a symbol that is not traded, on the package's scale of prices."""
    first = of_symbol.bars[0]
    checkpoint = _checkpoint(of_symbol, first, package.references[of_symbol.symbol])
    anchored = first.date == checkpoint.date
    scale = _scale(of_symbol, first, checkpoint, anchored)
    bars = of_symbol.bars[1:] if anchored else of_symbol.bars
    dates = np.array([bar.date for bar in bars], dtype="datetime64[us]")
    return _known(checkpoint, dates, np.array([bar.close * (_adjustment(bar) * scale) for bar in bars]))


def _beside(feed: Feed, closes: Mapping[str, Closes], package: Package) -> Feed:
    others = {
        other: last_closes(feed.symbol, feed.dates, other, closes[other], package.max_age, settings=False)
        for other in package.others
    }
    return replace(feed, others=others)


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
