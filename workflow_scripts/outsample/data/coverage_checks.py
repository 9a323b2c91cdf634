"""Checks of which bars are there, against a calendar and within the day, and of their volume."""

from __future__ import annotations

import numpy as np

from outsample.data.calendar import EVERY_DAY, OBSERVED, WEEKDAYS, days_in, sessions_between, weeks
from outsample.data.symbol_bars import Finding, SymbolBars, finding_at, unless_right

_SAME_VOLUME = 0.95  # share of the bars with one volume from which it is none
_FEW = 10  # bars of which no share is taken


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
    advice = "see whether data.calendar is right"
    if not missing:
        advice += "; bars on days off are a mark of simulated bars; the repair drop_bars_outside_sessions drops them"
    return Finding(found, f"{len(found)} {what.format(name)}", advice)


def sessions_dense(bars: SymbolBars) -> Finding | None:
    """In the weeks that have a bar, most sessions have one."""
    name, days = bars.calendar.name, bars.days
    if name == OBSERVED:
        return None
    sessions = sessions_between(name, days[0], days[-1])
    sessions = sessions[np.isin(weeks(sessions), weeks(days), kind="table")]
    covered = days_in(sessions, days)
    if len(sessions) < _FEW or covered.mean() >= bars.limits.min_coverage:
        return None
    what = (
        f"only {covered.mean():.0%} of the sessions of {name} have a bar, so a year has fewer bars than the "
        f"{bars.calendar.periods_per_year:g} that figures a year are computed with"
    )
    advice = unless_right("sessions_dense", f"set data.calendar to {OBSERVED}, or take complete bars")
    return Finding(sessions[~covered], what, advice)


def bars_regular(bars: SymbolBars) -> Finding | None:
    """Within a day, bars follow each other by the usual step; pauses of most days are no gaps."""
    steps = np.diff(bars.dates)
    within = np.ones(len(steps), bool) if bars.calendar.name == EVERY_DAY else ~bars.new_day[1:]
    if bars.new_day.all() or not within.any():
        return None
    sizes, counts = np.unique(steps[within], return_counts=True)
    usual = sizes[counts.argmax()]
    gaps = np.flatnonzero(within & (steps > usual * 1.5))
    times = bars.dates[gaps] - bars.dates[gaps].astype("datetime64[D]")
    _, which, often = np.unique(times, return_inverse=True, return_counts=True)
    found = gaps[often[which] <= len(bars.days) / 2]
    if len(found) == 0:
        return None
    lacking = int((steps[found] // usual).astype(np.int64).sum()) - len(found)
    what = f"bars are missing after it, {lacking} in all, where one comes every {_span(usual)}"
    return Finding(bars.dates[found], what, "see whether the source is complete")


def _span(step: np.timedelta64) -> str:
    """A step of time in words.

    >>> _span(np.timedelta64(300, "s")), _span(np.timedelta64(90, "s")), _span(np.timedelta64(1, "h"))
    ('5 minutes', '90 seconds', '60 minutes')
    """
    seconds = step / np.timedelta64(1, "s")
    return f"{seconds / 60:g} minutes" if seconds % 60 == 0 else f"{seconds:g} seconds"


def holidays_quiet(bars: SymbolBars) -> Finding | None:
    """Where every weekday seems to be traded, 25 December and 1 January are not, for no exchange opens on these."""
    if bars.calendar.name != WEEKDAYS or not bars.calendar.inferred or bars.simulated:
        return None
    days = bars.dates.astype("datetime64[D]")
    after = (days - days.astype("datetime64[Y]")).astype(np.int64)  # days since 1 January
    left = ((days.astype("datetime64[Y]") + 1).astype("datetime64[D]") - days).astype(np.int64)
    found = ((after == 0) | (left == 7)) & (bars["volume"] > 0)
    what = f"{int(found.sum())} bars with volume are on 25 December or 1 January, when no exchange opens"
    return finding_at(bars, found, what, "see whether these bars are simulated, or set data.calendar")


def bars_enough(bars: SymbolBars) -> Finding | None:
    """There are enough bars."""
    if len(bars) >= bars.limits.min_bars:
        return None
    what = f"there are {len(bars)} bars, fewer than the {bars.limits.min_bars} of validation.thresholds.min_bars"
    return Finding(bars.dates[:1], what, "take a longer span")


def volume_known(bars: SymbolBars) -> Finding | None:
    """Some bar has a volume."""
    if bars.volume_is_known:
        return None
    return Finding(bars.dates[:1], "volume is 0 on every bar, so none is known", "leave out features of volume")


def volume_above_zero(bars: SymbolBars) -> Finding | None:
    """No bar has the volume 0, unless all have."""
    if not bars.volume_is_known:
        return None
    return finding_at(bars, bars["volume"] == 0, "volume is 0", "see whether anything was traded then")


def volume_varies(bars: SymbolBars) -> Finding | None:
    """Volume is not one number."""
    volume = bars["volume"]
    same = volume == np.median(volume)
    if not bars.volume_is_known or len(bars) < _FEW or same.mean() < _SAME_VOLUME:
        return None
    what = f"volume is {np.median(volume):g} on {same.mean():.0%} of the bars, as no market has it"
    return Finding(bars.dates[same], what, "see whether these bars are simulated; leave out features of volume")
