"""Benchmarks by hand, and random agents that match the agent's exposure and turnover."""

import numpy as np
import pandas as pd
import pytest

from outsample.evaluation.benchmarks import (
    VaultBars,
    percentile,
    random_agents,
    random_targets,
    scaled_buy_and_hold,
    sma_cross,
)
from outsample.market.accounting import MarketRules

RULES = MarketRules("next_open", 0.0006, 0.0, short_selling=True, grid=0.01, band=0.0)


def _bars(close: list[float] | np.ndarray, before: list[float] | np.ndarray = ()) -> VaultBars:
    closes = np.asarray(close, dtype=np.float64)
    dates = pd.date_range("2020-01-06", periods=len(closes), freq="D").to_numpy().astype("datetime64[us]")
    return VaultBars(dates, closes, closes, np.ones(len(closes)), np.asarray(before, dtype=np.float64))


def test_sma_cross_uses_the_bars_before_the_vault() -> None:
    # closes 1 2 | 3 1 1 5; SMA(1) is the close itself, SMA(3) = (2.0, 2.0, 1.67, 2.33) on the vault
    assert sma_cross(_bars([3, 1, 1, 5], [1, 2]), 1, 3).tolist() == [1, 0, 0, 1]
    # without them the slow mean is known from the third bar on, and before that the target is 0
    assert sma_cross(_bars([3, 1, 1, 5]), 1, 3).tolist() == [0, 0, 0, 1]
    with pytest.raises(ValueError, match="below slow"):
        sma_cross(_bars([1, 2, 3]), 3, 3)


def test_scaled_buy_and_hold_takes_size_and_sign_from_the_positions() -> None:
    assert scaled_buy_and_hold(np.array([0.0, -1.0, -1.0, 0.4])).tolist() == [-0.6] * 4
    assert scaled_buy_and_hold(np.zeros(3)).tolist() == [0.0] * 3
    assert scaled_buy_and_hold(np.array([0.5, -0.5])).tolist() == [0.0, 0.0]


def _agent_targets(n: int, seed: int) -> np.ndarray:
    """Long, flat and short at three levels, kept for some bars."""
    generator = np.random.Generator(np.random.PCG64(seed))
    levels = generator.choice([-0.5, 0.0, 1.0], n, p=[0.2, 0.3, 0.5])
    keep = generator.random(n) < 0.9
    keep[0] = False
    return levels[np.maximum.accumulate(np.where(keep, 0, np.arange(n)))]


def test_random_targets_match_exposure_and_turnover() -> None:
    targets = _agent_targets(600, 1)
    drawn = random_targets(targets, 600, 4000, np.random.Generator(np.random.PCG64(0)))
    assert drawn.shape == (600, 4000)
    for level in (-0.5, 0.0, 1.0):
        assert (drawn == level).mean() == pytest.approx((targets == level).mean(), abs=0.005)
    turnover = np.abs(np.diff(drawn, axis=0)).sum() / 4000
    assert turnover == pytest.approx(np.abs(np.diff(targets)).sum(), rel=0.03)
    flips = (np.diff(drawn, axis=0) != 0).mean()
    assert flips == pytest.approx((np.diff(targets) != 0).mean(), rel=0.03)
    # They do not know when: the correlation with the agent's own targets is 0 on average.
    correlation = (drawn - drawn.mean(axis=0)).T @ (targets - targets.mean())
    assert abs(correlation.mean()) < 4 * correlation.std() / 4000**0.5


def test_random_targets_of_a_constant_agent_are_copies() -> None:
    drawn = random_targets(np.full(20, 0.3), 22, 5, np.random.Generator(np.random.PCG64(0)))
    assert (drawn == 0.3).all()
    assert drawn.shape == (22, 5)


def test_random_agents_are_centred_on_skill_less_returns_and_deterministic() -> None:
    generator = np.random.Generator(np.random.PCG64(3))
    bars = {s: _bars(100 * np.exp(np.cumsum(generator.normal(0, 0.01, 300)))) for s in ("A", "B")}
    targets = {s: _agent_targets(298, i) for i, s in enumerate(bars)}
    call = (targets, bars, RULES, 500.0, 300, 0, 252.0, 0.0)
    found = random_agents(*call)
    pd.testing.assert_frame_equal(found, random_agents(*call))
    assert found["draw"].tolist() == list(range(300))
    assert found["sharpe"].notna().all()
    assert found["total_return"].std() > 0.02
    # The hindsight agent is better than all of them.
    oracle = np.prod([1 + max(r, 0) for r in np.diff(bars["A"].close) / bars["A"].close[:-1]]) - 1
    assert percentile(oracle, found["total_return"].to_numpy()) == 100.0


def test_percentile() -> None:
    assert percentile(0.0, np.array([-1.0, 0.0, 0.0, 1.0])) == 50.0
    assert percentile(5.0, np.array([1.0, np.nan, 9.0])) == 50.0
    assert np.isnan(percentile(float("nan"), np.array([1.0, 2.0])))
    assert np.isnan(percentile(1.0, np.array([1.0, 1.0])))
    assert np.isnan(percentile(1.0, np.full(3, np.nan)))
