"""Ways to choose, compared by nested walk-forward: by hand where it can be, and on noise and an edge."""

from typing import get_args

import numpy as np
import pandas as pd
import pytest

from outsample.config.models import MultiMetric
from outsample.config.search import Sampler
from outsample.io import read_table, write_table
from outsample.market.accounting import MarketRules
from outsample.market.panel import Panel
from outsample.selection.comparison import compare_arms, holm
from outsample.selection.matrix import account
from outsample.selection.mixture import Mixtures

BARS = 60
RULES = MarketRules("next_open", cost_rate=1e-3, borrow_per_bar=1e-4, short_selling=True, grid=0.01, band=0.0)


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


def _mixed_case():
    """Two symbols, two folds of 5 bars: trials that are long, short, and long of A alone; the fourth is their mean."""
    dates = pd.date_range("2020-01-01", periods=12)
    generator = np.random.Generator(np.random.PCG64(3))
    closes = 100 * np.exp(np.cumsum(generator.normal(0, 0.02, (2, 12)), axis=1))
    bars = pd.concat(
        pd.DataFrame({"symbol": symbol, "date": dates, "open": close * 1.001, "close": close, "factor": 1.0})
        for symbol, close in zip("AB", closes, strict=True)
    )
    panel = Panel.from_frame(bars, [])
    held = [{"A": 1.0, "B": 1.0}, {"A": -1.0, "B": -1.0}, {"A": 1.0, "B": 0.0}, {"A": 0.33, "B": 0.0}]
    targets = pd.concat(
        pd.DataFrame({"trial": n, "fold": fold, "seed": 0, "symbol": symbol, "row": rows, "target": target[symbol]})
        for n, target in enumerate(held)
        for fold, rows in enumerate((np.arange(2, 7), np.arange(7, 12)))
        for symbol in "AB"
    )
    return panel, account(targets.reset_index(drop=True), panel, RULES, "ppo", 252.0)


def _rows_of(matrix):
    """The rows of a trial and fold, as a script reads them."""
    return lambda member, fold: matrix[(matrix["trial"] == member[1]) & (matrix["fold"] == fold)]


def test_a_mixture_trades_the_mean_of_the_targets_on_the_grid() -> None:
    panel, accounts = _mixed_case()
    mixtures = Mixtures(_rows_of(accounts.matrix), panel, RULES, 252.0)
    for fold in (0, 1):
        rows = accounts.portfolios[accounts.portfolios["fold"] == fold].set_index("trial")["net_return"]
        for trial in range(4):
            assert mixtures.returns(fold, (("ppo", trial),))[:, 0].tolist() == rows[trial].tolist()
        found = mixtures.returns(fold, tuple(("ppo", trial) for trial in range(3)))
        assert found[:, 0].tolist() == rows[3].tolist()  # (1 - 1 + 1) / 3 of A, and nothing of B


def test_an_ensemble_is_made_of_the_best_of_the_folds_before() -> None:
    panel, accounts = _mixed_case()
    mixtures = Mixtures(_rows_of(accounts.matrix), panel, RULES, 252.0)
    options = {"resamples": 100, "mixtures": mixtures, "size": 2}
    table = _compare(_trials(0, 0, 0, 0), accounts.portfolios, accounts.scores, **options)
    sharpe = accounts.scores[(accounts.scores["metric"] == "sharpe") & (accounts.scores["fold"] == 0)]
    best = sharpe.sort_values("value", ascending=False)["trial"].tolist()[:2]
    assert table.loc["ensemble", "choices"] == f"fold 1: ppo {best[0]} + ppo {best[1]}"
    returns = mixtures.returns(1, tuple(("ppo", trial) for trial in sorted(best)))
    assert table.loc["ensemble", "mean_return"] == pytest.approx(returns.mean() * 252)
    later = accounts.scores["fold"] == 1
    other = accounts.scores.assign(value=accounts.scores["value"].where(~later, 1 - accounts.scores["value"]))
    again = _compare(_trials(0, 0, 0, 0), accounts.portfolios, other, **options)
    assert again["choices"].tolist() == table["choices"].tolist()


def test_arms_with_transfer_choose_among_pre_trained_trials_and_the_others_do_not() -> None:
    tables = _tables({0: [0.0] * 3, 1: [0.001] * 3, 2: [0.01] * 3, 3: [0.02] * 3}, noise=1e-4)
    trials = _trials(0, 0, 2, 2)
    without = _compare(trials[:2], tables[0].query("trial < 2"), tables[1].query("trial < 2"))
    assert list(without.index) == ["defaults", "sharpe_only", "multi_metric", "multi_metric_filtered"]
    pre_trained = [trial | ({"origin": "transfer"} if trial["trial"] > 1 else {}) for trial in trials]
    table = _compare(pre_trained, *tables)
    assert table.loc["transfer", "choices"] == "fold 1: ppo 3; fold 2: ppo 3"
    assert table.loc["enhanced_without_ensemble", "choices"] == "fold 1: ppo 3; fold 2: ppo 3"
    assert table.loc["sharpe_only", "choices"] == "fold 1: ppo 1; fold 2: ppo 1"
    assert not table["seen"].any()


def test_an_earlier_study_may_have_scored_these_folds() -> None:
    portfolios, scores = _tables({0: [0.0, 0.0, 0.0], 1: [0.01, -0.02, 0.0]}, noise=1e-4)
    assert not _compare(_trials(0, 0), portfolios, scores)["seen"].any()
    seen = _compare(_trials(0, 0), portfolios, scores, warm=True)["seen"]
    assert [name for name, of_arm in seen.items() if not of_arm] == ["defaults"]


@pytest.mark.parametrize("sampler", get_args(Sampler))
def test_later_rounds_of_samplers_that_go_by_the_scores_are_no_candidates(sampler) -> None:
    portfolios, scores = _tables({0: [0.0, 0.0, 0.0], 1: [0.01, -0.02, 0.0], 2: [0.02, 0.01, 0.03]}, noise=1e-4)
    table = _compare(_trials(0, 0, 1, origin=sampler), portfolios, scores)
    assert ("hpo" in table.index) == (sampler not in ("grid", "qmc", "random"))
    assert ("ppo 2" in table.loc["sharpe_only", "choices"]) == (sampler in ("grid", "qmc", "random"))
