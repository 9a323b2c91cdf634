"""Backtest overfitting, the effective number of trials, and intervals over bars and over seeds."""

import numpy as np
import pytest
from scipy.stats import norm, trim_mean

from outsample.selection.statistics import (
    effective_number_of_trials,
    iqm_interval,
    probability_of_backtest_overfitting,
    stationary_bootstrap_interval,
)


def _noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(seed)).normal(0.0, 0.01, shape)


def test_two_trials_that_take_turns_by_hand() -> None:
    # Blocks of two bars: trial 0 earns in blocks 0 and 1, trial 1 in blocks 2 and 3; each varies within a block.
    good, bad = [0.03, 0.01], [-0.01, -0.03]
    returns = np.array([good + good + bad + bad, bad + bad + good + good]).T
    found = probability_of_backtest_overfitting(returns, 4)
    # Halves {0, 1} and {2, 3}: the best is the worse one on the other half, rank 1 of 2, w = 1/3, logit log(1/2).
    # The four mixed halves: both have a mean of 0 and tie, with ranks of 1.5, w = 1/2 and logit 0.
    assert sorted(found.logits.tolist()) == pytest.approx([np.log(0.5)] * 2 + [0.0] * 4)
    assert found.probability == 1.0
    assert found.slope == pytest.approx(-1.0)  # what it gains in sample it loses out of sample


def test_the_best_on_both_halves_is_no_overfitting_and_the_oldest_bars_are_left_out() -> None:
    returns = _noise(0, 402, 5) + np.array([0, 0, 0, 0, 0.01])
    returns[:2] = [1e6, 0, 0, 0, -1e6]  # two bars more than ten blocks hold
    assert probability_of_backtest_overfitting(returns, 10).probability == 0.0


def test_choosing_among_noise_is_a_coin_toss_and_one_truly_better_trial_is_found() -> None:
    noise = [probability_of_backtest_overfitting(_noise(seed, 1000, 50)).probability for seed in range(100)]
    assert np.mean(noise) == pytest.approx(0.5, abs=0.05)
    better = [
        probability_of_backtest_overfitting(_noise(seed, 1000, 50) + 0.002 * (np.arange(50) == 7)).probability
        for seed in range(20)
    ]
    assert np.mean(better) < 0.1


@pytest.mark.parametrize(
    ("shape", "splits", "words"),
    [((100, 5), 9, "even"), ((100, 5), 2, "at least 4"), ((100, 1), 10, "two trials"), ((19, 5), 10, "do not fill")],
)
def test_what_cannot_be_split_is_refused(shape: tuple[int, int], splits: int, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        probability_of_backtest_overfitting(_noise(0, *shape), splits)


def test_trials_that_never_vary_tie_in_the_middle() -> None:
    found = probability_of_backtest_overfitting(np.zeros((40, 3)), 4)
    assert (found.logits == 0).all()
    assert np.isnan(found.slope)


def test_effective_number_of_trials() -> None:
    base = _noise(1, 5000, 6)
    assert effective_number_of_trials(np.repeat(base[:, :1], 4, axis=1)) == 1.0
    assert effective_number_of_trials(base) == pytest.approx(6.0, abs=0.2)
    common = base + _noise(2, 5000, 1)  # correlation 1/2
    assert effective_number_of_trials(common) == pytest.approx(0.5 + 0.5 * 6, abs=0.15)
    assert effective_number_of_trials(np.stack([base[:, 0], -base[:, 0]], axis=1)) == 2.0
    assert effective_number_of_trials(np.column_stack([base[:, :1], np.zeros(5000)])) == 1.0
    assert np.isnan(effective_number_of_trials(np.zeros((10, 3))))


def test_the_interval_of_a_mean_is_the_normal_one_on_independent_bars() -> None:
    returns = _noise(3, 2000)
    lower, upper = stationary_bootstrap_interval(returns, np.mean, 0.9, block_length=1)
    half = norm.ppf(0.95) * returns.std() / 2000**0.5
    assert (lower, upper) == pytest.approx((returns.mean() - half, returns.mean() + half), abs=0.1 * half)
    assert stationary_bootstrap_interval(returns, lambda _: np.nan) == pytest.approx((np.nan, np.nan), nan_ok=True)
    with pytest.raises(ValueError, match="between 0 and 1"):
        stationary_bootstrap_interval(returns, np.mean, 1.0)


def test_an_order_dependent_statistic_sees_whole_blocks() -> None:
    rising = np.arange(40.0)
    steps = stationary_bootstrap_interval(rising, lambda x: np.median(np.diff(x)), block_length=1e9)
    assert steps == (1.0, 1.0)


def test_interquartile_mean_by_hand_and_its_interval() -> None:
    scores = np.array([[0.0, 10.0, 1.0, 2.0], [3.0, 4.0, 5.0, 100.0]])
    value, lower, upper = iqm_interval(scores)
    assert value == trim_mean([0, 1, 2, 3, 4, 5, 10, 100], 0.25) == 3.5
    assert lower < value < upper
    same = np.tile([1.0, 2.0, 3.0], (5, 1))  # the seeds agree, so no other seeds would change anything
    assert iqm_interval(same)[1:] == pytest.approx((2.0, 2.0))
    with pytest.raises(ValueError, match="not finite"):
        iqm_interval(np.array([[np.nan, 1.0]]))
