"""The checks that bars must pass: each with an id, a severity and a function that finds what fails it.

An error stops the stage; a warning is counted and shown in the report. Checks run in the order of `CHECKS`, so that
each may rely on those before it: a price that is compared is there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from outsample.config.models import Market
from outsample.data.calendar import OBSERVED, Calendar, days_in, sessions_between
from outsample.data.dates import first_disorder

PRICES = ("open", "high", "low", "close")
TOLERANCE = 1e-6  # relative; prices rounded to 7 digits may leave [low, high] by less than this
REPEATED_OPENS = 0.5  # share of bars from which opens that repeat the previous close are no opens


@dataclass(frozen=True)
class SymbolBars:
    """Bars of one symbol as they came [T], and what they are judged by."""

    frame: pd.DataFrame
    market: Market
    calendar: Calendar

    @cached_property
    def dates(self) -> NDArray[np.datetime64]:
        """Dates [T]."""
        return self.frame["date"].to_numpy()

    @cached_property
    def days(self) -> NDArray[np.datetime64]:
        """Distinct days, ascending; `dates` must be."""
        days = self.dates.astype("datetime64[D]")
        return days[np.concatenate([[True], days[1:] != days[:-1]])]

    def __getitem__(self, column: str) -> NDArray[np.float64]:
        return self.frame[column].to_numpy()


@dataclass(frozen=True)
class Finding:
    """What fails a check: the dates concerned, what is wrong there, and what to do."""

    dates: NDArray[np.datetime64]
    what: str
    advice: str


@dataclass(frozen=True)
class Check:
    """A check: `find` returns None where nothing fails it."""

    id: str
    severity: Literal["error", "warning"]
    find: Callable[[SymbolBars], Finding | None]


def _where(bars: SymbolBars, failed: NDArray[np.bool_], what: str, advice: str) -> Finding | None:
    return Finding(bars.dates[failed], what, advice) if failed.any() else None


def dates_ascend(bars: SymbolBars) -> Finding | None:
    """Dates are there, unique and ascending."""
    disorder = first_disorder(bars.dates)
    if disorder is None:
        return None
    row, kind = disorder
    what = {
        "empty": "the date is empty",
        "duplicate": "the date is there twice",
        "unsorted": "the date is out of order",
    }
    return Finding(bars.dates[row : row + 1], what[kind], "sort the bars by date ascending, one bar a date")


def values_present(bars: SymbolBars) -> Finding | None:
    """Prices and volume are numbers."""
    lacking = {c: ~np.isfinite(bars[c]) for c in (*PRICES, "volume")}
    failed = np.logical_or.reduce(list(lacking.values()))
    columns = ", ".join(c for c, rows in lacking.items() if rows[failed.argmax()])
    return _where(bars, failed, f"no value for {columns}", "delete such rows or complete them from the source")


def prices_positive(bars: SymbolBars) -> Finding | None:
    """Prices are above zero."""
    failed = np.logical_or.reduce([bars[c] <= 0 for c in PRICES])
    first = failed.argmax()
    shown = ", ".join(f"{c} {bars[c][first]:g}" for c in PRICES if bars[c][first] <= 0)
    return _where(bars, failed, f"a price is not above 0 ({shown})", "correct or delete such rows")


def volume_not_negative(bars: SymbolBars) -> Finding | None:
    """Volume is at least zero."""
    failed = bars["volume"] < 0
    return _where(
        bars, failed, f"volume is negative ({bars['volume'][failed.argmax()]:g})", "correct or delete such rows"
    )


def high_not_below_low(bars: SymbolBars) -> Finding | None:
    """High is at least low."""
    high, low = bars["high"], bars["low"]
    failed = high < low
    row = failed.argmax()
    what = f"high {high[row]:.10g} is below low {low[row]:.10g}"
    return _where(bars, failed, what, "correct such rows, or see whether two columns are exchanged")


def prices_in_range(bars: SymbolBars) -> Finding | None:
    """Open and close lie between low and high."""
    high, low = bars["high"] * (1 + TOLERANCE), bars["low"] * (1 - TOLERANCE)
    outside = {c: (bars[c] > high) | (bars[c] < low) for c in ("open", "close")}
    failed = outside["open"] | outside["close"]
    row = failed.argmax()
    column = "open" if outside["open"][row] else "close"
    what = f"{column} {bars[column][row]:.10g} is outside low {bars['low'][row]:.10g} .. high {bars['high'][row]:.10g}"
    return _where(bars, failed, what, "correct such rows, or see whether two columns are exchanged")


def adjustment_known(bars: SymbolBars) -> Finding | None:
    """adj_close is above zero on every bar, or known on none."""
    adjusted = bars["adj_close"]
    if np.isnan(adjusted).all():
        return None
    failed = ~(np.isfinite(adjusted) & (adjusted > 0))
    what = f"adj_close is {adjusted[failed.argmax()]:g}, though other bars have it".replace("is nan", "is empty")
    return _where(bars, failed, what, "complete adj_close, or leave out the column to trade unadjusted prices")


def opens_real(bars: SymbolBars) -> Finding | None:
    """Opens do not repeat the previous close, where fills take place at the open."""
    opens, before = bars["open"][1:], bars["close"][:-1]
    repeated = np.concatenate([[False], np.isclose(opens, before, rtol=1e-9, atol=0)])
    if bars.market.fill != "next_open" or len(opens) == 0 or repeated[1:].mean() < REPEATED_OPENS:
        return None
    what = f"the open repeats the close before it ({repeated[1:].mean():.0%} of the bars do so), so it is no open"
    return Finding(bars.dates[repeated], what, "set market.fill to next_close, or take a source with opens")


def sessions_covered(bars: SymbolBars) -> Finding | None:
    """Every session of the calendar between the first and the last bar has a bar."""
    return _compare(bars, "sessions of {} have no bar", missing=True)


def bars_in_sessions(bars: SymbolBars) -> Finding | None:
    """Every bar is on a session of the calendar."""
    return _compare(bars, "bars are on days without a session of {}", missing=False)


def _compare(bars: SymbolBars, what: str, missing: bool) -> Finding | None:
    name = bars.calendar.name
    if name == OBSERVED:
        return None
    days = bars.days
    sessions = sessions_between(name, days[0], days[-1])
    found = sessions[~days_in(sessions, days)] if missing else days[~days_in(days, sessions)]
    if len(found) == 0:
        return None
    return Finding(found, f"{len(found)} {what.format(name)}", "see whether data.calendar is right")


CHECKS = (
    Check("dates_ascend", "error", dates_ascend),
    Check("values_present", "error", values_present),
    Check("prices_positive", "error", prices_positive),
    Check("volume_not_negative", "error", volume_not_negative),
    Check("high_not_below_low", "error", high_not_below_low),
    Check("prices_in_range", "error", prices_in_range),
    Check("adjustment_known", "error", adjustment_known),
    Check("opens_real", "error", opens_real),
    Check("sessions_covered", "warning", sessions_covered),
    Check("bars_in_sessions", "warning", bars_in_sessions),
)
