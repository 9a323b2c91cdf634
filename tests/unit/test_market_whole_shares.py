"""Whole shares by hand, fractions left as they were, and the factor handed on by every replay."""

import hashlib

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from outsample.agents.gate import ValidatedBlock, validated_returns
from outsample.config.models import Evaluation, Market
from outsample.evaluation.benchmarks import VaultBars, random_agents
from outsample.evaluation.evaluate import evaluate
from outsample.market.accounting import MarketRules, simulate, start, step
from outsample.market.panel import Panel
from outsample.market.trades import round_trips
from outsample.selection.matrix import account

WHOLE = MarketRules("next_open", 0.0, 0.0, short_selling=True, grid=0.01, band=0.0, whole_shares=True)


def rules(**changes):
    return MarketRules(**{**WHOLE.__dict__, **changes})


def test_the_setting_reaches_the_rules_and_is_off_by_default():
    assert not MarketRules.from_settings(Market(), 252).whole_shares
    assert MarketRules.from_settings(Market(whole_shares=True), 252).whole_shares


def test_a_position_is_rounded_towards_zero_on_both_sides():
    # 100 / 30 = 3.33: 3 shares for 90, 10 stay in cash. Half of the 100 short at 30: 1.67, so 1 share.
    ledger = simulate([1.0, -0.5, 0, 0], [30.0] * 4, [30.0] * 4, WHOLE, equity=100.0)
    assert_array_equal(ledger.shares, [0, 3, -1, 0])
    assert_array_equal(ledger.cash, [100, 10, 130, 100])
    assert_array_equal(ledger.traded, [0, 90, 120, 30])
    assert_allclose(ledger.position, [0, 0.9, -0.3, 0])


def test_the_cost_is_that_of_the_shares_that_were_traded():
    # Rate 1/10, target 1: 110 / 1.1 = 100 could be bought, 9 shares of 11 are; the fee is 9.9, 1.1 is left. Target
    # 0.5 then: T = 0.5 of 100.1 - fee(D): (0.5 * 100.1 - 99) / 0.95 = -51.53, so 47.47 stay: 4 shares, 5 sold for 55.
    ledger = simulate([1.0, 0.5, 0, 0], [11.0] * 4, [11.0] * 4, rules(cost_rate=0.1), equity=110.0)
    assert_array_equal(ledger.shares, [0, 9, 4, 0])
    assert_allclose(ledger.fee, [0, 9.9, 5.5, 4.4])
    assert_allclose(ledger.cash, [110, 1.1, 50.6, 90.2])
    assert_allclose(ledger.placed, [0, 99, 44, 0])


def test_shares_are_those_of_the_raw_price_of_the_fill_bar():
    # Adjusted 10 at a factor of 0.4 is a raw 25: 3 shares of 25, 7.5 adjusted units of 10. The factor of the bars
    # before and after does not count at the fill; at 0.5 a dividend of a fourth has been reinvested in 3.75 shares.
    ledger = simulate([1.0, 1.0, 0, 0], [10.0] * 4, [10.0] * 4, WHOLE, 99.0, [0.3, 0.4, 0.5, 0.5])
    assert_allclose(ledger.units, [0, 7.5, 7.5, 0])
    assert_allclose(ledger.shares, [0, 3, 3.75, 0])
    assert_allclose(ledger.cash, [99, 24, 24, 99])
    assert ledger.traded[3] == 75  # closed whole, the reinvested fraction included


def test_a_share_that_is_too_dear_is_not_bought():
    ledger = simulate([1.0, -1.0, 0, 0], [101.0] * 4, [101.0] * 4, WHOLE, equity=100.0)
    assert_array_equal(ledger.traded, 0)
    assert_array_equal(ledger.position, 0)
    assert not np.signbit(ledger.units).any()


def test_another_target_of_the_same_shares_trades_nothing():
    ledger = simulate([0.5, 0.55, 0, 0], [30.0] * 4, [30.0] * 4, rules(cost_rate=0.01), equity=100.0)
    assert_array_equal(ledger.shares, [0, 1, 1, 0])
    assert_array_equal(ledger.traded, [0, 30, 0, 30])


def test_what_rounding_leaves_is_no_drift():
    # A share of 40 in 100: target 0.75 is 1 share, 0.35 below it, far beyond the band. Nothing is traded, also where
    # the price falls to 38, for 2 shares of 38 would be more than asked; 2 of 35 are 70 of 95, and are bought.
    opens = [40.0, 40, 40, 38, 35, 35, 35]
    ledger = simulate([0.75] * 5 + [0, 0], opens, opens, rules(band=0.05), equity=100.0)
    assert_array_equal(ledger.shares, [0, 1, 1, 1, 2, 2, 0])
    assert_array_equal(ledger.traded > 0, [False, True, False, False, True, False, True])
    # Nor is the fraction that a dividend adds to the shares, which rounding would sell again.
    dividend = simulate([0.75] * 5 + [0, 0], [40.0] * 7, [40.0] * 7, rules(band=0.05), 100.0, [0.5] * 3 + [0.51] * 4)
    assert_array_equal(dividend.traded[2:-1], 0)


def test_a_drift_beyond_the_band_is_traded_back_in_whole_shares():
    # 5 of 10 shares' worth at 10; at 20 they are 100 of 150, 2/3: back to 75 / 20 = 3.75, so 3.
    prices = [10.0, 10, 20, 20, 20]
    ledger = simulate([0.5] * 3 + [0, 0], prices, prices, rules(band=0.1), equity=100.0)
    assert_array_equal(ledger.shares, [0, 5, 3, 3, 0])


def test_a_flip_is_one_trip_to_the_shares_held_and_one_from_them():
    days = np.datetime64("2020-01-01", "us") + np.arange(4) * np.timedelta64(1, "D")
    ledger = simulate([1.0, -0.5, 0, 0], [30.0] * 4, [30.0] * 4, rules(cost_rate=0.01), equity=100.0)
    trips = round_trips(ledger, days, [30.0] * 4, "A")
    # 3 bought (0.9), 3 sold and 1 sold short (1.2, three fourths of it the first trip's), 1 bought back (0.3).
    assert trips["direction"].tolist() == [1, -1]
    assert trips["cost"].tolist() == pytest.approx([0.9 + 0.9, 0.3 + 0.3])
    assert trips["profit"].sum() == pytest.approx(ledger.equity[-1] - 100.0)


@pytest.mark.parametrize("factor", [0.0, np.nan, [1.0, 1.0], [[1.0]] * 4])
def test_bad_factors_are_refused(factor):
    with pytest.raises(ValueError, match="factors"):
        simulate([1.0, 1.0, 0, 0], [10.0] * 4, [10.0] * 4, WHOLE, 100.0, factor)


def test_jax_rounds_as_numpy_does():
    import jax.numpy as jnp

    prices, targets = [30.0, 31.0, 29.0, 32.0], [1.0, -0.5, 0.4, 0.0]
    sleeves = {np: start(np, 1000.0), jnp: start(jnp, 1000.0)}
    for price, target in zip(prices, targets, strict=True):
        for xp in sleeves:
            sleeves[xp], _ = step(xp, sleeves[xp], target, price, price, rules(cost_rate=0.001), 0.9)
        assert_allclose(sleeves[jnp].units, sleeves[np].units, rtol=1e-6)
        assert sleeves[np].units * 0.9 == pytest.approx(round(float(sleeves[np].units) * 0.9))


# sha256 of the books below as they were before whole shares came; only IEEE arithmetic, so the same everywhere.
FRACTIONS = "b9a5e0d6702e0aec9a3d14132c76a16f74e70462d83ff6bc78be8ee43225f9a9"
BOOKS = (
    *("equity", "cash", "units", "position", "target", "traded", "fill_equity", "fee", "cost"),
    *("gross_return", "cost_return", "net_return", "ruined"),
)


def test_fractions_of_shares_keep_every_bit():
    generator = np.random.Generator(np.random.PCG64(17))
    close = (100 + np.cumsum(generator.integers(-30, 31, (400, 5)), axis=0)).clip(20) / 8
    open_ = close + generator.integers(-8, 9, close.shape) / 16
    targets = np.repeat(generator.integers(-100, 101, close.shape) / 100, 3, axis=0)[:400]
    digests = [hashlib.sha256(), hashlib.sha256()]
    for fill in ("next_open", "next_close"):
        for band in (0.0, 0.03):
            fractions = MarketRules(fill, 6e-4, 4e-5, short_selling=True, grid=0.01, band=band)
            for digest, factor in zip(digests, (1.0, generator.integers(1, 9, 400) / 8), strict=True):
                ledger = simulate(targets, open_, close, fractions, 250_000.0, factor)
                for name in BOOKS:
                    digest.update(np.ascontiguousarray(getattr(ledger, name)).tobytes())
    assert [digest.hexdigest() for digest in digests] == [FRACTIONS, FRACTIONS]


DAYS = pd.date_range("2020-01-06", periods=60, freq="D").astype("datetime64[us]")


def _panel(factor: float) -> Panel:
    """Adjusted prices around 50; the raw price is that over the factor."""
    close = 50 * np.exp(np.cumsum(np.random.Generator(np.random.PCG64(4)).normal(0, 0.02, 60)))
    frame = pd.DataFrame({"symbol": "A", "date": DAYS, "open": close, "close": close, "factor": factor})
    return Panel.from_frame(frame, [])


def _matrix(panel: Panel) -> np.ndarray:
    lane = {"trial": np.int32(0), "fold": np.int32(0), "seed": np.int32(0), "symbol": "A"}
    targets = pd.DataFrame({**lane, "row": np.arange(60), "target": np.tile([1.0, 0.5, 0.0], 20)})
    found = account(targets, panel, WHOLE, "ppo", 252.0, starting_equity=1000.0)
    return np.concatenate([found.matrix["net_return"], found.portfolios["buy_and_hold_return"]])


def _random(panel: Panel) -> np.ndarray:
    bars = {"A": VaultBars(panel.dates, panel.open, panel.close, panel.factor, np.zeros(0))}
    return random_agents({"A": np.tile([1.0, 0.5, 0.0], 20)[:58]}, bars, WHOLE, 1000.0, 20, 0, 252.0, 0.0)[
        "total_return"
    ].to_numpy()


def _evaluated(panel: Panel) -> np.ndarray:
    days = pd.date_range("2019-01-06", periods=60, freq="D").astype("datetime64[us]")
    noise = np.random.Generator(np.random.PCG64(5)).normal(0, 0.01, (2, 60))
    lane = {"agent": "ppo", "trial": 0, "fold": 0, "seed": 0}
    portfolios = pd.DataFrame(
        {**lane, "date": days, "net_return": noise[0], "cost": 0.0, "buy_and_hold_return": noise[1]}
    )
    settings, inside = Evaluation(resamples=100, random_agents=5, sma_cross=(2, 5)), np.arange(60) >= 10
    targets = {"A": np.tile([1.0, 0.5, 0.0], 20)[:50]}
    result = evaluate(targets, panel, inside, WHOLE, 252.0, settings, portfolios, 1, False, 0.0, 1000.0)
    moving = result.returns.query("symbol == 'A' and series != 'flat'")
    return moving.groupby("series")["net_return"].apply(lambda r: r.abs().sum()).to_numpy()


@pytest.mark.parametrize("replay", [_matrix, _random, _evaluated])
def test_every_replay_counts_shares_of_the_raw_price(replay):
    affordable, too_dear = replay(_panel(1.0)), replay(_panel(0.04))  # raw prices around 50 and around 1250
    assert np.abs(affordable).max() > 0
    assert_array_equal(too_dear, 0)
    if replay is _evaluated:  # the agent, buy and hold, scaled buy and hold, and the moving averages
        assert len(affordable) == 4
        assert (affordable > 0).all()


def test_the_gate_judges_fractions():
    panel = _panel(1.0)
    arguments = np.ones((60, 1), np.int8), [ValidatedBlock(0, 0, 0, 60)], panel
    found = validated_returns(*arguments, WHOLE)
    assert_array_equal(found, validated_returns(*arguments, rules(whole_shares=False)))
    assert np.abs(found).max() > 0
