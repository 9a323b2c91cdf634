"""The chosen settings with one searched number a tenth lower or higher, and what is made of their portfolios."""

import numpy as np
import pandas as pd
import pytest

from outsample.config.models import Dimension, Settings
from outsample.evaluation.perturbed import perturbed_table
from outsample.io import read_table, write_table
from outsample.search.perturbed import perturbed

BASE = Settings().agents.ppo.model_dump()


def test_each_number_moves_by_a_tenth_and_no_other_with_it():
    found = perturbed("ppo", BASE, Settings().search.space["ppo"])
    assert [p.scenario for p in found[:2]] == ["discount 0.873 (-10 %)", "discount 0.99 (+2 %, cut to its bound)"]
    assert [p.scenario for p in found[4:6]] == ["learning_rate 0.0027 (-10 %)", "learning_rate 0.0033 (+10 %)"]
    for one in found:
        name = one.scenario.split()[0]
        assert [key for key in BASE if one.params[key] != BASE[key]] == [name]
    assert len(found) == 8


def test_what_has_no_tenth_is_left_out_and_whole_numbers_move_by_one():
    space = {
        "discount": Dimension(low=0.5, high=0.97),  # 0.97 is its bound: nothing above it that the agent takes
        "dropout": Dimension(low=0.0, high=0.5),  # 0 as configured
        "gae_lambda": Dimension(type="int", low=0, high=1),
        "clip": Dimension(type="categorical", choices=[0.1, 0.2]),
    }
    whole = perturbed("ppo", BASE | {"updates": 4}, {"updates": Dimension(type="int", low=2, high=9)})
    assert [p.scenario for p in whole] == ["updates 3 (-25 %)", "updates 5 (+25 %)"]
    found = perturbed("ppo", BASE | {"gae_lambda": 1}, space)
    assert [p.scenario for p in found] == ["discount 0.873 (-10 %)", "gae_lambda 0 (-100 %)"]


def test_the_table_is_the_mean_over_seeds_of_joined_folds(tmp_path):
    def rows(*returns):  # of each seed, two folds of one bar
        return pd.DataFrame(
            [
                (fold, seed, pd.Timestamp(f"2020-01-0{fold + 1}"), value, 0.1)
                for seed, both in enumerate(returns)
                for fold, value in enumerate(both)
            ],
            columns=["fold", "seed", "date", "net_return", "buy_and_hold_return"],
        )

    table = perturbed_table({"as chosen": rows((0.5, -0.5), (0.1, 0.1)), "broke": rows()}, 6.0, 252.0, 0.0)
    first, second = table.to_dict("records")
    assert first["bars"] == 2
    assert first["total_return"] == pytest.approx((1.5 * 0.5 - 1 + 1.1 * 1.1 - 1) / 2)
    assert first["buy_and_hold_return"] == pytest.approx(0.21)
    assert first["max_drawdown"] == pytest.approx(0.25)
    assert np.isnan(second["total_return"])
    write_table(table, tmp_path / "t.parquet", "perturbed")
    assert read_table(tmp_path / "t.parquet", "perturbed")["scenario"].tolist() == ["as chosen", "broke"]


def test_a_bar_that_two_splits_test_counts_once_with_their_mean():
    days = pd.to_datetime(["2020-01-01", "2020-01-02", "2020-01-02", "2020-01-03"])
    table = pd.DataFrame({"fold": [0, 0, 1, 1], "seed": 0, "date": days, "net_return": [0.1, -0.3, -0.1, 0.2]})
    found = perturbed_table({"as chosen": table.assign(buy_and_hold_return=0.1)}, 6.0, 252.0, 0.0).iloc[0]
    assert found["bars"] == 3
    assert found["total_return"] == pytest.approx(1.1 * 0.8 * 1.2 - 1)
    assert found["buy_and_hold_return"] == pytest.approx(1.1**3 - 1)
    assert found["max_drawdown"] == pytest.approx(0.2)
