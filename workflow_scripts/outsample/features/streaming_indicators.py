"""The indicators one bar at a time, each with the state it needs and no more; NumPy and the standard library only.

The vectorised form (`outsample.features.indicators`) defines every indicator; this is the same arithmetic in the same
order, so that the two agree to rounding (and to the last bit where NumPy takes the logarithm of an array as it takes
that of a number). Windows keep their last values; exponential averages keep their own value, and replay nothing.

A state is plain data: names -> numbers, lists of numbers, further states, or None. An indicator never changes a state:
it returns the next one, so that a bar that is refused leaves no trace.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

State = dict[str, Any]
Push = Callable[..., tuple[State, float]]

_NAN = float("nan")


def _slide(values: Sequence[float], newest: float, size: int) -> list[float]:
    """The last `size` values, oldest first."""
    return [*values, newest][-size:]


def _mean(window: Sequence[float]) -> float:
    """Mean, added from the oldest to the newest; no built-in `sum`, which compensates rounding since Python 3.12."""
    total = 0.0
    for value in window:
        total += value
    return total / len(window)


def _zscore(window: Sequence[float]) -> float:
    """Newest value less the mean, in (population) standard deviations; 0 where nothing varies."""
    newest = window[-1]
    mean = _mean([value - newest for value in window])
    deviations = [value - newest - mean for value in window]
    deviation = math.sqrt(_mean([d * d for d in deviations]))
    return 0.0 if deviation == 0 else -mean / deviation


def _over(value: float, price: float) -> float:
    """value / price; NaN, which the stream refuses, where a price or a mean of prices has become 0 by underflow."""
    return value / price if price != 0 else _NAN


def _log(value: float) -> float:
    return float(np.log(value))  # as the vectorised form takes it: math.log may differ in the last bit


def _seeded(average: State | None, value: float, window: int, weight: float) -> State:
    """The next state of an exponential average: `first`, the values it will start from; then `mean`, its own value."""
    average = average or {"first": [], "mean": None}
    if average["mean"] is not None:
        return {"first": [], "mean": weight * value + (1.0 - weight) * average["mean"]}
    first = [*average["first"], value]
    if len(first) < window:
        return {"first": first, "mean": None}
    return {"first": [], "mean": float(np.mean(first))}


def _ema(average: State | None, value: float, span: int) -> State:
    return _seeded(average, value, span, 2.0 / (span + 1.0))


def _wilder(average: State | None, value: float, window: int) -> State:
    return _seeded(average, value, window, 1.0 / window)


def _windowed(values: State, newest: float, size: int, found: Callable[[list[float]], float]) -> tuple[State, float]:
    """An indicator of the last `size` values; NaN until there are as many."""
    window = _slide(values.get("window", []), newest, size)
    return {"window": window}, found(window) if len(window) == size else _NAN


def _lagged_return(state: State, close: float, *, lag: int) -> tuple[State, float]:
    return _windowed(state, close, lag + 2, lambda w: _log(_over(w[1], w[0])))


def _log_return(state: State, close: float, *, horizon: int) -> tuple[State, float]:
    return _windowed(state, close, horizon + 1, lambda w: _log(_over(w[-1], w[0])))


def _sma_ratio(state: State, close: float, *, window: int) -> tuple[State, float]:
    return _windowed(state, close, window, lambda w: _over(close, _mean(w)) - 1.0)


def _bollinger_position(state: State, close: float, *, window: int) -> tuple[State, float]:
    return _windowed(state, close, window, lambda w: _zscore(w) / 2.0)


def _volume_zscore(state: State, volume: float, *, window: int) -> tuple[State, float]:
    return _windowed(state, float(np.log1p(volume)), window, _zscore)


def _realised_volatility(state: State, close: float, *, window: int) -> tuple[State, float]:
    if not state:
        return {"close": close, "window": []}, _NAN
    change = _log(_over(close, state["close"]))
    squares, value = _windowed(state, change * change, window, lambda w: math.sqrt(_mean(w)))
    return {"close": close, **squares}, value


def _ema_ratio(state: State, close: float, *, span: int) -> tuple[State, float]:
    average = _ema(state.get("average"), close, span)
    mean = average["mean"]
    return {"average": average}, _NAN if mean is None else _over(close, mean) - 1.0


def _rsi(state: State, close: float, *, window: int) -> tuple[State, float]:
    if not state:
        return {"close": close, "gain": None, "loss": None}, _NAN
    change = close - state["close"]
    gain, loss = _wilder(state["gain"], max(change, 0.0), window), _wilder(state["loss"], max(-change, 0.0), window)
    after = {"close": close, "gain": gain, "loss": loss}
    if gain["mean"] is None:
        return after, _NAN
    moved = gain["mean"] + loss["mean"]
    return after, 50.0 if moved == 0 else 100.0 * gain["mean"] / moved


def _atr_ratio(state: State, high: float, low: float, close: float, *, window: int) -> tuple[State, float]:
    if not state:
        return {"close": close, "average": None}, _NAN
    true_range = max(high, state["close"]) - min(low, state["close"])
    average = _wilder(state["average"], true_range, window)
    value = _NAN if average["mean"] is None else average["mean"] / close
    return {"close": close, "average": average}, value


def _macd(state: State, close: float, fast: int, slow: int) -> tuple[State, float | None]:
    """Both averages, and their difference in price once there is one."""
    averages = {"fast": _ema(state.get("fast"), close, fast), "slow": _ema(state.get("slow"), close, slow)}
    if averages["slow"]["mean"] is None:
        return averages, None
    return averages, averages["fast"]["mean"] - averages["slow"]["mean"]


def _macd_line(state: State, close: float, *, fast: int, slow: int) -> tuple[State, float]:
    averages, line = _macd(state, close, fast, slow)
    return averages, _NAN if line is None else line / close


def _macd_with_signal(state: State, close: float, fast: int, slow: int, signal: int) -> tuple[State, float, float]:
    """State, line and signal, both over close; NaN until the signal is known."""
    averages, line = _macd(state, close, fast, slow)
    if line is None:
        return {**averages, "signal": None}, _NAN, _NAN
    average = _ema(state.get("signal"), line, signal)
    after = {**averages, "signal": average}
    return (after, _NAN, _NAN) if average["mean"] is None else (after, line / close, average["mean"] / close)


def _macd_signal(state: State, close: float, *, fast: int, slow: int, signal: int) -> tuple[State, float]:
    after, _, average = _macd_with_signal(state, close, fast, slow, signal)
    return after, average


def _macd_histogram(state: State, close: float, *, fast: int, slow: int, signal: int) -> tuple[State, float]:
    after, line, average = _macd_with_signal(state, close, fast, slow, signal)
    return after, line - average


class StreamingForm(NamedTuple):
    """How an indicator takes one bar; its value is NaN until the warm-up is over."""

    push: Push  # (state, inputs ..., parameters by name) -> next state, value; the first state is {}
    inputs: tuple[str, ...]  # columns of the bar, in the order of `push`
    parameters: tuple[str, ...]


STREAMING_FORMS: dict[str, StreamingForm] = {
    "lagged_return": StreamingForm(_lagged_return, ("close",), ("lag",)),
    "log_return": StreamingForm(_log_return, ("close",), ("horizon",)),
    "sma_ratio": StreamingForm(_sma_ratio, ("close",), ("window",)),
    "ema_ratio": StreamingForm(_ema_ratio, ("close",), ("span",)),
    "rsi": StreamingForm(_rsi, ("close",), ("window",)),
    "macd_line": StreamingForm(_macd_line, ("close",), ("fast", "slow")),
    "macd_signal": StreamingForm(_macd_signal, ("close",), ("fast", "slow", "signal")),
    "macd_histogram": StreamingForm(_macd_histogram, ("close",), ("fast", "slow", "signal")),
    "bollinger_position": StreamingForm(_bollinger_position, ("close",), ("window",)),
    "atr_ratio": StreamingForm(_atr_ratio, ("high", "low", "close"), ("window",)),
    "realised_volatility": StreamingForm(_realised_volatility, ("close",), ("window",)),
    "volume_zscore": StreamingForm(_volume_zscore, ("volume",), ("window",)),
}
