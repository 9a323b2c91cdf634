"""The indicators as pure functions of one symbol's bars.

Every function takes float64 arrays [T], one value a bar, oldest first, and returns a float64 array [T]. Row t uses rows
up to and including t; the rows of the warm-up (see `outsample.features.registry`) are NaN. Rolling sums add the bars of
a window from the oldest to the newest, so that a row has the same bits whatever follows it and however long the array
is: no running total, no Fourier transform, no blocked reduction whose order depends on the length.

Exponential averages start with the plain mean of their first `window` values, as TA-Lib does. They forget that start
only gradually, so a row depends on where the data begins, but never on what comes after it.
"""

from __future__ import annotations

import numpy as np
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


def rolling_zscore(values: Array, window: int) -> Array:
    """Newest value less the mean of the last `window`, in their (population) standard deviations [T].

    Deviations are taken from the newest value first, so that equal values give a deviation of exactly 0: the score of
    a window in which nothing varies is 0 by definition. Its size cannot exceed sqrt(window - 1).
    """
    count = len(values) - window + 1
    if count <= 0:
        return np.full(len(values), np.nan)
    newest = values[window - 1 :]
    mean = np.zeros(count)
    for k in range(window):
        mean += values[k : k + count] - newest
    mean /= window
    squares = np.zeros(count)
    for k in range(window):
        squares += (values[k : k + count] - newest - mean) ** 2
    deviation = np.sqrt(squares / window)
    # NaN must stay NaN: only a deviation that is exactly 0 is the window in which nothing varies.
    score = np.divide(-mean, deviation, out=np.where(np.isnan(deviation), np.nan, 0.0), where=deviation > 0)
    return _delayed(score, window - 1)


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
