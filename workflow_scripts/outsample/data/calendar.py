"""Trading calendars: which days have a session, how many a year has, and which calendar some dates follow.

Names are those of exchange-calendars, `weekdays` (Monday to Friday, no holidays), `FX` (Sunday to Friday, as where a
short bar of Sunday night is a bar of its own) and `observed`, which stands for dates that follow no calendar known
here, such as weekly bars: its periods per year are counted, its gaps unknown.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from outsample.errors import ConfigError

Days = NDArray[np.datetime64]

WEEKDAYS, FX, EVERY_DAY, OBSERVED = "weekdays", "FX", "24/7", "observed"
CANDIDATES = ("XNYS", WEEKDAYS, FX, EVERY_DAY)  # tried by `auto`; of equally good ones the first
MIN_AGREEMENT = 0.9
# Spans over which sessions a year are counted: a decade, so that they do not vary with the span of the data; three
# years for exchanges younger than that.
_COUNTED = (("2013-01-01", "2022-12-31", 10), ("2022-01-01", "2024-12-31", 3))
_LATEST = np.datetime64("2200-01-01")  # exchange-calendars cannot go past the range of nanosecond time stamps
_EARLIEST = np.datetime64("1700-01-01")
_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True)
class Calendar:
    """A calendar: its name, whether it was inferred from the dates, and bars per year."""

    name: str
    inferred: bool
    periods_per_year: float


def infer_calendar(dates: Days, name: str = "auto") -> Calendar:
    """The calendar that dates follow, or the one that is named.

    A candidate agrees with the dates by |days and sessions| / |days or sessions|; only weeks that hold a bar are
    compared, for a long hole says nothing about the calendar. The best candidate is taken where it agrees to 0.9, else
    `observed`. Periods per year are the calendar's sessions per year times the median of bars per day with bars, e.g.
    252 for daily bars of XNYS, 365 for 24/7, 261 for weekdays and 313 for FX; for `observed` the dates per year of
    their own span.

    Args:
        dates: dates of all bars of all symbols, in any order, at least one.
        name: `auto`, or a calendar.
    Raises: ConfigError where the name is unknown (the nearest is named) or cannot serve the dates.

    >>> infer_calendar(np.arange("2024-01-01", "2024-03-01", dtype="datetime64[D]"))
    Calendar(name='24/7', inferred=True, periods_per_year=365.0)
    """
    moments, _ = _runs(np.sort(np.asarray(dates, dtype="datetime64[us]")))
    days, bars_a_day = _runs(moments.astype("datetime64[D]"))
    if name != "auto":
        chosen = _known_name(name)
    else:
        agreement = {c: _agreement(days, c) for c in CANDIDATES}
        best = max(CANDIDATES, key=lambda c: agreement[c])
        chosen = best if agreement[best] >= MIN_AGREEMENT else OBSERVED
    if chosen == OBSERVED:
        return Calendar(OBSERVED, name == "auto", _observed_per_year(moments))
    sessions_between(chosen, days[0], days[-1])  # a calendar that cannot serve the dates is refused here
    return Calendar(chosen, name == "auto", float(_sessions_per_year(chosen) * np.median(bars_a_day)))


def sessions_between(name: str, first: np.datetime64, last: np.datetime64) -> Days:
    """Days with a session from `first` to `last`, both included.

    Raises: ConfigError where the calendar does not reach that far.
    """
    first, last = first.astype("datetime64[D]"), last.astype("datetime64[D]")
    return _OWN[name](first, last) if name in _OWN else _exchange_sessions(name, first, last)


@lru_cache(maxsize=32)  # the symbols of an experiment mostly share their span
def _exchange_sessions(name: str, first: np.datetime64, last: np.datetime64) -> Days:
    import exchange_calendars  # takes a second to import, and most runs of the command line need no calendar

    # It refuses spans without sessions, so a short span is lengthened; the longest closure known here is ten days.
    end = max(last, first + 14 * _DAY)
    try:
        calendar = exchange_calendars.get_calendar(name, start=str(first), end=str(end))
    except (ValueError, NotImplementedError, exchange_calendars.errors.CalendarError) as error:
        raise ConfigError(
            f"data.calendar: {name} cannot serve {first} .. {last} ({str(error)[:200]}); "
            "set data.start and data.end within its reach, or data.calendar to auto."
        ) from error
    sessions = calendar.sessions.to_numpy().astype("datetime64[D]")
    sessions = sessions[(sessions >= first) & (sessions <= last)]
    sessions.flags.writeable = False
    return sessions


def _every_day(first: np.datetime64, last: np.datetime64) -> Days:
    return np.arange(first, last + _DAY, dtype="datetime64[D]")


def _weekdays(first: np.datetime64, last: np.datetime64) -> Days:
    days = _every_day(first, last)
    return days[np.is_busday(days)]


def _sunday_to_friday(first: np.datetime64, last: np.datetime64) -> Days:
    days = _every_day(first, last)
    return days[np.is_busday(days, weekmask="1111101")]


_OWN: dict[str, Callable[[np.datetime64, np.datetime64], Days]] = {
    EVERY_DAY: _every_day,
    WEEKDAYS: _weekdays,
    FX: _sunday_to_friday,
}


def _known_name(name: str) -> str:
    """The canonical name of a calendar (NYSE is XNYS)."""
    if name in _OWN or name == OBSERVED:
        return name
    import exchange_calendars

    names = [*_OWN, OBSERVED, *exchange_calendars.get_calendar_names(include_aliases=True)]
    if name in names:
        return str(exchange_calendars.resolve_alias(name))
    folded = {n.upper(): n for n in reversed(names)}
    near = difflib.get_close_matches(name.upper(), sorted(folded), n=2, cutoff=0.0)
    meant = " or ".join(folded[n] for n in near)
    raise ConfigError(f"data.calendar: {name!r} is no calendar; did you mean {meant}? auto infers it from the dates.")


def days_in(days: Days, others: Days) -> NDArray[np.bool_]:
    """Which days are among others."""
    return np.isin(days.astype(np.int64), others.astype(np.int64), kind="table")  # linear in the span, no sorting


def _runs(ascending: Days) -> tuple[Days, NDArray[np.int64]]:
    """The distinct values and how often each occurs; on sorted values ten times faster than numpy.unique."""
    starts = np.flatnonzero(np.concatenate([[True], ascending[1:] != ascending[:-1]]))
    return ascending[starts], np.diff(starts, append=len(ascending))


def _agreement(days: Days, name: str) -> float:
    if name not in _OWN and (days[0] < _EARLIEST or days[-1] > _LATEST):
        return 0.0
    sessions = sessions_between(name, days[0], days[-1])
    sessions = sessions[np.isin(weeks(sessions), weeks(days), kind="table")]
    common = int(days_in(days, sessions).sum())
    return common / (len(days) + len(sessions) - common)


def weeks(days: Days) -> NDArray[np.int64]:
    """Number of each day's week, Monday to Sunday (1970-01-01 was a Thursday)."""
    return (days.astype(np.int64) + 3) // 7


def _sessions_per_year(name: str) -> int:
    (first, last, years), *younger = _COUNTED
    try:
        sessions = sessions_between(name, np.datetime64(first), np.datetime64(last))
    except ConfigError:
        ((first, last, years),) = younger
        sessions = sessions_between(name, np.datetime64(first), np.datetime64(last))
    return round(len(sessions) / years)


def _observed_per_year(moments: Days) -> float:
    years = (moments[-1] - moments[0]) / np.timedelta64(1, "D") / 365.25
    if years == 0:
        raise ConfigError("data.calendar: one date has no calendar; set data.calendar to a name such as XNYS.")
    return round(float((len(moments) - 1) / years), 2)
