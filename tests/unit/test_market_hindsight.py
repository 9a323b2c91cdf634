"""The best in hindsight on series small enough to be worked out by hand, and long ones."""

import dataclasses
import math

import numpy as np
import pytest

from outsample.market.accounting import MarketRules, simulate
from outsample.market.hindsight import best_in_hindsight

RULES = MarketRules("next_close", cost_rate=0.01, borrow_per_bar=0.0, short_selling=True, grid=0.01, band=0.0)
PRICES = [1.0, 1.0, 2.0, 2.0, 1.0, 1.0]


def test_a_rise_and_a_fall_by_hand():
    best = best_in_hindsight(PRICES, PRICES, RULES)
    bought = 1 / 1.01 * 2  # worth of the shares at 2; no cash
    sold = bought * (1 - 0.01 * 2 / 1.01)  # what is left after the flip, held short as shares of 2
    assert math.exp(best.log_return) == pytest.approx(sold * (1 + 0.5 * (1 - 0.01)), rel=1e-14)
    assert best.targets[[0, 2, 4, 5]].tolist() == [
        1.0,
        -1.0,
        0.0,
        0.0,
    ]  # whether it turns at row 1 or 2 is all the same


def test_long_only_sits_the_fall_out():
    long_only = dataclasses.replace(RULES, short_selling=False)
    for rules, actions in [(RULES, (0.0, 1.0)), (long_only, (-1.0, 0.0, 1.0))]:
        best = best_in_hindsight(PRICES, PRICES, rules, actions)
        assert math.exp(best.log_return) == pytest.approx(2 * 0.99 / 1.01, rel=1e-14)
        assert best.targets.min() == 0.0


@pytest.mark.parametrize(("cost", "trades"), [(0.004, True), (0.006, False)])
def test_it_trades_only_what_pays(cost, trades):
    prices = [1.0, 1.0, 1.01, 1.01]  # a round trip costs twice the rate
    best = best_in_hindsight(prices, prices, dataclasses.replace(RULES, cost_rate=cost))
    assert (best.targets.max() == 1.0) == trades
    assert best.log_return == pytest.approx(math.log(1.01 * (1 - cost) / (1 + cost)) if trades else 0.0, abs=1e-15)


def test_the_fill_is_the_opens_where_the_rules_say_so():
    opens, closes = [1.0, 2.0, 2.0], [1.0, 2.0, 2.0]
    assert best_in_hindsight(opens, closes, dataclasses.replace(RULES, fill="next_open")).log_return == 0.0
    early = best_in_hindsight([1.0, 1.0, 2.0], closes, dataclasses.replace(RULES, fill="next_open"))
    assert math.exp(early.log_return) == pytest.approx(2 * 0.99 / 1.01, rel=1e-14)


def test_borrowing_that_costs_too_much_is_left():
    falling = [1.0, 1.0, 0.9, 0.9]
    free = dataclasses.replace(RULES, cost_rate=0.0)
    assert best_in_hindsight(falling, falling, free).targets.min() == -1.0
    dear = dataclasses.replace(free, borrow_per_bar=0.2)
    assert best_in_hindsight(falling, falling, dear).log_return == 0.0


def test_a_short_that_would_be_ruined_on_the_way_is_not_held():
    prices = [1.0, 1.0, 3.0, 0.1, 0.2]
    best = best_in_hindsight(prices, prices, dataclasses.replace(RULES, cost_rate=0.0), actions=(-1.0, 0.0))
    assert best.targets[:3].tolist() == [0.0, -1.0, 0.0]
    assert math.exp(best.log_return) == pytest.approx(2 - 0.1 / 3, rel=1e-14)


def test_a_short_of_long_ago_can_be_the_best():
    """The old one of 1.00 has drifted with the price; whoever shorts again at 0.98 pays more than it gains."""
    prices = [1.0, 1.0, 0.98, 0.985, 0.5, 0.505]
    best = best_in_hindsight(prices, prices, RULES)
    assert best.targets.tolist() == [-1.0, -1.0, -1.0, 0.0, 0.0, 0.0]
    assert math.exp(best.log_return) == pytest.approx((2 - 0.5 * 1.01) / 1.01, rel=1e-14)


@pytest.mark.parametrize("bars", [0, 1, 2])
def test_a_series_too_short_to_trade_earns_nothing(bars):
    best = best_in_hindsight(PRICES[:bars], PRICES[:bars], RULES)
    assert (best.targets.tolist(), best.log_return) == ([0.0] * bars, 0.0)


def test_a_return_that_no_float_could_hold_is_still_right():
    prices = np.tile([1.0, 2.0], 1500)
    best = best_in_hindsight(prices, prices, dataclasses.replace(RULES, cost_rate=0.0), actions=(0.0, 1.0))
    assert best.log_return == pytest.approx(1499 * math.log(2), rel=1e-12)  # e^1039; the last rise begins at row 2997


def test_the_targets_earn_what_is_said_on_a_long_series():
    draw = np.random.Generator(np.random.PCG64(1))
    close = 50 * np.exp(np.cumsum(0.02 * draw.standard_normal(1500)))
    open_ = close * np.exp(0.01 * draw.standard_normal(1500))
    rules = MarketRules("next_open", 6e-4, 4e-5, short_selling=True, grid=0.01, band=0.0)
    best = best_in_hindsight(open_, close, rules)
    assert np.log(simulate(best.targets, open_, close, rules).equity[-1]) == pytest.approx(best.log_return, rel=1e-12)
    others = simulate(np.sign(draw.standard_normal((1500, 200)).cumsum(0)), open_, close, rules).equity[-1]
    assert np.log(others.max()) < best.log_return


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="divisible"):
        best_in_hindsight(PRICES, PRICES, dataclasses.replace(RULES, whole_shares=True))
    with pytest.raises(ValueError, match="0 must be among"):
        best_in_hindsight(PRICES, PRICES, RULES, actions=(-1.0, 1.0))
