"""The calendar that a package takes along: which days have a session, as a weekmask and the days that are closed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outsample.data.calendar import OBSERVED, sessions_between
from outsample.errors import ConfigError

Days = NDArray[np.datetime64]
AHEAD = np.timedelta64(3653, "D")  # ten years after the data; from then on only weekdays are known
_SESSION_SHARE = 0.5  # of the weeks; a weekday with sessions in fewer is an exception


def calendar_document(name: str, days: Mapping[str, Days]) -> dict[str, Any]:
    """The document `calendar.json` of a package.

    Args:
        name: of the experiment's calendar.
        days: symbol -> days on which the data of the package hold a bar of it, ascending.
    Returns: name; weekmask of Monday to Sunday, null for a calendar whose sessions are not known; closed: days of the
        weekmask without a session, from the first bar to ten years after the last, or to the last where the calendar
        does not reach further; gaps: symbol -> sessions without a bar of it between its first and its last.
    """
    if name == OBSERVED:
        return {"name": name, "weekmask": None, "closed": [], "gaps": {symbol: [] for symbol in days}}
    first, last = min(own[0] for own in days.values()), max(own[-1] for own in days.values())
    try:
        sessions = sessions_between(name, first, last + AHEAD)
        end = last + AHEAD
    except ConfigError:  # some calendars end with the exchange's last announcement
        sessions, end = sessions_between(name, first, last), last
    mask = [_has_sessions(sessions, first, end, weekday) for weekday in range(7)]
    closed = np.setdiff1d(_open_days(first, end, mask), sessions)
    gaps = {
        symbol: np.setdiff1d(np.setdiff1d(_open_days(own[0], own[-1], mask), closed), own)
        for symbol, own in days.items()
    }
    return {
        "name": name,
        "weekmask": mask,
        "closed": [str(day) for day in closed],
        "gaps": {symbol: [str(day) for day in own] for symbol, own in gaps.items()},
    }


def _open_days(first: np.datetime64, last: np.datetime64, mask: list[bool]) -> Days:
    days = np.arange(first, last + np.timedelta64(1, "D"), dtype="datetime64[D]")
    return days[np.is_busday(days, weekmask=mask)] if any(mask) else days[:0]


def _has_sessions(sessions: Days, first: np.datetime64, last: np.datetime64, weekday: int) -> bool:
    only = [day == weekday for day in range(7)]
    possible = len(_open_days(first, last, only))
    return possible > 0 and int(np.is_busday(sessions, weekmask=only).sum()) >= _SESSION_SHARE * possible
