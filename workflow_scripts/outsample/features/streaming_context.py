"""The indicators of dates and of another symbol's closes, one bar at a time; NumPy and the standard library only.

The vectorised form is `outsample.features.context_indicators`; see `outsample.features.streaming_indicators`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np

from outsample.features.references import close_column
from outsample.features.streaming_indicators import (
    NOT_YET,
    Push,
    State,
    StreamingForm,
    log_ratio,
    mean_of,
    slide,
)

OTHER = close_column("{symbol}")  # the input that holds the other symbol's closes, whichever it is
_DAY = 86_400.0


def _day(date: float) -> np.datetime64:
    return np.datetime64(int(date // _DAY), "D")


def _weekday(date: float) -> float:
    return (date // _DAY + 3.0) % 7.0 / 7.0


def _month_day(date: float) -> float:
    day = _day(date)
    month = day.astype("datetime64[M]")
    first, after = month.astype("datetime64[D]"), (month + 1).astype("datetime64[D]")
    return float((day - first).astype(np.int64)) / float((after - first).astype(np.int64))


def _month(date: float) -> float:
    return float(_day(date).astype("datetime64[M]").astype(np.int64) % 12) / 12.0


def _time_of_day(date: float) -> float:
    return date % _DAY / _DAY


def _cycle(share: Callable[[float], float], wave: Callable[[float], float]) -> Push:
    """A form without a state: sine or cosine of the date's place in a cycle."""

    def push(state: State, date: float) -> tuple[State, float]:
        return {}, float(wave(2.0 * np.pi * share(date)))

    return push


def _returns(closes: Sequence[float]) -> list[float]:
    return [log_ratio(after, before) for before, after in itertools.pairwise(closes)]


def _other_return(state: State, other: float, *, horizon: int, lag: int) -> tuple[State, float]:
    window = slide(state.get("window", []), other, horizon + lag + 1)
    known = len(window) == horizon + lag + 1
    return {"window": window}, log_ratio(window[horizon], window[0]) if known else NOT_YET


def _relative_strength(state: State, close: float, other: float, *, horizon: int, lag: int) -> tuple[State, float]:
    own, value = _other_return(state.get("own", {}), close, horizon=horizon, lag=0)
    others, against = _other_return(state.get("other", {}), other, horizon=horizon, lag=lag)
    return {"own": own, "other": others}, value - against


def _regressed(state: State, close: float, other: float, window: int, lag: int) -> tuple[State, float, float]:
    """The next state, beta and what it leaves over; NaN until there are enough closes of both."""
    own = slide(state.get("own", []), close, window + 1)
    market = slide(state.get("other", []), other, window + lag + 1)
    after = {"own": own, "other": market}
    if len(market) < window + lag + 1:
        return after, NOT_YET, NOT_YET
    returns, markets = _returns(own), _returns(market[: window + 1])
    mean, mean_market = mean_of([r - returns[-1] for r in returns]), mean_of([m - markets[-1] for m in markets])
    together = alone = 0.0
    for r, m in zip(returns, markets, strict=True):
        apart = m - markets[-1] - mean_market
        together += (r - returns[-1] - mean) * apart
        alone += apart * apart
    beta = together / alone if alone > 0 else 0.0 * (together + alone)  # NaN stays NaN
    return after, beta, returns[-1] - beta * markets[-1]


def _beta(state: State, close: float, other: float, *, window: int, lag: int) -> tuple[State, float]:
    after, beta, _ = _regressed(state, close, other, window, lag)
    return after, beta


def _residual_return(state: State, close: float, other: float, *, window: int, lag: int) -> tuple[State, float]:
    after, _, left = _regressed(state, close, other, window, lag)
    return after, left


_SHARES = {"weekday": _weekday, "month_day": _month_day, "month": _month, "time_of_day": _time_of_day}
_WAVES = {"sin": np.sin, "cos": np.cos}

CONTEXT_FORMS: dict[str, StreamingForm] = {
    **{
        f"{part}_{name}": StreamingForm(_cycle(share, wave), ("date",), ())
        for part, share in _SHARES.items()
        for name, wave in _WAVES.items()
    },
    "other_return": StreamingForm(_other_return, (OTHER,), ("horizon", "lag")),
    "beta": StreamingForm(_beta, ("close", OTHER), ("window", "lag")),
    "residual_return": StreamingForm(_residual_return, ("close", OTHER), ("window", "lag")),
    "relative_strength": StreamingForm(_relative_strength, ("close", OTHER), ("horizon", "lag")),
}
