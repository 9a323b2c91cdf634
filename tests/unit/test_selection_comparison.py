"""Ways to choose, compared by nested walk-forward: by hand where it can be, and on noise and an edge."""

import numpy as np
import pandas as pd
import pytest

from outsample.config.models import MultiMetric
from outsample.io import read_table, write_table
from outsample.selection.comparison import compare_arms, holm

BARS = 60


def _tables(means: dict[int, list[float]], seeds: int = 2, noise: float = 0.01, draw: int = 0):
    """Portfolios and scores of one agent: trial -> mean return a bar in each fold; scores are those of the returns."""
    generator = np.random.Generator(np.random.PCG64(draw))
    portfolios, scores = [], []
    for trial, of_folds in means.items():
        for fold, mean in enumerate(of_folds):
            common = generator.normal(0, noise, BARS)
            for seed in range(seeds):
                returns = mean + common + generator.normal(0, noise / 10, BARS)
                dates = pd.date_range("2020-01-01", periods=BARS) + pd.Timedelta(days=fold * BARS)
                lane = {"agent": "ppo", "trial": trial, "fold": fold, "seed": seed}
                portfolios.append(pd.DataFrame(lane | {"date": dates, "net_return": returns}))
                values = {"sharpe": returns.mean() / returns.std(), "total_return": returns.sum()}
                values |= {"win_rate": 0.5, "max_drawdown": 0.1}
                scores += [lane | {"metric": name, "value": value} for name, value in values.items()]
    return pd.concat(portfolios, ignore_index=True), pd.DataFrame(scores)


def _trials(*rounds: int, origin: str = "tpe") -> list[dict]:
    return [
        {"agent": "ppo", "trial": n, "round": r, "origin": origin if n else "defaults", "params": {}}
        for n, r in enumerate(rounds)
    ]


def _compare(trials, portfolios, scores, **options):
    table = compare_arms(trials, scores, portfolios, MultiMetric(), 252.0, **options)
    return table.set_index("arm", drop=False)


def test_holm_by_hand() -> None:
    assert holm(np.array([0.04, 0.01, 0.5])).tolist() == pytest.approx([0.08, 0.03, 0.5])
    assert holm(np.array([0.9, 0.8])).tolist() == [1.0, 1.0]
    assert holm(np.array([])).tolist() == []


def test_a_fold_is_chosen_for_by_the_folds_before_it(tmp_path) -> None:
    portfolios, scores = _tables({0: [0.0, 0.0, 0.0], 1: [0.01, -0.02, 0.0], 2: [-0.01, 0.02, 0.0]}, noise=1e-4)
    table = _compare(_trials(0, 0, 0), portfolios, scores)
    # fold 1 by fold 0: trial 1; fold 2 by folds 0 and 1: trial 2, whose mean Sharpe ratio is then the largest
    assert table.loc["sharpe_only", "choices"] == "fold 1: ppo 1; fold 2: ppo 2"
    assert table.loc["defaults", "choices"] == "fold 1: ppo 0; fold 2: ppo 0"
    chosen = portfolios[
        ((portfolios["fold"] == 1) & (portfolios["trial"] == 1))
        | ((portfolios["fold"] == 2) & (portfolios["trial"] == 2))
    ]
    series = chosen.groupby(["fold", "date"])["net_return"].mean().to_numpy()
    row = table.loc["sharpe_only"]
    assert (row["folds"], row["bars"]) == (2, 2 * BARS)
    assert row["sharpe"] == pytest.approx(series.mean() / series.std() * 252**0.5)
    assert row["mean_return"] == pytest.approx(series.mean() * 252)
    of_folds = [part.mean() / part.std() * 252**0.5 for part in np.split(series, 2)]
    assert row["fold_worst"] == pytest.approx(min(of_folds))
    assert row["fold_median"] == pytest.approx(np.mean(of_folds))
    assert row["difference"] == pytest.approx(row["sharpe"] - table.loc["defaults", "sharpe"])
    assert row["sharpe_lower"] < row["sharpe"] < row["sharpe_upper"]
    write_table(table.set_index(pd.RangeIndex(len(table))), tmp_path / "t.parquet", "approach_comparison")


def test_the_fold_that_is_judged_does_not_enter_its_choice() -> None:
    portfolios, scores = _tables({0: [0.0, 0.0, 0.0], 1: [0.001, 0.0, 0.0]})
    other = scores.copy()
    other.loc[(other["fold"] == 2) & (other["trial"] == 0), "value"] = 99.0
    trials = _trials(0, 0)
    assert _compare(trials, portfolios, scores)["choices"].tolist() == (
        _compare(trials, portfolios, other)["choices"].tolist()
    )


def test_arms_that_choose_alike_differ_by_exactly_nothing() -> None:
    table = _compare(_trials(0), *_tables({0: [0.001, 0.0, 0.002]}, seeds=3))
    assert (table["difference"] == 0).all()
    assert (table["difference_lower"] == 0).all()
    assert (table["p_value"] == 1).all()
    assert (table["p_holm"] == 1).all()


def test_a_trial_that_is_truly_better_is_told_from_the_defaults_and_noise_is_not() -> None:
    better = _compare(_trials(0, 0), *_tables({0: [0.0] * 5, 1: [0.004] * 5}))
    assert better.loc["sharpe_only", "p_holm"] < 0.05
    assert better.loc["sharpe_only", "difference_lower"] > 0
    found = [
        _compare(_trials(0, 0, 0), *_tables(dict.fromkeys(range(3), [0.0] * 5), draw=draw), resamples=200)
        for draw in range(40)
    ]
    claims = sum((table.loc[table.index != "defaults", "p_holm"] < 0.05).any() for table in found)
    assert claims <= 5  # 5 % of 40 are 2; more than 5 have a probability of 1.4 %


def test_later_rounds_of_an_adaptive_sampler_count_as_an_upper_bound_only() -> None:
    tables = _tables({0: [0.0] * 3, 1: [0.0] * 3, 2: [0.01] * 3})
    table = _compare(_trials(0, 0, 1), *tables)
    assert "ppo 2" not in table.loc["sharpe_only", "choices"]
    assert table.loc["hpo", "choices"] == "fold 1: ppo 2; fold 2: ppo 2"
    assert table["seen"].to_dict() == {name: name == "hpo" for name in table.index}
    random = _compare(_trials(0, 0, 1, origin="random"), *tables)
    assert "hpo" not in random.index
    assert random.loc["sharpe_only", "choices"] == "fold 1: ppo 2; fold 2: ppo 2"


def test_a_broken_trial_is_no_candidate_and_broken_defaults_compare_nothing(tmp_path) -> None:
    portfolios, scores = _tables({0: [0.0] * 3, 1: [0.01] * 3})
    for trial, expected in ((1, "fold 1: ppo 0; fold 2: ppo 0"), (0, None)):
        broken = scores.copy()
        broken.loc[broken["trial"] == trial, "value"] = np.nan
        table = _compare(_trials(0, 0), portfolios[portfolios["trial"] != trial], broken)
        assert (table.loc["sharpe_only", "choices"] if expected else len(table)) == (expected or 0)
    write_table(table.set_index(pd.RangeIndex(len(table))), tmp_path / "t.parquet", "approach_comparison")
    assert read_table(tmp_path / "t.parquet", "approach_comparison").empty


def test_one_fold_compares_nothing() -> None:
    assert _compare(_trials(0), *_tables({0: [0.0]})).empty


def test_a_choice_that_stayed_flat_has_a_sharpe_ratio_of_nothing() -> None:
    portfolios, scores = _tables({0: [0.0] * 3})
    table = _compare(_trials(0), portfolios.assign(net_return=0.0), scores)
    assert table.loc["defaults", ["sharpe", "sharpe_lower", "sharpe_upper"]].tolist() == [0.0, 0.0, 0.0]
