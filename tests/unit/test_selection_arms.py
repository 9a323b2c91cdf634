"""Selection arms by hand."""

import math

import pandas as pd
import pytest

from outsample.config.models import MultiMetric
from outsample.errors import TrainingError
from outsample.selection.arms import ARMS, check_failures, select

METRICS = ("sharpe", "total_return", "win_rate", "max_drawdown")


def _scores(lanes: dict[tuple[int, int, int], tuple[float, float, float, float]], agent: str = "ppo") -> pd.DataFrame:
    rows = [
        (agent, *lane, name, value)
        for lane, values in lanes.items()
        for name, value in zip(METRICS, values, strict=True)
    ]
    return pd.DataFrame(rows, columns=["agent", "trial", "fold", "seed", "metric", "value"])


def _trials(*numbers: int, agent: str = "ppo") -> list[dict]:
    return [
        {"agent": agent, "trial": n, "origin": "tpe" if n else "defaults", "params": {"discount": 0.1 * n}}
        for n in numbers
    ]


SCORES = _scores(
    {
        (0, 0, 0): (1.0, 0.10, 0.5, 0.2),
        (0, 0, 1): (3.0, 0.30, 0.5, 0.2),
        (0, 1, 0): (-1.0, -0.1, 0.4, 0.3),
        (1, 0, 0): (0.9, 3.0, 1.0, 0.1),
        (1, 1, 0): (math.nan, 0.0, math.nan, 0.0),
    }
)


def test_sharpe_only_is_the_mean_over_folds_of_the_mean_over_seeds() -> None:
    chosen = select("sharpe_only", SCORES, _trials(0, 1), MultiMetric())
    # trial 0: fold 0 (1 + 3) / 2 = 2, fold 1 -1: mean 0.5; trial 1: (0.9 + 0) / 2 = 0.45, the undefined fold as 0
    assert chosen == {
        "arm": "sharpe_only",
        "agent": "ppo",
        "trial": 0,
        "params": {"discount": 0.0},
        "score": 0.5,
        "members": [{"agent": "ppo", "trial": 0, "origin": "defaults", "params": {"discount": 0.0}}],
        "ranking": [{"agent": "ppo", "trial": 0, "score": 0.5}, {"agent": "ppo", "trial": 1, "score": 0.45}],
    }


def test_multi_metric_weighs_four_metrics() -> None:
    chosen = select("multi_metric", SCORES, _trials(0, 1), MultiMetric())
    lanes = [0.4 * 1 + 0.03 + 0.1 - 0.02, 0.4 * 3 + 0.09 + 0.1 - 0.02, -0.4 - 0.03 + 0.08 - 0.03]
    assert chosen["trial"] == 1
    assert [r["score"] for r in chosen["ranking"]] == pytest.approx(
        [(0.36 + 0.9 + 0.2 - 0.01) / 2, ((lanes[0] + lanes[1]) / 2 + lanes[2]) / 2]
    )
    only_win_rate = MultiMetric(sharpe=0, profit=0, win_rate=1, max_drawdown=0)
    assert select("multi_metric", SCORES, _trials(0, 1), only_win_rate)["score"] == pytest.approx(0.5)


def test_a_trial_that_never_traded_ranks_last_and_has_no_score() -> None:
    scores = _scores({(0, 0, 0): (math.nan, 0.0, math.nan, 0.0), (1, 0, 0): (-2.0, -0.5, 0.1, 0.6)})
    chosen = select("multi_metric", scores, _trials(0, 1), MultiMetric())
    assert [(r["trial"], r["score"] is None) for r in chosen["ranking"]] == [(1, False), (0, True)]
    alone = select("sharpe_only", scores, _trials(0), MultiMetric())
    assert (alone["trial"], alone["score"]) == (0, None)


def test_ties_go_to_the_lowest_trial_of_the_first_agent() -> None:
    tied = {(n, 0, 0): (1.0, 0.0, 0.0, 0.0) for n in (3, 1, 2)}
    scores = pd.concat([_scores(tied, "ppo"), _scores(tied, "a2c")])
    trials = _trials(3, 1, 2) + _trials(2, 3, 1, agent="a2c")
    chosen = select("sharpe_only", scores, trials, MultiMetric())
    assert (chosen["agent"], chosen["trial"]) == ("a2c", 1)
    assert [r["trial"] for r in chosen["ranking"]] == [1, 2, 3, 1, 2, 3]


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="luck is no selection arm"):
        select("luck", SCORES, _trials(0), MultiMetric())
    with pytest.raises(TrainingError, match="no trial to select from"):
        select("sharpe_only", SCORES, [], MultiMetric())
    with pytest.raises(TrainingError, match="Trial 5 of ppo has no scores"):
        select("sharpe_only", SCORES, _trials(0, 5), MultiMetric())


def test_defaults_take_the_configured_settings_of_the_first_agent_whatever_they_score() -> None:
    better = _scores({(0, 0, 0): (5.0, 0.5, 0.5, 0.1), (1, 0, 0): (0.0, 0.0, 0.0, 0.0)}, "dqn")
    both = pd.concat([SCORES, better])
    trials = [*_trials(0, 1), *_trials(0, 1, agent="dqn")]
    chosen = select("defaults", both, trials, MultiMetric())
    assert (chosen["agent"], chosen["trial"], chosen["score"]) == ("ppo", 0, 0.5)
    assert chosen["ranking"][0] == {"agent": "dqn", "trial": 0, "score": 5.0}
    assert select("sharpe_only", both, trials, MultiMetric())["agent"] == "dqn"
    assert select("defaults", both, trials[::-1], MultiMetric())["agent"] == "dqn"


def test_the_filter_keeps_folds_that_neither_lose_nor_have_a_sharpe_ratio_below_zero() -> None:
    only_sharpe = MultiMetric(sharpe=1, profit=0, win_rate=0, max_drawdown=0)
    chosen = select("multi_metric_filtered", SCORES, _trials(0, 1), only_sharpe)
    # trial 0 keeps fold 0, (1 + 3) / 2; trial 1 keeps both: (0.9 + 0) / 2
    assert chosen["ranking"] == [
        {"agent": "ppo", "trial": 0, "score": 2.0},
        {"agent": "ppo", "trial": 1, "score": 0.45},
    ]
    losing = _scores({(0, 0, 0): (-1.0, 0.1, 0.0, 0.0), (0, 1, 0): (1.0, -0.1, 0.0, 0.0)})
    assert select("multi_metric_filtered", losing, _trials(0), only_sharpe)["score"] is None


def test_too_many_broken_trials_stop_the_search_in_one_sentence() -> None:
    broken = SCORES.copy()
    broken.loc[broken["trial"] == 1, "value"] = math.nan
    check_failures(broken, 0.5)
    words = r"^1 of 2 trials broke down, first trial 1 of ppo; search.max_failed allows 40%: lower"
    with pytest.raises(TrainingError, match=words):
        check_failures(broken, 0.4)


def test_an_ensemble_takes_the_best_trials_that_have_not_broken_down() -> None:
    lanes = {(n, 0, 0): (float(n), 0.0, 0.0, 0.0) for n in range(4)}
    lanes[4, 0, 0] = (math.nan,) * 4
    chosen = select("ensemble", _scores(lanes), _trials(*range(5)), MultiMetric(), 3)
    assert [member["trial"] for member in chosen["members"]] == [3, 2, 1]
    assert (chosen["trial"], chosen["score"], chosen["params"]) == (3, 3.0, chosen["members"][0]["params"])
    assert [r["trial"] for r in chosen["ranking"]] == [3, 2, 1, 0, 4]
    fewer = select("ensemble", _scores(lanes), _trials(*range(5)), MultiMetric(), 9)
    assert [member["trial"] for member in fewer["members"]] == [3, 2, 1, 0]


def test_the_ingredients_of_the_enhanced_arm_are_switched_one_by_one() -> None:
    # trials 0-2 of the search, 3-5 with pre-trained weights; the first of each has the best Sharpe ratio
    lanes = {(n, 0, 0): (3.0 - n % 3, float(10 * (n % 3)), 0.0, 0.0) for n in range(6)}
    trials = [trial | ({"origin": "transfer"} if trial["trial"] > 2 else {}) for trial in _trials(*range(6))]
    expected = {
        "defaults": [0],
        "sharpe_only": [0],
        "multi_metric": [2],
        "multi_metric_filtered": [2],
        "transfer": [3],
        "ensemble": [0, 1],
        "enhanced": [5, 4],
        "enhanced_without_multi_metric": [3, 4],
        "enhanced_without_transfer": [2, 1],
        "enhanced_without_ensemble": [5],
    }
    found = {arm: select(arm, _scores(lanes), trials, MultiMetric(), 2)["members"] for arm in ARMS}
    assert {arm: [member["trial"] for member in members] for arm, members in found.items()} == expected
    assert {member["origin"] for member in found["enhanced"]} == {"transfer"}


def test_an_arm_with_transfer_needs_trials_with_pre_trained_weights() -> None:
    with pytest.raises(TrainingError, match=r"^No trial has pre-trained weights, so transfer has none"):
        select("transfer", SCORES, _trials(0, 1), MultiMetric())
