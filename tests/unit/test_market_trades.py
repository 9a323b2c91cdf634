"""Round trips by hand: flips, resizing, ruin."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from outsample.io.schemas import TABLES
from outsample.market.accounting import Ledger, MarketRules, simulate
from outsample.market.trades import round_trips

DAYS = np.arange("2020-01-01", "2020-01-11", dtype="datetime64[D]").astype("datetime64[us]")


def trips(targets, price, equity=100.0, opens=None, **changes):
    plain = {"fill": "next_open", "cost_rate": 0.0, "borrow_per_bar": 0.0}
    rules = MarketRules(**(plain | changes), short_selling=True, grid=0.01, band=0.0)
    opens = price if opens is None else opens
    ledger = simulate(targets, opens, price, rules, equity)
    table = round_trips(ledger, DAYS[: len(price)], 2 * np.asarray(opens, dtype=float), "A")  # raw price = 2 x adjusted
    assert table["profit"].sum() == pytest.approx(ledger.equity[-1] - ledger.equity[0], abs=1e-10)
    assert table["cost"].sum() == pytest.approx(ledger.cost.sum(), abs=1e-10)
    return table


def test_a_trip_ends_flat_and_resizing_belongs_to_it():
    # Half long at 10 (5 shares), doubled to target 1 at 12: 110 / 12 shares; sold at 15: 110 * 15 / 12.
    table = trips([0.5, 1.0, 0.0, 0.0, 0.0], [10, 10, 12, 15, 15])
    assert list(table.columns) == list(TABLES["trades"].columns)
    assert table["direction"].dtype == np.int32
    assert table.shape[0] == 1
    row = table.iloc[0]
    assert (row.symbol, row.entry_date, row.exit_date) == ("A", DAYS[1], DAYS[3])
    assert (row.direction, row.bars, row.entry_price, row.exit_price) == (1, 2, 20, 30)
    assert row.profit == pytest.approx(137.5 - 100)


def test_a_flip_ends_one_trip_and_begins_the_next():
    # Long 10 shares at 10, flipped at 11 to short 10 shares, covered at 12.
    table = trips([1, -1, 0, 0], [10, 10, 11, 12])
    assert table["direction"].tolist() == [1, -1]
    assert table["bars"].tolist() == [1, 1]
    assert_allclose(table["entry_price"], [20, 22])
    assert_allclose(table["exit_price"], [22, 24])
    assert_allclose(table["profit"], [10, -10])


def test_the_fee_of_a_flip_is_divided_by_notional_and_borrow_goes_to_the_short():
    # As in the accounting tests: long 10 at 10 pays 10; the flip closes 100 and opens 900/11 at a tenth; equity is
    # then 900/11, short as much. One bar of borrow at 1 % in the bar that covers, which pays a tenth again.
    table = trips([1, -1, 0, 0], [10] * 4, equity=110.0, cost_rate=0.1, borrow_per_bar=0.01)
    assert_allclose(table["cost"], [10 + 10, 90 / 11 + 9 / 11 + 90 / 11])
    assert_allclose(table["profit"], -table["cost"])


def test_no_trades_is_an_empty_table():
    table = trips([0, 0, 0], [10, 11, 12])
    assert len(table) == 0
    assert list(table.columns) == list(TABLES["trades"].columns)


def test_two_trips_with_a_pause():
    table = trips([1, 0, 0, 1, 1, 0, 0], [10, 10, 11, 12, 12, 12, 6])
    assert table["entry_date"].tolist() == [DAYS[1], DAYS[4]]
    assert_allclose(table["profit"], [10, -55])  # the second is sold on the last bar, at 6


def test_ruin_at_the_fill_ends_the_trip_there():
    table = trips([-1, -1, -1, 0, 0], [10, 10, 30, 10, 10])
    assert table["exit_date"].tolist() == [DAYS[2]]
    assert_allclose(table["profit"], [-200])
    assert_allclose(table["exit_price"], [60])


def test_ruin_at_the_close_ends_the_trip_at_the_close():
    table = trips([-1, -1, -1, 0, 0], [10, 10, 30, 10, 10], opens=[10] * 5, cost_rate=0.001)
    assert table["exit_date"].tolist() == [DAYS[2]]
    assert_allclose(table["exit_price"], [60])


def test_a_flip_into_ruin_ends_two_trips_in_one_bar():
    table = trips([1, -1, 1, 0, 0], [10, 11, 50, 10, 10], opens=[10, 10, 11, 10, 10])
    assert table["direction"].tolist() == [1, -1]
    assert table["bars"].tolist() == [1, 0]
    assert_allclose(table["exit_price"], [22, 100])
    assert_allclose(table["profit"], [10, -390])


def test_ruin_by_a_fee_ends_the_trip():
    table = trips([-1, 1, 1, 0, 0], [10] * 5, opens=[10, 10, 19.9, 10, 10], equity=102.0, cost_rate=0.02)
    assert table["direction"].tolist() == [-1]
    # The same while half is asked for: what is left below 0 must not count as a flip.
    table = trips([-1, -0.5, 1, 0, 0], [10] * 5, opens=[10, 10, 19.9, 10, 10], equity=102.0, cost_rate=0.02)
    assert table["direction"].tolist() == [-1]


def test_ruin_by_the_borrow_cost_of_a_covered_short():
    # Short 10 at 10, bought back at 19.9: equity 1, and 50 of borrow cost due.
    table = trips([-1, 0, 1, 0, 0], [10] * 5, opens=[10, 10, 19.9, 10, 10], borrow_per_bar=0.5)
    assert_allclose(table["profit"], [-99 - 50])
    assert_allclose(table["exit_price"], [39.8])


def test_lanes_and_open_ends_are_refused():
    rules = MarketRules("next_open", 0.0, 0.0, short_selling=True, grid=0.01, band=0.0)
    with pytest.raises(ValueError, match="one lane"):
        round_trips(simulate(np.zeros((3, 2)), [1] * 3, [1] * 3, rules), DAYS[:3], [1] * 3, "A")
    ledger = simulate([1, 1, 1, 1], [1] * 4, [1] * 4, rules)
    cut = Ledger(**{name: values[:-1] for name, values in vars(ledger).items()})
    with pytest.raises(ValueError, match="open position"):
        round_trips(cut, DAYS[:3], [1] * 3, "A")
