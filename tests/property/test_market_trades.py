"""Round trips of random ledgers: every gain and every cost belongs to one trip."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outsample.market.accounting import MarketRules, simulate
from outsample.market.trades import round_trips


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 2**32),
    st.integers(2, 40),
    st.sampled_from([0.02, 0.4]),
    st.sampled_from([0.0, 0.001, 0.03]),
    st.booleans(),
)
def test_profits_add_up_to_the_change_of_equity(seed, bars, scale, rate, whole_shares):
    generator = np.random.Generator(np.random.PCG64(seed))
    close = 10 * np.exp(np.cumsum(generator.normal(0, scale, bars)))
    open_ = close * np.exp(generator.normal(0, scale, bars))
    rules = MarketRules("next_open", rate, rate, True, grid=0.01, band=rate, whole_shares=whole_shares)
    ledger = simulate(generator.choice([-1, -0.5, 0, 0.5, 1], bars), open_, close, rules, 1000.0, factor=0.1)
    days = np.datetime64("2020-01-01", "us") + np.arange(bars) * np.timedelta64(1, "D")
    trips = round_trips(ledger, days, open_, "A")

    largest = max(1000.0, np.abs(ledger.equity).max(), ledger.traded.max())
    assert trips["profit"].sum() == pytest.approx(ledger.equity[-1] - 1000.0, abs=1e-10 * largest)
    assert trips["cost"].sum() == pytest.approx(ledger.cost.sum(), abs=1e-10 * largest)
    assert (trips["cost"] >= -1e-10 * largest).all()
    assert trips["entry_date"].is_unique
    assert trips["entry_date"].is_monotonic_increasing
    assert (trips["exit_date"] >= trips["entry_date"]).all()
    sides = np.sign(ledger.units)
    assert len(trips) >= np.sum((sides[1:] != 0) & (sides[1:] != sides[:-1]))
