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

NOT_YET = float("nan")


def slide(values: Sequence[float], newest: float, size: int) -> list[float]:
    """The last `size` values, oldest first."""
    return [*values, newest][-size:]


def mean_of(window: Sequence[float]) -> float:
    """Mean, added from the oldest to the newest; no built-in `sum`, which compensates rounding since Python 3.12."""
    total = 0.0
    for value in window:
        total += value
    return total / len(window)


def _newest_mean_deviation(window: Sequence[float]) -> tuple[float, float]:
    """Mean less the newest value, and (population) standard deviation."""
    newest = window[-1]
    mean = mean_of([value - newest for value in window])
    deviations = [value - newest - mean for value in window]
    return mean, math.sqrt(mean_of([d * d for d in deviations]))


def _zscore(window: Sequence[float]) -> float:
    """Newest value less the mean, in (population) standard deviations; 0 where nothing varies."""
    mean, deviation = _newest_mean_deviation(window)
    return 0.0 if deviation == 0 else -mean / deviation


def _deviation(window: Sequence[float]) -> float:
    return _newest_mean_deviation(window)[1]


def _over(value: float, price: float) -> float:
    """value / price; NaN, which the stream refuses, where a price or a mean of prices has become 0 by underflow."""
    return value / price if price != 0 else NOT_YET


def _log(value: float) -> float:
    return float(np.log(value))  # as the vectorised form takes it: math.log may differ in the last bit


def log_ratio(value: float, before: float) -> float:
    """log(value / before); NaN where the price before has become 0 by underflow."""
    return _log(_over(value, before))


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
    window = slide(values.get("window", []), newest, size)
    return {"window": window}, found(window) if len(window) == size else NOT_YET


def _lagged_return(state: State, close: float, *, lag: int) -> tuple[State, float]:
    return _windowed(state, close, lag + 2, lambda w: log_ratio(w[1], w[0]))


def _log_return(state: State, close: float, *, horizon: int) -> tuple[State, float]:
    return _windowed(state, close, horizon + 1, lambda w: log_ratio(w[-1], w[0]))


def _sma_ratio(state: State, close: float, *, window: int) -> tuple[State, float]:
    return _windowed(state, close, window, lambda w: _over(close, mean_of(w)) - 1.0)


def _bollinger_position(state: State, close: float, *, window: int) -> tuple[State, float]:
    return _windowed(state, close, window, lambda w: _zscore(w) / 2.0)


def _volume_zscore(state: State, volume: float, *, window: int) -> tuple[State, float]:
    return _windowed(state, float(np.log1p(volume)), window, _zscore)


def _realised_volatility(state: State, close: float, *, window: int) -> tuple[State, float]:
    if not state:
        return {"close": close, "window": []}, NOT_YET
    change = log_ratio(close, state["close"])
    squares, value = _windowed(state, change * change, window, lambda w: math.sqrt(mean_of(w)))
    return {"close": close, **squares}, value


def _ema_ratio(state: State, close: float, *, span: int) -> tuple[State, float]:
    average = _ema(state.get("average"), close, span)
    mean = average["mean"]
    return {"average": average}, NOT_YET if mean is None else _over(close, mean) - 1.0


def _rsi(state: State, close: float, *, window: int) -> tuple[State, float]:
    if not state:
        return {"close": close, "gain": None, "loss": None}, NOT_YET
    change = close - state["close"]
    gain, loss = _wilder(state["gain"], max(change, 0.0), window), _wilder(state["loss"], max(-change, 0.0), window)
    after = {"close": close, "gain": gain, "loss": loss}
    if gain["mean"] is None:
        return after, NOT_YET
    moved = gain["mean"] + loss["mean"]
    return after, 50.0 if moved == 0 else 100.0 * gain["mean"] / moved


def _atr_ratio(state: State, high: float, low: float, close: float, *, window: int) -> tuple[State, float]:
    if not state:
        return {"close": close, "average": None}, NOT_YET
    true_range = max(high, state["close"]) - min(low, state["close"])
    average = _wilder(state["average"], true_range, window)
    value = NOT_YET if average["mean"] is None else average["mean"] / close
    return {"close": close, "average": average}, value


def _macd(state: State, close: float, fast: int, slow: int) -> tuple[State, float | None]:
    """Both averages, and their difference in price once there is one."""
    averages = {"fast": _ema(state.get("fast"), close, fast), "slow": _ema(state.get("slow"), close, slow)}
    if averages["slow"]["mean"] is None:
        return averages, None
    return averages, averages["fast"]["mean"] - averages["slow"]["mean"]


def _macd_line(state: State, close: float, *, fast: int, slow: int) -> tuple[State, float]:
    averages, line = _macd(state, close, fast, slow)
    return averages, NOT_YET if line is None else line / close


def _macd_with_signal(state: State, close: float, fast: int, slow: int, signal: int) -> tuple[State, float, float]:
    """State, line and signal, both over close; NaN until the signal is known."""
    averages, line = _macd(state, close, fast, slow)
    if line is None:
        return {**averages, "signal": None}, NOT_YET, NOT_YET
    average = _ema(state.get("signal"), line, signal)
    after = {**averages, "signal": average}
    return (after, NOT_YET, NOT_YET) if average["mean"] is None else (after, line / close, average["mean"] / close)


def _macd_signal(state: State, close: float, *, fast: int, slow: int, signal: int) -> tuple[State, float]:
    after, _, average = _macd_with_signal(state, close, fast, slow, signal)
    return after, average


def _macd_histogram(state: State, close: float, *, fast: int, slow: int, signal: int) -> tuple[State, float]:
    after, line, average = _macd_with_signal(state, close, fast, slow, signal)
    return after, line - average


def _sma_crossing(state: State, close: float, *, fast: int, slow: int) -> tuple[State, float]:
    return _windowed(state, close, slow, lambda w: _over(mean_of(w[-fast:]), mean_of(w)) - 1.0)


def _di(moved: float, true_range: float) -> float:
    return 100.0 * moved / true_range if true_range > 0 else 0.0


def _directional(
    state: State, high: float, low: float, close: float, window: int
) -> tuple[State, tuple[float, float] | None]:
    """Both directional indicators once there are any."""
    if not state:
        return {"high": high, "low": low, "close": close, "plus": None, "minus": None, "range": None}, None
    up, down = high - state["high"], state["low"] - low
    plus = _wilder(state["plus"], up if up > down and up > 0 else 0.0, window)
    minus = _wilder(state["minus"], down if down > up and down > 0 else 0.0, window)
    true = _wilder(state["range"], max(high, state["close"]) - min(low, state["close"]), window)
    after = {"high": high, "low": low, "close": close, "plus": plus, "minus": minus, "range": true}
    if true["mean"] is None:
        return after, None
    return after, (_di(plus["mean"], true["mean"]), _di(minus["mean"], true["mean"]))


def _plus_di(state: State, high: float, low: float, close: float, *, window: int) -> tuple[State, float]:
    after, both = _directional(state, high, low, close, window)
    return after, NOT_YET if both is None else both[0]


def _minus_di(state: State, high: float, low: float, close: float, *, window: int) -> tuple[State, float]:
    after, both = _directional(state, high, low, close, window)
    return after, NOT_YET if both is None else both[1]


def _adx(state: State, high: float, low: float, close: float, *, window: int) -> tuple[State, float]:
    moves, both = _directional(state.get("moves", {}), high, low, close, window)
    if both is None:
        return {"moves": moves, "average": None}, NOT_YET
    plus, minus = both
    index = 100.0 * abs(plus - minus) / (plus + minus) if plus + minus > 0 else 0.0
    average = _wilder(state["average"], index, window)
    return {"moves": moves, "average": average}, NOT_YET if average["mean"] is None else average["mean"]


def _aroon(values: Sequence[float], window: int) -> float:
    """100 * (window - bars since the largest value) / window, the newest of equal ones."""
    since = max(range(len(values)), key=lambda k: values[-1 - k])  # the first of equal keys
    return 100.0 * (window - since) / window


def _aroon_up(state: State, high: float, *, window: int) -> tuple[State, float]:
    return _windowed(state, high, window + 1, lambda w: _aroon(w, window))


def _aroon_down(state: State, low: float, *, window: int) -> tuple[State, float]:
    return _windowed(state, -low, window + 1, lambda w: _aroon(w, window))


def _aroon_oscillator(state: State, high: float, low: float, *, window: int) -> tuple[State, float]:
    up, highest = _aroon_up(state.get("up", {}), high, window=window)
    down, lowest = _aroon_down(state.get("down", {}), low, window=window)
    return {"up": up, "down": down}, highest - lowest


def _bollinger_width(state: State, close: float, *, window: int) -> tuple[State, float]:
    return _windowed(state, close, window, lambda w: _over(4.0 * _deviation(w), mean_of(w)))


def _return_deviation(state: State, close: float, *, window: int) -> tuple[State, float]:
    if not state:
        return {"close": close, "window": []}, NOT_YET
    returns, value = _windowed(state, log_ratio(close, state["close"]), window, _deviation)
    return {"close": close, **returns}, value


def _parkinson_volatility(state: State, high: float, low: float, *, window: int) -> tuple[State, float]:
    spread = _log(high / low) ** 2
    return _windowed(state, spread, window, lambda w: math.sqrt(mean_of(w) / (4.0 * math.log(2.0))))


def _garman_klass_volatility(
    state: State, open_: float, high: float, low: float, close: float, *, window: int
) -> tuple[State, float]:
    drift = _log(close / open_) ** 2
    bar = 0.5 * _log(high / low) ** 2 - (2.0 * math.log(2.0) - 1.0) * drift
    return _windowed(state, max(bar, 0.0), window, lambda w: math.sqrt(mean_of(w)))


def _drawdown(state: State, high: float, close: float, *, window: int) -> tuple[State, float]:
    return _windowed(state, high, window, lambda w: close / max(w) - 1.0)


def _dollar_volume_zscore(state: State, close: float, volume: float, *, window: int) -> tuple[State, float]:
    return _windowed(state, _log(close) + float(np.log1p(volume)), window, _zscore)


class StreamingForm(NamedTuple):
    """How an indicator takes one bar; its value is NaN until the warm-up is over."""

    push: Push  # (state, inputs ..., parameters by name) -> next state, value; the first state is {}
    inputs: tuple[str, ...]  # columns of the bar, in the order of `push`
    parameters: tuple[str, ...]


_RANGE = ("high", "low", "close")

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
    "sma_crossing": StreamingForm(_sma_crossing, ("close",), ("fast", "slow")),
    "plus_di": StreamingForm(_plus_di, _RANGE, ("window",)),
    "minus_di": StreamingForm(_minus_di, _RANGE, ("window",)),
    "adx": StreamingForm(_adx, _RANGE, ("window",)),
    "aroon_up": StreamingForm(_aroon_up, ("high",), ("window",)),
    "aroon_down": StreamingForm(_aroon_down, ("low",), ("window",)),
    "aroon_oscillator": StreamingForm(_aroon_oscillator, ("high", "low"), ("window",)),
    "bollinger_width": StreamingForm(_bollinger_width, ("close",), ("window",)),
    "return_deviation": StreamingForm(_return_deviation, ("close",), ("window",)),
    "parkinson_volatility": StreamingForm(_parkinson_volatility, ("high", "low"), ("window",)),
    "garman_klass_volatility": StreamingForm(_garman_klass_volatility, ("open", "high", "low", "close"), ("window",)),
    "drawdown": StreamingForm(_drawdown, ("high", "close"), ("window",)),
    "dollar_volume_zscore": StreamingForm(_dollar_volume_zscore, ("close", "volume"), ("window",)),
}
