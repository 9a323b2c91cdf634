"""The indicators as pure functions of one symbol's bars.

Every function takes float64 arrays [T], one value a bar, oldest first, and returns a float64 array [T]. Row t uses rows
up to and including t; the rows of the warm-up (see `outsample.features.registry`) are NaN. Rolling sums add the bars of
a window from the oldest to the newest, so that a row has the same bits whatever follows it and however long the array
is: no running total, no Fourier transform, no blocked reduction whose order depends on the length.

Exponential averages start with the plain mean of their first `window` values, as TA-Lib does. They forget that start
only gradually, so a row depends on where the data begins, but never on what comes after it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.signal import lfilter

Array = NDArray[np.float64]


def _delayed(values: Array, rows: int) -> Array:
    """The values with `rows` rows of NaN before them."""
    return np.concatenate([np.full(rows, np.nan), values])


def rolling_mean(values: Array, window: int) -> Array:
    """Mean of the last `window` values [T]; NaN in the first window - 1 rows."""
    count = len(values) - window + 1
    if count <= 0:
        return np.full(len(values), np.nan)
    total = np.zeros(count)
    for k in range(window):
        total += values[k : k + count]
    return _delayed(total / window, window - 1)


def _newest_mean_deviation(values: Array, window: int) -> tuple[Array, Array]:
    """Mean of the last `window` values less the newest, and their (population) standard deviation [T - window + 1].

    Deviations are taken from the newest value first, so that equal values give a deviation of exactly 0.
    """
    count = len(values) - window + 1
    newest = values[window - 1 :]
    mean = np.zeros(count)
    for k in range(window):
        mean += values[k : k + count] - newest
    mean /= window
    squares = np.zeros(count)
    for k in range(window):
        squares += (values[k : k + count] - newest - mean) ** 2
    return mean, np.sqrt(squares / window)


def rolling_zscore(values: Array, window: int) -> Array:
    """Newest value less the mean of the last `window`, in their (population) standard deviations [T].

    The score of a window in which nothing varies is 0 by definition. Its size cannot exceed sqrt(window - 1).
    """
    if len(values) < window:
        return np.full(len(values), np.nan)
    mean, deviation = _newest_mean_deviation(values, window)
    # NaN must stay NaN: only a deviation that is exactly 0 is the window in which nothing varies.
    score = np.divide(-mean, deviation, out=np.where(np.isnan(deviation), np.nan, 0.0), where=deviation > 0)
    return _delayed(score, window - 1)


def rolling_deviation(values: Array, window: int) -> Array:
    """(Population) standard deviation of the last `window` values [T]; exactly 0 where they are equal."""
    if len(values) < window:
        return np.full(len(values), np.nan)
    return _delayed(_newest_mean_deviation(values, window)[1], window - 1)


def exponential_mean(values: Array, window: int, weight: float) -> Array:
    """Recursive mean m[t] = weight * x[t] + (1 - weight) * m[t-1], with m[window-1] the mean of the first `window`."""
    if len(values) < window:
        return np.full(len(values), np.nan)
    seed = values[:window].mean()
    mean = np.full(len(values), np.nan)
    mean[window - 1] = seed
    if len(values) > window:
        mean[window:], _ = lfilter([weight], [1.0, weight - 1.0], values[window:], zi=[(1.0 - weight) * seed])
    return mean


def ema(values: Array, span: int) -> Array:
    """Exponential moving average of weight 2 / (span + 1), started with the mean of the first `span` values."""
    return exponential_mean(values, span, 2.0 / (span + 1.0))


def wilder_mean(values: Array, window: int) -> Array:
    """Wilder's average: weight 1 / window, started with the mean of the first `window` values (Wilder, 1978)."""
    return exponential_mean(values, window, 1.0 / window)


def log_return(close: Array, horizon: int) -> Array:
    """log(close[t] / close[t-horizon]); warm-up: horizon.

    >>> log_return(np.exp([0.0, 1.0, 3.0, 6.0]), 2)
    array([nan, nan,  3.,  5.])
    """
    if len(close) <= horizon:
        return np.full(len(close), np.nan)
    return _delayed(np.log(close[horizon:] / close[:-horizon]), horizon)


def lagged_return(close: Array, lag: int) -> Array:
    """One-bar log return `lag` bars ago, log(close[t-lag] / close[t-lag-1]); warm-up: lag + 1."""
    return _delayed(log_return(close, 1), lag)[: len(close)]


def sma_ratio(close: Array, window: int) -> Array:
    """close / SMA(close, window) - 1; warm-up: window - 1."""
    return close / rolling_mean(close, window) - 1.0


def ema_ratio(close: Array, span: int) -> Array:
    """close / EMA(close, span) - 1; warm-up: span - 1."""
    return close / ema(close, span) - 1.0


def rsi(close: Array, window: int) -> Array:
    """Relative strength index 100 * G / (G + L), G and L Wilder's averages of gains and of losses; warm-up: window.

    50 by definition while the price has never moved. Source: Wilder (1978), section VI.

    >>> rsi(np.array([1.0, 2.0, 1.0, 1.0, 2.0]), 2).round(1)
    array([ nan,  nan, 50. , 50. , 83.3])
    """
    if len(close) == 0:
        return close.copy()
    change = np.diff(close)
    gain = wilder_mean(np.maximum(change, 0.0), window)
    loss = wilder_mean(np.maximum(-change, 0.0), window)
    moved = gain + loss
    index = np.divide(100.0 * gain, moved, out=np.where(np.isnan(moved), np.nan, 50.0), where=moved > 0)
    return _delayed(index, 1)


def _macd(close: Array, fast: int, slow: int) -> Array:
    return ema(close, fast) - ema(close, slow)


def macd_line(close: Array, fast: int, slow: int) -> Array:
    """(EMA(close, fast) - EMA(close, slow)) / close; warm-up: slow - 1.

    Both averages start with the mean of their own first bars; TA-Lib starts the fast one later, which differs in the
    first bars and fades. Source: Appel (1979).
    """
    return _macd(close, fast, slow) / close


def macd_signal(close: Array, fast: int, slow: int, signal: int) -> Array:
    """EMA(MACD in price, signal) / close; warm-up: slow + signal - 2. Source: Appel (1979)."""
    line = _macd(close, fast, slow)
    return _delayed(ema(line[slow - 1 :], signal), slow - 1)[: len(close)] / close


def macd_histogram(close: Array, fast: int, slow: int, signal: int) -> Array:
    """MACD line less its signal, both over close; warm-up: slow + signal - 2. Source: Aspray (1986)."""
    return macd_line(close, fast, slow) - macd_signal(close, fast, slow, signal)


def bollinger_position(close: Array, window: int) -> Array:
    """(close - SMA) / (2 standard deviations of close): 1 on the upper band, -1 on the lower; warm-up: window - 1.

    0 by definition where close does not vary in the window. Source: Bollinger (2001).
    """
    return rolling_zscore(close, window) / 2.0


def atr_ratio(high: Array, low: Array, close: Array, window: int) -> Array:
    """Wilder's average of the true range, over close; warm-up: window (the first bar has no previous close).

    True range[t] = max(high[t], close[t-1]) - min(low[t], close[t-1]). Source: Wilder (1978), section III.
    """
    if len(close) == 0:
        return close.copy()
    true_range = np.maximum(high[1:], close[:-1]) - np.minimum(low[1:], close[:-1])
    return _delayed(wilder_mean(true_range, window), 1) / close


def realised_volatility(close: Array, window: int) -> Array:
    """Root mean square of the last `window` one-bar log returns, per bar; warm-up: window.

    Source: Andersen and Bollerslev (1998).
    """
    return np.sqrt(rolling_mean(log_return(close, 1) ** 2, window))


def volume_zscore(volume: Array, window: int) -> Array:
    """z-score of log(1 + volume) within its last `window` bars; warm-up: window - 1.

    0 by definition where volume is constant, or zero, in the whole window.
    """
    return rolling_zscore(np.log1p(volume), window)


def sma_crossing(close: Array, fast: int, slow: int) -> Array:
    """SMA(close, fast) / SMA(close, slow) - 1, above 0 while the fast average is the higher; warm-up: slow - 1.

    Source: Brock, Lakonishok and LeBaron (1992).
    """
    return rolling_mean(close, fast) / rolling_mean(close, slow) - 1.0


def _directional(high: Array, low: Array, close: Array, window: int) -> tuple[Array, Array]:
    """Both directional indicators from the second bar on [T-1]; 0 where no range was ever true."""
    up, down = np.diff(high), -np.diff(low)
    true_range = wilder_mean(np.maximum(high[1:], close[:-1]) - np.minimum(low[1:], close[:-1]), window)
    found = []
    for move, other in ((up, down), (down, up)):
        moved = wilder_mean(np.where((move > other) & (move > 0), move, 0.0), window)
        none = np.where(np.isnan(true_range), np.nan, 0.0)
        found.append(np.divide(100.0 * moved, true_range, out=none, where=true_range > 0))
    return found[0], found[1]


def plus_di(high: Array, low: Array, close: Array, window: int) -> Array:
    """Directional indicator +DI = 100 * W(+DM) / W(true range), W Wilder's average; warm-up: window.

    +DM[t] = high[t] - high[t-1] where that is above 0 and above low[t-1] - low[t], else 0. 0 by definition where
    nothing ever moved. Source: Wilder (1978), section IV.
    """
    return _delayed(_directional(high, low, close, window)[0], 1)[: len(close)]


def minus_di(high: Array, low: Array, close: Array, window: int) -> Array:
    """Directional indicator -DI = 100 * W(-DM) / W(true range), W Wilder's average; warm-up: window.

    -DM[t] = low[t-1] - low[t] where that is above 0 and above high[t] - high[t-1], else 0. 0 by definition where
    nothing ever moved. Source: Wilder (1978), section IV.
    """
    return _delayed(_directional(high, low, close, window)[1], 1)[: len(close)]


def adx(high: Array, low: Array, close: Array, window: int) -> Array:
    """Average directional index W(100 * |+DI - -DI| / (+DI + -DI)), W Wilder's average; warm-up: 2 * window - 1.

    The quotient is 0 by definition where both indicators are 0. Source: Wilder (1978), section IV.
    """
    plus, minus = _directional(high, low, close, window)
    both = plus + minus
    none = np.where(np.isnan(both), np.nan, 0.0)
    index = np.divide(100.0 * np.abs(plus - minus), both, out=none, where=both > 0)[window - 1 :]
    return _delayed(wilder_mean(index, window), window)[: len(close)]


def _bars_since(values: Array, window: int) -> Array:
    """Bars since the largest of the last window + 1 values, the newest of equal ones [T]; NaN in the first window."""
    if len(values) <= window:
        return np.full(len(values), np.nan)
    newest_first = sliding_window_view(values, window + 1)[:, ::-1]
    return _delayed(newest_first.argmax(axis=1).astype(np.float64), window)


def aroon_up(high: Array, window: int) -> Array:
    """100 * (window - bars since the highest high of the last window + 1 bars) / window; warm-up: window.

    Source: Chande (1995).
    """
    return 100.0 * (window - _bars_since(high, window)) / window


def aroon_down(low: Array, window: int) -> Array:
    """100 * (window - bars since the lowest low of the last window + 1 bars) / window; warm-up: window.

    Source: Chande (1995).
    """
    return 100.0 * (window - _bars_since(-low, window)) / window


def aroon_oscillator(high: Array, low: Array, window: int) -> Array:
    """Aroon up less Aroon down; warm-up: window. Source: Chande (1995)."""
    return aroon_up(high, window) - aroon_down(low, window)


def bollinger_width(close: Array, window: int) -> Array:
    """Upper less lower Bollinger band, over the middle: 4 standard deviations of close / SMA; warm-up: window - 1.

    Source: Bollinger (2001).
    """
    return 4.0 * rolling_deviation(close, window) / rolling_mean(close, window)


def return_deviation(close: Array, window: int) -> Array:
    """(Population) standard deviation of the last `window` one-bar log returns, per bar; warm-up: window.

    Source: Officer (1973).
    """
    return rolling_deviation(log_return(close, 1), window)


def parkinson_volatility(high: Array, low: Array, window: int) -> Array:
    """sqrt(mean of the last `window` log(high / low)^2 / (4 log 2)), per bar; warm-up: window - 1.

    Source: Parkinson (1980).
    """
    return np.sqrt(rolling_mean(np.log(high / low) ** 2, window) / (4.0 * math.log(2.0)))


def garman_klass_volatility(open_: Array, high: Array, low: Array, close: Array, window: int) -> Array:
    """Volatility per bar from all four prices of the last `window` bars; warm-up: window - 1.

    sqrt(mean of max(log(high / low)^2 / 2 - (2 log 2 - 1) log(close / open)^2, 0)). A bar is below 0 only where its
    open or close lies outside its range, by rounding. Source: Garman and Klass (1980).
    """
    drift = np.log(close / open_) ** 2
    bars = 0.5 * np.log(high / low) ** 2 - (2.0 * math.log(2.0) - 1.0) * drift
    return np.sqrt(rolling_mean(np.maximum(bars, 0.0), window))


def drawdown(high: Array, close: Array, window: int) -> Array:
    """close / highest high of the last `window` bars - 1, at most 0; warm-up: window - 1.

    Source: George and Hwang (2004).
    """
    if len(close) < window:
        return np.full(len(close), np.nan)
    return close / _delayed(sliding_window_view(high, window).max(axis=1), window - 1) - 1.0


def dollar_volume_zscore(close: Array, volume: Array, window: int) -> Array:
    """z-score of log(close * (1 + volume)) within its last `window` bars; warm-up: window - 1.

    0 by definition where it does not vary in the whole window. Source: Amihud (2002).
    """
    return rolling_zscore(np.log(close) + np.log1p(volume), window)
