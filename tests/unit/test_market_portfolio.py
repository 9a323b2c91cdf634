"""The sum of sleeves by hand, on equal and on unequal dates."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from outsample.market.accounting import MarketRules, simulate
from outsample.market.portfolio import portfolio_equity

FREE = MarketRules("next_open", 0.0, 0.0, short_selling=True, grid=0.01, band=0.0)
DAYS = np.arange("2020-01-01", "2020-01-07", dtype="datetime64[D]").astype("datetime64[us]")


def test_sleeves_add_up():
    # A: 100 long from 10, up to 11 at the close of bar 1. B: 100 half short from 20, which falls to 10.
    a = simulate([1, 0, 0], [10, 10, 11], [10, 11, 11], FREE, equity=100.0)
    b = simulate([-0.5, 0, 0], [20, 20, 10], [20, 10, 10], FREE, equity=100.0)
    both = portfolio_equity({"A": (DAYS[:3], a), "B": (DAYS[:3], b)})
    assert_allclose(both.equity, [200, 235, 235])
    assert_allclose(both.net_return, [0, 0.175, 0])
    assert_allclose(both.position, [0, (110 - 25) / 235, 0])
    assert_allclose(both.gross_position, [0, (110 + 25) / 235, 0])
    assert_allclose(both.target, [0.25, 0, 0])
    assert_allclose(both.traded_fraction, [0, 150 / 200, 135 / 235])
    assert_array_equal(both.cost, 0)


def test_a_sleeve_without_a_bar_keeps_what_it_has():
    # A trades on days 1, 3, 5, 6 (0-based 0, 2, 4, 5), B on days 2 to 5; B's starting equity counts from day 1.
    rules = MarketRules("next_open", 0.1, 0.0, short_selling=True, grid=0.01, band=0.0)
    a = simulate([1, 1, 0, 0], [10, 10, 12, 12], [10, 11, 12, 12], FREE, equity=100.0)
    b = simulate([1, 0, 0, 0], [10, 10, 10, 10], [10, 10, 10, 10], rules, equity=110.0)
    days_a, days_b = DAYS[[0, 2, 4, 5]], DAYS[1:5]
    both = portfolio_equity({"A": (days_a, a), "B": (days_b, b)})
    assert_array_equal(both.dates, DAYS)
    assert_allclose(both.equity, [210, 210, 110 + 100, 110 + 90, 120 + 90, 120 + 90])
    assert_allclose(both.cost, [0, 0, 10, 10, 0, 0])
    assert_allclose(both.cost_return, [0, 0, 10 / 210, 10 / 210, 0, 0])
    assert_allclose(both.gross_return, both.net_return + both.cost_return)
    # Day 4: A has no bar, holds 110 of 200, and is worth its last close where B fills.
    assert_allclose(both.position, [0, 0, 1, 110 / 200, 120 / 210, 0])
    assert_allclose(both.traded_fraction, [0, 0, 200 / 210, 100 / 210, 0, 120 / 210])
    assert_allclose(both.target, [100 / 210, 1, 110 / 210, 110 / 200, 0, 0])


def test_lanes_are_kept_apart():
    close = np.array([10.0, 11, 12, 13])
    lanes = simulate(np.array([[1.0, -1.0]] * 4), close, close, FREE, equity=50.0)
    both = portfolio_equity({"A": (DAYS[:4], lanes), "B": (DAYS[1:5], lanes)})
    for lane in range(2):
        alone = portfolio_equity({"A": (DAYS[:4], lanes.lane(lane)), "B": (DAYS[1:5], lanes.lane(lane))})
        for name in vars(alone).keys() - {"dates"}:
            assert_array_equal(getattr(both, name)[:, lane], getattr(alone, name), err_msg=name)


def test_one_sleeve_is_its_own_portfolio():
    close = np.array([10.0, 11, 9, 13, 40, 41])
    rules = MarketRules("next_close", 0.01, 0.001, short_selling=True, grid=0.01, band=0.0)
    ledger = simulate([-1, -1, 0.5, -1, -1, 0], close, close, rules, equity=7.0)  # ruined in bar 4
    alone = portfolio_equity({"A": (DAYS, ledger)})
    for name in ("equity", "net_return", "gross_return", "cost_return", "position", "traded_fraction", "cost"):
        assert_allclose(getattr(alone, name), getattr(ledger, name), atol=1e-12, err_msg=name)
    assert_allclose(alone.gross_position, np.abs(ledger.position))


def test_a_portfolio_without_sleeves_or_with_wrong_dates_is_refused():
    ledger = simulate([0, 0], [1, 1], [1, 1], FREE)
    with pytest.raises(ValueError, match="at least one"):
        portfolio_equity({})
    with pytest.raises(ValueError, match="dates of A"):
        portfolio_equity({"A": (DAYS[:3], ledger)})
    with pytest.raises(ValueError, match="dates of A"):
        portfolio_equity({"A": (DAYS[[1, 0]], ledger)})
