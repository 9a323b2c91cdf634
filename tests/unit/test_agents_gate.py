"""The gate: the replay of validated blocks by hand, and the bootstrap bound."""

import numpy as np
import pytest

from outsample.agents.gate import ValidatedBlock, gate_bound, validated_returns
from outsample.config.models import Gate
from outsample.market.accounting import MarketRules
from outsample.market.panel import Panel

FREE = MarketRules("next_open", cost_rate=0.0, borrow_per_bar=0.0, short_selling=True, grid=0.01, band=0.0)


def _panel(closes, days):
    close = np.concatenate(closes)
    return Panel(
        symbols=tuple("AB"[: len(closes)]),
        offsets=np.cumsum([0, *map(len, closes)]),
        dates=np.datetime64("2020-01-01", "us") + np.concatenate(days).astype("timedelta64[D]"),
        open=np.concatenate([np.r_[c[0], c[:-1]] for c in closes]),
        close=close,
        factor=np.ones(len(close)),
        features=np.zeros((len(close), 0)),
        feature_names=(),
    )


def test_one_symbol_one_block_by_hand():
    panel = _panel([np.array([100.0, 110.0, 121.0, 121.0])], [np.arange(4)])
    targets = np.array([[1, 0, -1], [1, 0, -1], [1, 0, -1], [1, 0, -1]], dtype=np.int8)
    returns = validated_returns(targets, [ValidatedBlock(0, 0, 0, 4)], panel, FREE)
    # Filled at the open of bar 1 = 100; the target of bar 2 is forced to 0, filled at the open of bar 3 = 121.
    np.testing.assert_allclose(returns[:, 0], [0.1, 0.1, 0.0], atol=1e-12)
    np.testing.assert_allclose(returns[:, 1], 0.0)
    np.testing.assert_allclose(returns[:, 2], [-0.1, 0.79 / 0.9 - 1, 0.0], atol=1e-12)


def test_sleeves_share_the_equity_and_missing_bars_keep_it():
    # A has bars on days 0-3, B on days 1-3: B's sleeve is cash on day 0 and starts flat on day 1.
    panel = _panel(
        [np.array([100.0, 110.0, 110.0, 110.0]), np.array([10.0, 20.0, 20.0])], [np.arange(4), np.arange(1, 4)]
    )
    blocks = [ValidatedBlock(0, 0, 0, 4), ValidatedBlock(0, 1, 4, 7)]
    returns = validated_returns(np.ones((7, 1), dtype=np.int8), blocks, panel, FREE)
    equity = np.cumprod(1 + returns[:, 0])
    np.testing.assert_allclose(equity, [1.05, 0.55 + 1.0, 1.55], atol=1e-12)


def test_every_inner_fold_starts_from_equity_one():
    panel = _panel([np.array([100.0, 200.0, 200.0, 200.0, 220.0, 220.0])], [np.arange(6)])
    blocks = [ValidatedBlock(0, 0, 0, 3), ValidatedBlock(1, 0, 3, 6)]
    returns = validated_returns(np.ones((6, 1), dtype=np.int8), blocks, panel, FREE)
    np.testing.assert_allclose(returns[:, 0], [1.0, 0.0, 0.1, 0.0], atol=1e-12)


def test_costs_are_charged():
    panel = _panel([np.full(5, 100.0)], [np.arange(5)])
    rules = MarketRules("next_open", cost_rate=0.01, borrow_per_bar=0.0, short_selling=True, grid=0.01, band=0.0)
    returns = validated_returns(np.ones((5, 1), dtype=np.int8), [ValidatedBlock(0, 0, 0, 5)], panel, rules)
    assert (1 + returns).prod() == pytest.approx(1 / 1.01 * 0.99)


def test_a_lane_does_not_change_with_its_company():
    draw = np.random.Generator(np.random.PCG64(2))
    panel = _panel([100 * np.exp(np.cumsum(0.01 * draw.standard_normal(300)))], [np.arange(300)])
    targets = draw.integers(-1, 2, (300, 7)).astype(np.int8)
    blocks = [ValidatedBlock(0, 0, 0, 140), ValidatedBlock(1, 0, 150, 290)]
    together = validated_returns(targets, blocks, panel, FREE)
    for lane in range(7):
        alone = validated_returns(targets[:, lane : lane + 1], blocks, panel, FREE)
        assert alone[:, 0].tobytes() == together[:, lane].tobytes()


def test_bound_of_a_constant_return_is_that_return():
    assert gate_bound(np.full(103, 0.002), Gate(block=20)) == pytest.approx(0.002, rel=1e-12)


def test_a_flat_policy_stays_shut():
    assert not gate_bound(np.zeros(100), Gate()) > 0


def test_bound_is_the_quantile_of_resampled_means():
    returns = np.random.Generator(np.random.PCG64(3)).standard_normal(400)
    bound = gate_bound(returns, Gate(block=1, resamples=4000, level=0.05))
    assert bound == pytest.approx(returns.mean() - 1.645 * returns.std() / 20, abs=0.006)
    assert bound == gate_bound(returns, Gate(block=1, resamples=4000, level=0.05))
    assert gate_bound(returns, Gate(block=1, resamples=4000, level=0.5)) == pytest.approx(returns.mean(), abs=0.005)


def test_blocks_keep_dependence():
    # Runs of 20 equal returns: resampling single bars believes in 20 times as many observations.
    runs = np.repeat(np.random.Generator(np.random.PCG64(4)).standard_normal(50), 20)
    single = runs.mean() - gate_bound(runs, Gate(block=1))
    blocks = runs.mean() - gate_bound(runs, Gate(block=20))
    assert blocks > 2.5 * single


def test_a_span_shorter_than_a_block_is_one_circle():
    assert gate_bound(np.array([0.01, 0.03]), Gate(block=20)) == pytest.approx(0.02)
