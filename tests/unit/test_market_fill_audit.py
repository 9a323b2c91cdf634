"""The audit of fills finds nothing in the market's accounting, and a position that is filled where it was decided."""

import numpy as np
import pandas as pd
import pytest

from outsample.errors import AuditError
from outsample.market.accounting import Ledger, MarketRules, simulate
from outsample.market.fill_audit import audit_fills

CUTS = [pd.Timestamp("2020-02-01"), pd.Timestamp("2020-03-01"), pd.Timestamp("2020-04-09")]


def _bars() -> pd.DataFrame:
    parts = []
    for index, symbol in enumerate("AB"):
        generator = np.random.Generator(np.random.PCG64(index))
        close = 100 * np.exp(np.cumsum(generator.normal(0, 0.01, 100)))
        open_ = np.concatenate([[100.0], close[:-1]]) * np.exp(generator.normal(0, 0.003, 100))
        dates = pd.date_range("2020-01-01", periods=100).astype("datetime64[us]")
        parts.append(pd.DataFrame({"symbol": symbol, "date": dates, "open": open_, "close": close}))
    return pd.concat(parts, ignore_index=True)


def _rules(**changes) -> MarketRules:
    return MarketRules(**({"fill": "next_open", "cost_rate": 0.0006, "borrow_per_bar": 1e-4, "short_selling": True,
                           "grid": 0.01, "band": 0.0} | changes))  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [{}, {"fill": "next_close"}, {"short_selling": False}, {"band": 0.05}, {"whole_shares": True}],
    ids=["as shipped", "next_close", "long only", "band", "whole shares"],
)
def test_the_accounting_fills_after_the_close_of_the_decision(changes) -> None:
    audit = audit_fills(_bars(), _rules(**changes), CUTS)
    assert audit.to_dict("list") == {
        "kind": ["fill"] * 4,
        "name": ["A", "A", "B", "B"],
        "cut": [pd.Timestamp("2020-02-01"), pd.Timestamp("2020-03-01")] * 2,  # the last date is too near the end
        "rows": [100] * 4,
        "changed": [0] * 4,
    }


def _filled_at_the_close_of_the_decision(targets, open_, close, rules, equity) -> Ledger:
    """The classic mistake: today's signal earns from today's close on."""
    shifted = np.concatenate([targets[1:], targets[-1:]])  # the target of t is filled at t's own close
    return simulate(shifted, open_, close, _rules(fill="next_close"), equity)


def test_a_position_filled_at_the_close_where_it_was_decided_is_caught() -> None:
    with pytest.raises(
        AuditError, match=r"The fills of A come too early: .* the close of 2020-02-01\S* the return of 2020-02-02"
    ):
        audit_fills(_bars(), _rules(), CUTS, _filled_at_the_close_of_the_decision)


def test_an_audit_without_a_cut_within_the_bars_is_refused() -> None:
    with pytest.raises(AuditError, match="compared no bar"):
        audit_fills(_bars(), _rules(), [pd.Timestamp("2019-01-01")])
