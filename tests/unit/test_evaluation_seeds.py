"""The seeds of the final policy one by one, on the vault."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from outsample.evaluation.benchmarks import VaultBars
from outsample.evaluation.seeds import agreement, replay_seeds
from outsample.io import write_table
from outsample.market.accounting import MarketRules

RULES = MarketRules("next_open", 0.0, 0.0, True, 0.01, 0.0)
DATES = pd.date_range("2020-01-06", periods=5).to_numpy("datetime64[us]")


def bars(close):
    """Bars that open where the bar before has closed."""
    close = np.array(close, dtype=float)
    return VaultBars(DATES, np.concatenate([close[:1], close[:-1]]), close, np.ones(5), np.empty(0))


@pytest.fixture
def market():
    return {"UP": bars([100, 100, 110, 121, 121]), "DOWN": bars([100, 100, 90, 81, 81])}


def test_each_seed_holds_its_own_portfolio_of_all_symbols(market, tmp_path):
    held, flat, short = np.ones(5), np.zeros(5), -np.ones(5)
    found = replay_seeds([{"UP": held, "DOWN": flat}, {"UP": flat, "DOWN": short}], market, RULES, 1000.0)
    write_table(found, tmp_path / "seeds.parquet", "seeds")
    equity = found.pivot(index="date", columns="seed", values="equity")
    # The first target is filled at the second bar's open: 5 of each at 100. At the last open all are flat again.
    assert equity[0].tolist() == pytest.approx([1000, 1000, 1050, 1105, 1105])
    assert equity[1].iloc[:3].tolist() == pytest.approx([1000, 1000, 1050])  # 5 short at 100, worth 50 more at 90
    assert list(found.columns) == ["seed", "date", "equity"]
    assert found["date"].tolist()[:5] == list(pd.to_datetime(DATES))


def test_what_they_earned_and_how_often_they_agree(market):
    one, other = {"UP": np.ones(5), "DOWN": np.zeros(5)}, {"UP": np.array([1.0, 0, 0, 0, 0]), "DOWN": np.zeros(5)}
    found = replay_seeds([one, other], market, RULES, 1000.0)
    alike = agreement([one, other], found, 1000.0)
    assert alike["seeds_agreement"] == 6 / 10
    assert alike["seeds_most_return"] == pytest.approx(0.105)
    assert alike["seeds_least_return"] == pytest.approx(found[found["seed"] == 1]["equity"].iloc[-1] / 1000 - 1)
    assert alike["seeds_least_return"] < alike["seeds_most_return"]


def test_one_seed_or_none_has_nothing_to_compare(market, tmp_path):
    none = replay_seeds([], market, RULES, 1000.0)
    write_table(none, tmp_path / "seeds.parquet", "seeds")
    alone = [{"UP": np.ones(5), "DOWN": np.zeros(5)}]
    for targets, table in (([], none), (alone, replay_seeds(alone, market, RULES, 1000.0))):
        assert all(np.isnan(value) for value in agreement(targets, table, 1000.0).values())
