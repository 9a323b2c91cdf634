"""Percentile intervals of the stationary bootstrap, for every statistic that is a function of means.

The resamples keep the dependence between neighbouring bars by blocks of the length that Politis and White (2004)
find for the series. What depends on the order of all bars (the maximum drawdown) has no interval here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from outsample.market.metrics import NOISE_FLOOR
from outsample.selection.bootstrap import bootstrap_multiplicities, politis_white_block_length
from outsample.selection.statistics import bootstrapped_alphas, hedge

Array = NDArray[np.float64]
Interval = tuple[float, float]

UNKNOWN: Interval = (float("nan"), float("nan"))


def metric_intervals(
    returns: Array,
    periods_per_year: float,
    risk_free_rate: float,
    confidence: float,
    resamples: int,
    seed: int,
) -> dict[str, Interval]:
    """Intervals of total return, CAGR, volatility, Sharpe and Sortino ratio, in the units of `market.metrics`.

    Args:
        returns: [T], net, fractions per bar, in order.
        periods_per_year: bars a year.
        risk_free_rate: per year.
        confidence: share of the resamples within the interval, e.g. 0.95.
        resamples: number of resamples.
        seed: seed of the resamples.
    Returns: by name of the metric; (NaN, NaN) where it is undefined.
    """
    n = len(returns)
    free = risk_free_rate / periods_per_year
    if returns.std() <= NOISE_FLOOR or returns.min() <= -1.0:
        return dict.fromkeys(("total_return", "cagr", "volatility", "sharpe", "sortino"), UNKNOWN)
    moments = np.stack([returns, returns**2, np.minimum(returns - free, 0.0) ** 2, np.log1p(returns)], axis=1)
    drawn = bootstrap_multiplicities(n, politis_white_block_length(returns), resamples, seed) @ moments / n
    mean, square, downside, growth = drawn.T
    deviation = np.sqrt(np.maximum(square - mean**2, 0.0) * n / (n - 1))
    year = np.sqrt(periods_per_year)
    statistics = {
        "total_return": np.expm1(growth * n),
        "cagr": np.expm1(growth * periods_per_year),
        "volatility": deviation * year,
        "sharpe": _ratio(mean - free, deviation) * year,
        "sortino": _ratio(mean - free, np.sqrt(downside)) * year,
    }
    return {name: _interval(values, confidence) for name, values in statistics.items()}


def alpha_interval(
    returns: Array, benchmark: Array, periods_per_year: float, confidence: float, resamples: int, seed: int
) -> Interval:
    """Interval of the alpha per year to a benchmark, beta fitted anew in each resample.

    Alpha is the mean of the hedged returns (see `selection.statistics.hedge`) times periods_per_year; the block
    length is that of the hedged returns.

    Args:
        returns, benchmark: [T], net, fractions per bar, of the same bars; the others as in `metric_intervals`.
    Returns: fractions per year; (NaN, NaN) where the hedged returns vanish.
    """
    hedged, _ = hedge(returns, benchmark)
    if not hedged.any():
        return UNKNOWN
    alphas = bootstrapped_alphas(returns, benchmark, politis_white_block_length(hedged), seed, resamples)
    return _interval(alphas * periods_per_year, confidence)


def _ratio(numerator: Array, denominator: Array) -> Array:
    """NaN where a resample's denominator is rounding noise."""
    out = np.full(len(numerator), np.nan)
    np.divide(numerator, denominator, out=out, where=denominator > NOISE_FLOOR)
    return out


def _interval(values: Array, confidence: float) -> Interval:
    known = values[np.isfinite(values)]
    if len(known) == 0:
        return UNKNOWN
    tail = (1.0 - confidence) / 2.0
    lower, upper = np.quantile(known, [tail, 1.0 - tail])
    return float(lower), float(upper)
