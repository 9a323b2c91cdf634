"""Indicators of what stands beside a symbol's own prices: its dates, and the closes of another symbol.

As in `outsample.features.indicators`, every function takes float64 arrays [T] of one symbol, oldest bar first, and row
t uses rows up to and including t. A date is in seconds since 1970-01-01, as the bars have it. The other symbol's close
of row t is that of its last bar at or before the symbol's own date t (`outsample.features.references`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from outsample.features.indicators import Array, log_return

DAY = 86_400.0  # seconds


def _delayed(values: Array, rows: int) -> Array:
    """The values `rows` rows later, NaN before them [T]."""
    return np.concatenate([np.full(rows, np.nan), values])[: len(values)]


def _days(date: Array) -> NDArray[np.datetime64]:
    return np.floor(date / DAY).astype(np.int64).astype("datetime64[D]")


def weekday_share(date: Array) -> Array:
    """Days since Monday / 7."""
    return (np.floor(date / DAY) + 3.0) % 7.0 / 7.0  # 1970-01-01 was a Thursday


def month_day_share(date: Array) -> Array:
    """Days since the first of the month / days of the month."""
    days = _days(date)
    months = days.astype("datetime64[M]")
    first, after = months.astype("datetime64[D]"), (months + 1).astype("datetime64[D]")
    return (days - first).astype(np.float64) / (after - first).astype(np.float64)


def month_share(date: Array) -> Array:
    """Months since January / 12."""
    months = _days(date).astype("datetime64[M]").astype(np.int64)
    return months % 12 / 12.0


def time_of_day_share(date: Array) -> Array:
    """Seconds since midnight / seconds of a day."""
    return date % DAY / DAY


def _sine(share: Array) -> Array:
    return np.sin(2.0 * np.pi * share)


def _cosine(share: Array) -> Array:
    return np.cos(2.0 * np.pi * share)


def weekday_sin(date: Array) -> Array:
    """sin(2 pi days since Monday / 7); no warm-up. Source: French (1980)."""
    return _sine(weekday_share(date))


def weekday_cos(date: Array) -> Array:
    """cos(2 pi days since Monday / 7); no warm-up. Source: French (1980)."""
    return _cosine(weekday_share(date))


def month_day_sin(date: Array) -> Array:
    """sin(2 pi days since the first of the month / days of the month); no warm-up. Source: Ariel (1987)."""
    return _sine(month_day_share(date))


def month_day_cos(date: Array) -> Array:
    """cos(2 pi days since the first of the month / days of the month); no warm-up. Source: Ariel (1987)."""
    return _cosine(month_day_share(date))


def month_sin(date: Array) -> Array:
    """sin(2 pi months since January / 12); no warm-up. Source: Rozeff and Kinney (1976)."""
    return _sine(month_share(date))


def month_cos(date: Array) -> Array:
    """cos(2 pi months since January / 12); no warm-up. Source: Rozeff and Kinney (1976)."""
    return _cosine(month_share(date))


def time_of_day_sin(date: Array) -> Array:
    """sin(2 pi time of day / day); no warm-up. Source: Wood, McInish and Ord (1985)."""
    return _sine(time_of_day_share(date))


def time_of_day_cos(date: Array) -> Array:
    """cos(2 pi time of day / day); no warm-up. Source: Wood, McInish and Ord (1985)."""
    return _cosine(time_of_day_share(date))


def other_return(other: Array, horizon: int, lag: int) -> Array:
    """Log return of the other symbol, log(other[t-lag] / other[t-lag-horizon]); warm-up: horizon + lag.

    Source: Lo and MacKinlay (1990).
    """
    return _delayed(log_return(other, horizon), lag)


def relative_strength(close: Array, other: Array, horizon: int, lag: int) -> Array:
    """log(close[t] / close[t-horizon]) less the same of the other symbol, `lag` bars ago; warm-up: horizon + lag.

    Source: Levy (1967).
    """
    return log_return(close, horizon) - other_return(other, horizon, lag)


def beta(close: Array, other: Array, window: int, lag: int) -> Array:
    """cov(r, m) / var(m) of the last `window` log returns r of the symbol and m of the other; warm-up: window + lag.

    m[t] is the other symbol's return `lag` bars ago. 0 by definition where m does not vary. Source: Sharpe (1963).
    """
    own, market = log_return(close, 1), other_return(other, 1, lag)
    count = len(close) - window + 1
    if count <= 0:
        return np.full(len(close), np.nan)
    # Deviations from the newest values first: a market that does not vary has a variance of exactly 0.
    rows = [slice(k, k + count) for k in range(window)]
    newest = slice(window - 1, None)
    mean_own, mean_market = np.zeros(count), np.zeros(count)
    for k in rows:
        mean_own += own[k] - own[newest]
        mean_market += market[k] - market[newest]
    mean_own /= window
    mean_market /= window
    together, alone = np.zeros(count), np.zeros(count)
    for k in rows:
        apart = market[k] - market[newest] - mean_market
        together += (own[k] - own[newest] - mean_own) * apart
        alone += apart**2
    none = np.where(np.isnan(together + alone), np.nan, 0.0)
    found = np.divide(together, alone, out=none, where=alone > 0)
    return np.concatenate([np.full(window - 1, np.nan), found])


def residual_return(close: Array, other: Array, window: int, lag: int) -> Array:
    """r[t] - beta[t] m[t], what `beta` leaves over of the newest log return; warm-up: window + lag.

    Source: Blitz, Huij and Martens (2011).
    """
    return log_return(close, 1) - beta(close, other, window, lag) * other_return(other, 1, lag)
