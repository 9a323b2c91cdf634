"""The market by hand: small spans whose books are worked out in the comments."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from outsample.config.models import Market
from outsample.market.accounting import MarketRules, fill_prices, simulate, start, step, to_grid

FREE = MarketRules("next_open", cost_rate=0.0, borrow_per_bar=0.0, short_selling=True, grid=0.01, band=0.0)


def rules(**changes):
    return MarketRules(**{**FREE.__dict__, **changes})


def test_settings_become_fractions_per_fill_and_per_bar():
    market = Market(commission=3, slippage=5, borrow_rate=0.0252, grid=0.05, rebalance_band=0.1, short_selling=False)
    found = MarketRules.from_settings(market, 252)
    assert found.cost_rate == pytest.approx(8e-4)
    assert found.borrow_per_bar == pytest.approx(1e-4)
    assert (found.fill, found.short_selling, found.grid, found.band) == ("next_open", False, 0.05, 0.1)


def test_a_target_is_filled_at_the_next_open_and_marked_at_the_close():
    # Bar 1: 50 of 100 buys 5 shares at 10; at the close 50 + 5 * 12 = 110. Bar 2: sold at 11: 105.
    ledger = simulate([0.5, 0.0, 0.0], [9, 10, 11], [10, 12, 13], FREE, equity=100.0)
    assert_allclose(ledger.units, [0, 5, 0])
    assert_allclose(ledger.cash, [100, 50, 105])
    assert_allclose(ledger.equity, [100, 110, 105])
    assert_allclose(ledger.position, [0, 60 / 110, 0])
    assert_allclose(ledger.traded, [0, 50, 55])
    assert_allclose(ledger.fill_equity, [100, 100, 105])
    assert_allclose(ledger.traded_fraction, [0, 0.5, 55 / 105])
    assert_allclose(ledger.net_return, [0, 0.1, 105 / 110 - 1])
    assert_array_equal(ledger.gross_return, ledger.net_return)


def test_next_close_fills_at_the_close():
    # 100 buys 8 1/3 shares at the close of bar 1 (12), sold at the close of bar 2 (13).
    ledger = simulate([1.0, 1.0, 0.0], [9, 10, 11], [10, 12, 13], rules(fill="next_close"), equity=100.0)
    assert_allclose(ledger.equity, [100, 100, 100 * 13 / 12])
    assert fill_prices("open", "close", FREE) == "open"
    assert fill_prices("open", "close", rules(fill="next_close")) == "close"


def test_costs_are_sized_so_that_the_target_holds_after_them():
    # Rate 1/10 and target 1: 100 / 1.1 is bought, the fee 10/11 * 10 takes the rest. Selling it all at the same
    # price costs a tenth of it.
    ledger = simulate([1.0, 0.0, 0.0], [10, 10, 10], [10, 10, 10], rules(cost_rate=0.1), equity=110.0)
    assert_allclose(ledger.units, [0, 10, 0], atol=1e-15)
    assert_allclose(ledger.cash, [110, 0, 90], atol=1e-12)
    assert_allclose(ledger.fee, [0, 10, 10])
    assert_allclose(ledger.cost, [0, 10, 10])
    assert_allclose(ledger.cost_return, [0, 1 / 11, 0.1])
    assert_allclose(ledger.gross_return, 0, atol=1e-15)


def test_a_flip_pays_for_both_sides():
    # At 10: long 10 shares = 100 of equity 100. Target -1 at rate 1/10: after = -(100 - 0.1 (100 - after)), so
    # after = -90 / 1.1; traded 100 + 900/11, fee a tenth of it.
    ledger = simulate([1.0, -1.0, 0.0, 0.0], [10] * 4, [10] * 4, rules(cost_rate=0.1), equity=110.0)
    traded = 100 + 900 / 11
    assert_allclose(ledger.traded[2], traded)
    assert_allclose(ledger.equity[2], 100 - traded / 10)
    assert_allclose(ledger.units[2] * 10, -ledger.equity[2])


def test_borrow_cost_is_due_on_the_short_notional_of_the_close_before():
    # Short 10 shares at 10 from equity 100, 1 % a bar. Bar 1: nothing yet. Bar 2: 1 % of 10 * 11 = 1.1. Bar 3
    # (bought back at its open): 1 % of 10 * 12 = 1.2. Bar 4: nothing.
    targets, opens, closes = [-1, -1, 0, 0, 0], [10, 10, 11, 12, 12], [10, 11, 12, 12, 12]
    ledger = simulate(targets, opens, closes, rules(borrow_per_bar=0.01), equity=100.0)
    assert_allclose(ledger.cost, [0, 0, 1.1, 1.2, 0], atol=1e-13)
    assert_allclose(ledger.fee, 0)
    assert_allclose(ledger.equity, [100, 90, 78.9, 77.7, 77.7])


def test_an_unchanged_target_is_left_alone_without_a_band():
    ledger = simulate([0.5] * 4 + [0, 0], [10, 10, 20, 20, 20, 20], [10, 20, 20, 20, 20, 20], FREE)
    assert_array_equal(ledger.traded[2:5], 0)
    assert ledger.position[4] == pytest.approx(2 / 3)


def test_a_drift_beyond_the_band_is_traded_back():
    # The price doubles: half becomes 2/3, a drift of 1/6.
    targets, opens, closes = [0.5] * 3 + [0, 0], [10, 10, 20, 20, 20], [10, 20, 20, 20, 20]
    assert_array_equal(simulate(targets, opens, closes, rules(band=0.17)).traded[2], 0)
    ledger = simulate(targets, opens, closes, rules(band=0.16))
    assert ledger.traded[2] == pytest.approx(1.5 / 6)
    assert ledger.position[2] == pytest.approx(0.5)


def test_a_short_into_a_tripled_open_is_ruined_at_the_fill_and_stays_as_it_is():
    targets, opens, closes = [-1, -1, 1, 1, 0, 0], [10, 10, 30, 30, 10, 10], [10, 10, 30, 30, 10, 10]
    ledger = simulate(targets, opens, closes, rules(cost_rate=0.001, borrow_per_bar=0.01), equity=100.0)
    # Equity after the short's fee is 100 / 1.001 (T = -1 sold from flat: 100 / (1 + c)); the jump costs twice that.
    assert_allclose(ledger.equity[1:], [100 * (1 - 0.001 / 1.001)] + [-100 / 1.001] * 4)
    assert_array_equal(ledger.ruined, [False, False, True, True, True, True])
    assert_array_equal(ledger.units[2:], 0)
    assert_array_equal(ledger.position[2:], 0)
    assert_array_equal(ledger.cost[2:], 0)
    assert_array_equal(ledger.net_return[3:], 0)
    assert ledger.net_return[2] == pytest.approx(-2)


def test_a_short_into_a_tripled_close_is_ruined_at_the_close():
    ledger = simulate([-1, -1, -1, 0, 0], [10] * 5, [10, 10, 30, 10, 10], FREE, equity=100.0)
    assert_array_equal(ledger.equity, [100, 100, -100, -100, -100])
    assert_array_equal(ledger.cash, [100, 200, -100, -100, -100])
    assert_array_equal(ledger.units, [0, -10, 0, 0, 0])
    assert_array_equal(ledger.ruined, [False, False, True, True, True])


def test_a_ruined_sleeve_holds_and_asks_for_nothing():
    sleeve = start(np, 100.0)
    for price in (10.0, 30.0, 30.0):
        sleeve, bar = step(np, sleeve, -1.0, price, price, FREE)
    assert sleeve.ruined
    assert (sleeve.cash, sleeve.units, sleeve.target, sleeve.borrowed) == (-100, 0, 0, 0)
    assert (bar.equity, bar.position, bar.traded, bar.cost) == (-100, 0, 0, 0)


def test_equity_of_exactly_zero_is_ruin():
    ledger = simulate([-1, -1, 1, 0, 0], [10, 10, 20, 20, 20], [10, 10, 20, 20, 20], FREE, equity=100.0)
    assert_array_equal(ledger.equity[2:], 0)
    assert_array_equal(ledger.traded[2:], 0)
    assert_array_equal(ledger.net_return, [0, 0, -1, 0, 0])


def test_a_fee_beyond_the_equity_is_ruin():
    # Short 10 at 10; at 19.9 equity is 1; buying back for 199 at a rate of 1/50 costs about 4.
    ledger = simulate([-1, 0, 1, 0, 0], [10, 10, 19.9, 20, 20], [10] * 5, rules(cost_rate=0.02), equity=102.0)
    assert ledger.fill_equity[2] > 0
    assert ledger.equity[2] == pytest.approx(ledger.fill_equity[2] - ledger.cost[2])
    assert ledger.equity[2] < 0
    assert ledger.ruined[2]
    assert_array_equal(ledger.traded[3:], 0)


def test_the_last_bars_flatten_whatever_is_asked():
    ledger = simulate([1.0, 1.0, 1.0, 1.0], [10.0] * 4, [10.0] * 4, FREE)
    assert_array_equal(ledger.target, [1, 1, 0, 0])
    assert_array_equal(ledger.units[-1], 0)
    assert ledger.units[-2] != 0


@pytest.mark.parametrize("bars", [0, 1, 2])
def test_spans_too_short_to_trade_stay_flat(bars):
    ledger = simulate([1.0] * bars, [10.0] * bars, [10.0] * bars, FREE, equity=5.0)
    assert_array_equal(ledger.equity, [5.0] * bars)
    assert_array_equal(ledger.traded, 0)


def test_the_grid_rounds_halves_away_from_zero_in_both_precisions():
    import jax.numpy as jnp

    halves = np.arange(-99.5, 100, 1) / 100
    expected = np.sign(halves) * (np.abs(halves) * 100 + 0.5).round() / 100
    assert_allclose(to_grid(np, halves, FREE), expected, atol=1e-12)
    assert_allclose(to_grid(jnp, jnp.asarray(halves, dtype=jnp.float32), FREE), expected, atol=1e-6)
    assert_allclose(to_grid(np, np.array([0.00499, -0.00499, 0.0149]), FREE), [0, 0, 0.01])


def test_the_grid_never_exceeds_one_and_holds_no_negative_zero():
    assert_allclose(to_grid(np, np.array([1.0, -1.0, 3.0]), rules(grid=0.4)), [0.8, -0.8, 0.8])
    assert to_grid(np, np.float64(1.0), rules(grid=1 / 3)) == 1.0
    assert not np.signbit(to_grid(np, np.array([-0.001, 0.0]), FREE)).any()


def test_without_short_selling_negative_targets_are_flat():
    targets = np.linspace(-1, 1, 21)
    assert_allclose(to_grid(np, targets, rules(short_selling=False)), np.maximum(targets, 0), atol=1e-15)
    ledger = simulate([-1.0] * 5, [10, 11, 12, 13, 14], [10, 11, 12, 13, 14], rules(short_selling=False))
    assert_array_equal(ledger.equity, 1.0)


def test_a_lane_is_what_it_is_alone():
    generator = np.random.default_rng(3)
    close = 100 * np.exp(np.cumsum(generator.normal(0, 0.02, 40)))
    targets = generator.uniform(-1, 1, (40, 3, 2))
    together = simulate(targets, close, close, rules(cost_rate=0.001))
    alone = simulate(targets[:, 2, 1], close, close, rules(cost_rate=0.001))
    for name, values in vars(together.lane((2, 1))).items():
        assert_array_equal(values, getattr(alone, name), err_msg=name)
    assert_array_equal(simulate(targets[:, 0], close, close, FREE).lane(1).equity.shape, (40,))


def test_prices_and_equity_may_differ_by_lane():
    close = np.array([[10.0, 20.0], [10.0, 20.0], [11.0, 10.0], [11.0, 10.0]])
    ledger = simulate(np.ones((4, 2)), close, close, FREE, equity=[1.0, 2.0])
    assert_allclose(ledger.equity[-1], [1.1, 1.0])


@pytest.mark.parametrize(
    ("targets", "price"),
    [
        ([0.0, np.nan], [1.0, 1.0]),
        (0.0, [1.0]),
        ([0.0, 0.0], [1.0]),
        ([0.0, 0.0], 1.0),
        ([0.0, 0.0], [[1.0], [1.0]]),
        ([0.0, 0.0], [1.0, 0.0]),
        ([0.0, 0.0], [1.0, np.nan]),
    ],
)
def test_bad_arrays_are_refused(targets, price):
    with pytest.raises(ValueError, match=r"targets|prices"):
        simulate(targets, price, price, FREE)


def test_a_flat_sleeve_holds_cash_only():
    sleeve = start(np, [1.0, 2.0])
    assert_array_equal(sleeve.cash, [1, 2])
    assert sleeve.ruined.dtype == bool
    after, bar = step(np, sleeve, 0.0, 10.0, 11.0, FREE)
    assert_array_equal(after.cash, [1, 2])
    assert_array_equal(bar.traded, 0)


def test_without_a_grid_targets_are_taken_as_they_are():
    asked = np.array([-0.123456789, 0.0, 0.4])
    assert to_grid(np, asked, rules(grid=None)) is asked
    prices = np.array([10.0, 10.0, 11.0, 12.0, 12.0])
    on_the_grid = np.array([0.25, -0.5, 0.75, 0.0, 0.0])
    exact, rounded = (simulate(on_the_grid, prices, prices, rules(grid=grid, cost_rate=0.01)) for grid in (None, 0.25))
    assert_array_equal(exact.equity, rounded.equity)
