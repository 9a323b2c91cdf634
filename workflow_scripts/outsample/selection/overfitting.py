"""How much of a choice among trials is the choosing: backtest overfitting, and how many trials there really were.

Shown beside the verdict, and gating nothing: the probability of backtest overfitting is about a half where there is no
skill, by construction, and a half again where an adaptive search has crowded its trials together.
"""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Array = NDArray[np.float64]
NOISE = 1e-12  # standard deviation per bar below which a series does not vary


class BacktestOverfitting(NamedTuple):
    """What combinatorially symmetric cross-validation finds."""

    probability: float  # share of the splits in which the best trial in sample is below the median out of sample
    logits: Array  # [C] log odds of its rank out of sample, one a split; at most 0: below the median
    slope: float  # of its Sharpe ratio out of sample on that in sample; below 0: the better it looked, the worse it did


def probability_of_backtest_overfitting(returns: Array, n_splits: int = 10) -> BacktestOverfitting:
    """How often the trial that is best on one half of the bars is below the median on the other half.

    The bars are cut into S blocks of equal length (the oldest bars that do not fit are left out). Each of the
    C(S, S/2) choices of half of the blocks is once the sample in which the trial of the largest Sharpe ratio is chosen
    (the mean of those that tie); w is its rank on the other half over N + 1, and its logit is log(w / (1 - w)).

    Args:
        returns: [T, N], fractions per bar, one column a trial; in order of time.
        n_splits: S, even, at least 4.
    Raises: ValueError where S is odd or below 4, there are fewer than two trials, or fewer than two bars a block.
    Reference: Bailey, Borwein, Lopez de Prado and Zhu (2017), The Probability of Backtest Overfitting.
    >>> noise = np.random.Generator(np.random.PCG64(0)).normal(size=(400, 5))
    >>> probability_of_backtest_overfitting(noise + [0, 0, 0, 0, 0.5]).probability
    0.0
    """
    if n_splits % 2 or n_splits < 4:
        raise ValueError(f"n_splits is {n_splits}; it must be even and at least 4")
    length, trials = len(returns) // n_splits, returns.shape[1]
    if trials < 2:
        raise ValueError("overfitting is a matter of choosing: at least two trials are needed")
    if length < 2:
        raise ValueError(f"{len(returns)} bars do not fill {n_splits} blocks of at least 2 bars")
    blocks = returns[len(returns) - length * n_splits :].reshape(n_splits, length, trials)
    sums, squares = blocks.sum(axis=1), (blocks**2).sum(axis=1)
    halves = list(combinations(range(n_splits), n_splits // 2))
    chosen = np.zeros((len(halves), n_splits))
    for row, half in enumerate(halves):
        chosen[row, list(half)] = 1.0
    bars = length * (n_splits // 2)
    inside = _sharpe(chosen @ sums, chosen @ squares, bars)
    outside = _sharpe((1.0 - chosen) @ sums, (1.0 - chosen) @ squares, bars)
    best = inside == inside.max(axis=1, keepdims=True)
    ranks = rankdata(outside, axis=1) / (trials + 1)
    weight = best / best.sum(axis=1, keepdims=True)
    rank = (weight * ranks).sum(axis=1)
    logits = np.log(rank / (1.0 - rank))
    looked, did = inside.max(axis=1), (weight * outside).sum(axis=1)
    spread = looked - looked.mean()
    varies = float(spread @ spread) > NOISE
    slope = float(spread @ did / (spread @ spread)) if varies else float("nan")
    return BacktestOverfitting(float((logits <= 0.0).mean()), logits, slope)


def _sharpe(total: Array, squares: Array, bars: int) -> Array:
    """Sharpe ratio per bar from sums; 0 for a series that does not vary, which neither earns nor loses by chance."""
    mean = total / bars
    deviation = np.sqrt(np.maximum(squares / bars - mean**2, 0.0))
    return np.divide(mean, deviation, out=np.zeros_like(mean), where=deviation > NOISE)


def effective_number_of_trials(returns: Array) -> float:
    """How many independent trials N correlated ones are worth: rho + (1 - rho) N, rho their mean correlation.

    1 where all are copies of each other, N where they are uncorrelated; a negative mean correlation counts as 0. Trials
    that do not vary are left out.

    Args: returns: [T, N], fractions per bar.
    Returns: NaN where no trial varies.
    Reference: Lopez de Prado and Lewis (2019), Detection of False Investment Strategies, for the idea; the linear
        interpolation is the one whose error rates were measured for the verdict.
    >>> series = np.array([0.01, -0.02, 0.03])
    >>> effective_number_of_trials(np.stack([series, 2 * series], axis=1))
    1.0
    """
    active = returns[:, returns.std(axis=0) > NOISE]
    count = active.shape[1]
    if count < 2:
        return float(count) if count else float("nan")
    correlation = np.corrcoef(active, rowvar=False)
    mean = float((correlation.sum() - count) / (count * (count - 1)))
    mean = min(max(mean, 0.0), 1.0)
    return float(round(mean + (1.0 - mean) * count, 10))
