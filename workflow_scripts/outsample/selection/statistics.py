"""The statistics that can say no: tests of skill by the stationary bootstrap, their joining, and Sharpe-ratio theory.

Three habits run through all of them, each against a trap that was met (findings/evidence.md, section 8): ties count
against the claim, series without variance make none, and returns are hedged by their beta before they are compared
with buy and hold, whose own variance would drown the difference. Sharpe ratios are per bar unless stated otherwise;
kurtosis is not excess (3 for a normal distribution).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, trim_mean

from outsample.selection.bootstrap import (
    autocovariance,
    bootstrap_indices,
    bootstrap_multiplicities,
    politis_white_block_length,
)
from outsample.selection.overfitting import effective_number_of_trials, probability_of_backtest_overfitting

VANISHING = 1e-6  # hedged standard deviation, as a share of the larger of the two series', below which it is noise
CLIP = 1e-3  # 1,000 resamples do not know a p-value below this

Array = NDArray[np.float64]


def hedge(returns: Array, benchmark: Array) -> tuple[Array, Array]:
    """Returns less beta times the benchmark's, with beta = cov(returns, benchmark) / var(benchmark).

    Hedged returns that are float noise (a copy or a multiple of the benchmark) are exactly 0.

    Args:
        returns: [T] or [T, N], fractions per bar.
        benchmark: [T], of the same bars.
    Returns: hedged returns, of the shape of `returns`, whose mean is alpha per bar; beta, [] or [N].
    >>> hedged, beta = hedge(np.array([0.02, -0.01, 0.03]), np.array([0.01, -0.01, 0.02]))
    >>> round(float(beta), 4), round(float(hedged.mean()), 4)
    (1.3571, 0.0043)
    """
    centred = benchmark - benchmark.mean()
    variance = float(centred @ centred)
    if variance == 0.0:
        return returns.copy(), np.zeros(returns.shape[1:])
    beta = np.asarray(centred @ returns / variance)
    hedged = returns - benchmark.reshape((-1,) + (1,) * (returns.ndim - 1)) * beta
    floor = VANISHING * np.maximum(returns.std(axis=0), abs(beta) * benchmark.std())
    return np.where(hedged.std(axis=0) <= floor, 0.0, hedged), beta


def superior_predictive_ability(
    returns: Array, block_length: float = 10, seed: int = 0, resamples: int = 1000
) -> float:
    """P-value of Hansen's test that no strategy has a mean return above 0: consistent and studentised.

    T = max(0, max_k sqrt(n) mean_k / omega_k), compared with its bootstrap distribution, in which the mean of
    strategy k is recentred to 0 unless sqrt(n) mean_k / omega_k < -sqrt(2 log log n): then it is too bad to matter.
    omega_k^2 is the long-run variance that the stationary bootstrap itself has. Strategies without variance are
    dropped (`arch` gives p = 0 for copies of the benchmark); p is 1 when none is left or no mean is above 0.

    Args:
        returns: [T, N], fractions per bar: raw for a test against staying flat, hedged by `hedge` for one against
            buy and hold.
        block_length: mean length of the blocks, in bars.
        seed: seed of the resamples.
        resamples: number of resamples.
    Raises: ValueError where a return is not finite.
    Reference: Hansen (2005), A Test for Superior Predictive Ability, eqs. 1-4.
    """
    returns = np.asarray(returns, dtype=np.float64)
    if not np.isfinite(returns).all():
        raise ValueError("returns hold a value that is not finite")
    returns = returns[:, returns.std(axis=0) > 1e-12]
    n = len(returns)
    if returns.shape[1] == 0 or n < 3 or (returns.mean(axis=0) <= 0).all():
        return 1.0
    mean = returns.mean(axis=0)
    scale = np.sqrt(np.maximum(_bootstrap_variance(returns, block_length), 1e-30) / n)
    statistic = float((mean / scale).max())
    relevant = mean / scale >= -np.sqrt(2.0 * np.log(np.log(n)))
    multiplicities = bootstrap_multiplicities(n, block_length, resamples, seed)
    deviation = multiplicities @ returns / n - np.where(relevant, mean, 0.0)
    bootstrapped = np.maximum((deviation / scale).max(axis=1), 0.0)
    return float((bootstrapped >= statistic).mean())


def _bootstrap_variance(returns: Array, block_length: float) -> Array:
    """Variance of sqrt(n) times the mean of a stationary-bootstrap resample, [N] (Politis and Romano 1994, lemma 1)."""
    n = len(returns)
    covariance = autocovariance(returns, n - 1)
    lag = np.arange(1, n)
    stay = 1.0 - 1.0 / block_length
    kernel = (n - lag) / n * stay**lag + lag / n * stay ** (n - lag)
    return np.asarray(covariance[0] + 2.0 * kernel @ covariance[1:])


def mean_p_value(returns: Array, block_length: float = 10, seed: int = 0, resamples: int = 1000) -> float:
    """Share of resamples whose mean return is 0 or less; 1 for a series that is 0 throughout.

    Args: returns: [T], fractions per bar; the others as in `superior_predictive_ability`.
    """
    multiplicities = bootstrap_multiplicities(len(returns), block_length, resamples, seed)
    return float((multiplicities @ returns <= 0.0).mean())


def alpha_p_value(
    returns: Array, benchmark: Array, block_length: float = 10, seed: int = 0, resamples: int = 1000
) -> float:
    """Share of resamples whose alpha to the benchmark is 0 or less; beta is fitted anew in each resample.

    1 where the hedged returns vanish (a copy or a multiple of the benchmark), since float noise would decide there.

    Args: returns, benchmark: [T], fractions per bar; the others as in `superior_predictive_ability`.
    """
    if not hedge(returns, benchmark)[0].any():
        return 1.0
    alphas = bootstrapped_alphas(returns, benchmark, block_length, seed, resamples)
    return float((alphas <= 0.0).mean())


def bootstrapped_alphas(returns: Array, benchmark: Array, block_length: float, seed: int, resamples: int) -> Array:
    """Alpha per bar of each resample, [B]: one product of the multiplicities with [a, b, a b, b^2]."""
    n = len(returns)
    moments = np.stack([returns, benchmark, returns * benchmark, benchmark**2], axis=1)
    a, b, ab, bb = (bootstrap_multiplicities(n, block_length, resamples, seed) @ moments / n).T
    variance = bb - b**2
    positive = variance > 1e-30
    beta = np.where(positive, ab - a * b, 0.0) / np.where(positive, variance, 1.0)
    return np.asarray(a - beta * b)


def stouffer(p_values: Sequence[float], weights: Sequence[float]) -> float:
    """One p-value from several of independent data: 1 - Phi(sum w z / sqrt(sum w^2)), z = Phi^-1(1 - p).

    Args:
        p_values: one-sided; each is clipped to [.001, .999].
        weights: positive; the square roots of the numbers of bars.
    Raises: ValueError where the lengths differ or no weight is positive.
    Reference: Stouffer et al. (1949); Liptak (1958) for the weights.
    >>> round(stouffer([0.05, 0.05], [1.0, 1.0]), 4)
    0.01
    """
    w = np.asarray(weights, dtype=np.float64)
    if len(p_values) != len(w) or not (w >= 0).all() or not (w > 0).any():
        raise ValueError(f"{len(p_values)} p-values need as many weights, none below 0 and one above: {list(weights)}")
    z = norm.isf(np.clip(p_values, CLIP, 1.0 - CLIP))
    return float(norm.sf((w * z).sum() / np.sqrt((w**2).sum())))


def smallest_detectable_sharpe(n: int, periods_per_year: float, power: float = 0.8, level: float = 0.05) -> float:
    """True annual Sharpe ratio which a one-sided test on n bars finds with the given power.

    (z(power) + z(1 - level)) sqrt(periods_per_year / n), that is 2.486 sqrt(periods / n) by default.

    Args:
        n: bars, taken as independent.
        periods_per_year: bars a year.
    Raises: ValueError where n < 1.
    >>> round(smallest_detectable_sharpe(1559, 252), 3)
    1.0
    """
    if n < 1:
        raise ValueError(f"n is {n}, and must be at least 1")
    return float((norm.ppf(power) + norm.isf(level)) * np.sqrt(periods_per_year / n))


def probabilistic_sharpe_ratio(sharpe: float, benchmark: float, n: int, skew: float, kurtosis: float) -> float:
    """Probability that the true Sharpe ratio is above the benchmark's, given the observed one.

    Phi((S - S*) sqrt(n - 1) / sqrt(1 - skew S + (kurtosis - 1) / 4 S^2)).

    Args:
        sharpe, benchmark: S and S*, per bar.
        n: bars, at least 2.
        skew, kurtosis: of the returns; kurtosis is not excess.
    Raises: ValueError where n < 2.
    Reference: Bailey and Lopez de Prado (2012), The Sharpe Ratio Efficient Frontier, eq. 11.
    >>> round(probabilistic_sharpe_ratio(0.458, 0.0, 24, -2.448, 10.164), 3)
    0.913
    """
    if n < 2:
        raise ValueError(f"n is {n}, and must be at least 2")
    return float(norm.cdf((sharpe - benchmark) * np.sqrt(n - 1) / np.sqrt(_sharpe_variance(sharpe, skew, kurtosis))))


def _sharpe_variance(sharpe: float, skew: float, kurtosis: float) -> float:
    """n - 1 times the variance of the estimated Sharpe ratio (Mertens 2002)."""
    return 1.0 - skew * sharpe + (kurtosis - 1.0) / 4.0 * sharpe**2


def expected_max_sharpe(n_trials: int, sharpe_std: float) -> float:
    """Sharpe ratio which the best of `n_trials` skill-less strategies reaches on average.

    s ((1 - g) z(1 - 1/N) + g z(1 - 1/(N e))), g = Euler-Mascheroni, z = normal quantile.

    Args:
        n_trials: number of independent trials N, at least 2.
        sharpe_std: standard deviation s of the trials' Sharpe ratios; the result has its unit.
    Raises: ValueError where N < 2 or s < 0.
    Reference: Bailey and Lopez de Prado (2014), The Deflated Sharpe Ratio, eq. 1.
    >>> round(expected_max_sharpe(10, 1.0), 3)
    1.575
    """
    if n_trials < 2 or sharpe_std < 0:
        raise ValueError(f"{n_trials} trials with a standard deviation of {sharpe_std}: at least 2 and 0 are needed")
    g = float(np.euler_gamma)
    return sharpe_std * float((1 - g) * norm.isf(1 / n_trials) + g * norm.isf(1 / (n_trials * np.e)))


def deflated_sharpe_ratio(
    sharpe: float, n: int, skew: float, kurtosis: float, n_trials: int, sharpe_variance: float
) -> float:
    """Probability that the true Sharpe ratio is above what the best of N skill-less trials reaches on average.

    Args:
        sharpe: of the best trial, per bar.
        n: bars.
        skew, kurtosis: of its returns; kurtosis is not excess.
        n_trials: N, at least 2.
        sharpe_variance: variance of the trials' Sharpe ratios, per bar.
    Raises: ValueError where n_trials < 2 or n < 2.
    Reference: Bailey and Lopez de Prado (2014), The Deflated Sharpe Ratio, eq. 2.
    >>> round(deflated_sharpe_ratio(2.5 / 250**0.5, 1250, -3.0, 10.0, 100, 0.5 / 250), 4)
    0.9004
    """
    benchmark = expected_max_sharpe(n_trials, float(np.sqrt(sharpe_variance)))
    return probabilistic_sharpe_ratio(sharpe, benchmark, n, skew, kurtosis)


def minimum_track_record_length(
    sharpe: float, benchmark: float, skew: float, kurtosis: float, confidence: float = 0.95
) -> float:
    """Bars after which the observed Sharpe ratio would be above the benchmark's with the given confidence.

    1 + (1 - skew S + (kurtosis - 1) / 4 S^2) (z(confidence) / (S - S*))^2; infinite where S <= S*.

    Args: as in `probabilistic_sharpe_ratio`; confidence between 0.5 and 1.
    Reference: Bailey and Lopez de Prado (2012), eq. 13.
    >>> round(minimum_track_record_length(2 / 252**0.5, 1 / 252**0.5, 0.0, 3.0) / 252, 2)
    2.73
    """
    if sharpe <= benchmark:
        return float("inf")
    return 1.0 + _sharpe_variance(sharpe, skew, kurtosis) * float(norm.ppf(confidence) / (sharpe - benchmark)) ** 2


def stationary_bootstrap_interval(
    returns: Array,
    statistic: Callable[[Array], float],
    confidence: float = 0.95,
    seed: int = 0,
    resamples: int = 1000,
    block_length: float | None = None,
) -> tuple[float, float]:
    """Percentile interval of any statistic of a series, by the stationary bootstrap.

    Args:
        returns: [T], in order of time.
        statistic: of a series [T]; values that are not finite are left out.
        confidence: share of the resamples within the interval, e.g. 0.95.
        block_length: mean length of the blocks, in bars; None takes that of Politis and White (2004).
    Returns: lower and upper end, in the unit of the statistic; NaN where it is finite on no resample.
    Raises: ValueError where the confidence is not between 0 and 1.
    Reference: Politis and Romano (1994), The Stationary Bootstrap.
    >>> stationary_bootstrap_interval(np.array([0.25] * 20), np.mean)
    (0.25, 0.25)
    """
    length = politis_white_block_length(returns) if block_length is None else block_length
    drawn = bootstrap_indices(len(returns), length, resamples, seed)
    return _percentiles(np.array([statistic(returns[rows]) for rows in drawn], dtype=np.float64), confidence)


def iqm_interval(
    scores: Array, confidence: float = 0.95, seed: int = 0, resamples: int = 1000
) -> tuple[float, float, float]:
    """Interquartile mean over seeds and folds, and its interval, which is about the seeds only.

    The mean of the middle half of all scores; the seeds of each fold are drawn anew, so the interval says how much
    other seeds would change it, and nothing about other bars.

    Args:
        scores: [S, K], S seeds of K folds, in any unit; no NaN.
    Returns: the mean, the lower and the upper end.
    Raises: ValueError where a score is not finite, or the confidence is not between 0 and 1.
    Reference: Agarwal et al. (2021), Deep Reinforcement Learning at the Edge of the Statistical Precipice.
    >>> iqm_interval(np.array([[0.0, 1.0], [2.0, 9.0]]))[0]
    1.5
    """
    scores = np.asarray(scores, dtype=np.float64)
    if not np.isfinite(scores).all():
        raise ValueError("scores hold a value that is not finite")
    seeds, folds = scores.shape
    generator = np.random.Generator(np.random.PCG64(seed))
    drawn = np.take_along_axis(scores[None], generator.integers(0, seeds, (resamples, seeds, folds)), axis=1)
    means = np.asarray(trim_mean(drawn.reshape(resamples, -1), 0.25, axis=1))
    return float(trim_mean(scores.ravel(), 0.25)), *_percentiles(means, confidence)


def _percentiles(values: Array, confidence: float) -> tuple[float, float]:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}, and must be between 0 and 1")
    known = values[np.isfinite(values)]
    if len(known) == 0:
        return float("nan"), float("nan")
    lower, upper = np.quantile(known, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(lower), float(upper)


__all__ = [
    "alpha_p_value",
    "deflated_sharpe_ratio",
    "effective_number_of_trials",
    "expected_max_sharpe",
    "hedge",
    "iqm_interval",
    "mean_p_value",
    "minimum_track_record_length",
    "politis_white_block_length",
    "probabilistic_sharpe_ratio",
    "probability_of_backtest_overfitting",
    "smallest_detectable_sharpe",
    "stationary_bootstrap_interval",
    "stouffer",
    "superior_predictive_ability",
]
