"""A lane that breaks down: the others keep their bits, its trial has no score, is never chosen and is still counted."""

import importlib.util
import math
import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from outsample.agents.lanes import Watch, fit_final, train_lanes
from outsample.agents.loop import Callback
from outsample.agents.progress import ShardProgress
from outsample.agents.studio import Lane
from outsample.config.agents import Ppo
from outsample.config.models import Gate, MultiMetric
from outsample.errors import BrokenLaneError, TrainingError
from outsample.io import read_table, write_json, write_table
from outsample.market.accounting import MarketRules
from outsample.selection.arms import broken_trials, select, trial_scores
from outsample.selection.matrix import account

_SPEC = importlib.util.spec_from_file_location("agents_case", Path(__file__).parents[1] / "reference/agents_case.py")
case = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(case)

RULES = MarketRules("next_open", cost_rate=6e-4, borrow_per_bar=4e-5, short_selling=True, grid=0.01, band=0.0)
PANEL = case.panel({"A": case.planted(300, 1), "B": case.planted(280, 2)})
FOLDS = case.folds(PANEL, {0: (200, 240), -1: (280, 280)})
SCALERS = case.scalers(PANEL, FOLDS)
WHOLE = {**Ppo(alternatives=[]).model_dump(), "updates": 8, "segment": 30}
BROKEN = WHOLE | {"learning_rate": 0.05, "weight_decay": 100.0}  # each step multiplies the weights by -4
PLACE = "inner fold 0, update 2"
# Trial 1 breaks down with one of its seeds.
LANES = [Lane(0, 0, 0, WHOLE), Lane(0, 0, 1, WHOLE), Lane(1, 0, 0, BROKEN), Lane(1, 0, 1, WHOLE), Lane(2, 0, 0, WHOLE)]
TABLES = ("targets", "lanes", "curves")


class KilledError(Exception):
    """Stands for the end of the process."""


class Seen(Callback):
    """Which updates of which lanes were done; ends the process before it keeps one of them."""

    def __init__(self, last=None):
        self.last, self.seen = last, []

    def on_update(self, lane, update, reward, entropy, loss):
        self.seen.append((lane, update))
        if self.seen[-1] == self.last:
            raise KilledError


def _train(lanes, watch=None):
    return train_lanes("ppo", lanes, PANEL, FOLDS, SCALERS, RULES, Gate(), watch or Watch())


@pytest.fixture(scope="module")
def shard():
    return _train(LANES)


@pytest.fixture(scope="module")
def accounted(shard):
    return account(shard.targets, PANEL, RULES, "ppo", 252.0, lanes=shard.lanes)


def _trials(*numbers):
    return [{"agent": "ppo", "trial": n, "origin": "tpe", "params": WHOLE} for n in numbers]


def test_the_other_lanes_keep_their_bits(shard):
    whole = _train([lane for lane in LANES if lane.params is WHOLE])
    for name in TABLES:
        found = getattr(shard, name)
        kept = found[(found["trial"] != 1) | (found["seed"] != 0)].reset_index(drop=True)
        pd.testing.assert_frame_equal(kept, getattr(whole, name), check_exact=True)


def test_a_breakdown_is_recorded_and_its_gate_is_closed(shard, tmp_path):
    row = shard.lanes[shard.lanes["failure"] != ""].to_dict("records")
    assert [(r["trial"], r["fold"], r["seed"], r["gate_open"]) for r in row] == [(1, 0, 0, False)]
    assert row[0]["failure"] == PLACE
    assert math.isnan(row[0]["gate_bound"])
    for name in TABLES:
        frame = getattr(shard, name)
        write_table(frame, tmp_path / name, name)
        pd.testing.assert_frame_equal(read_table(tmp_path / name, name), frame)
    for frame in (shard.targets, shard.curves):
        assert set(zip(frame["trial"], frame["seed"], strict=True)) == {(0, 0), (0, 1), (1, 1), (2, 0)}


def test_a_trial_with_a_broken_lane_has_no_score_and_no_returns(shard, accounted):
    of_others = shard.targets[shard.targets["trial"] != 1]
    alone = account(of_others, PANEL, RULES, "ppo", 252.0)
    scores = accounted.scores
    for found, expected in zip(
        (accounted.matrix, accounted.portfolios, scores[scores["trial"] != 1]), alone, strict=True
    ):
        pd.testing.assert_frame_equal(found, expected, check_exact=True)
    of_broken = scores[scores["trial"] == 1]
    assert of_broken["value"].isna().all()
    assert set(of_broken["seed"]) == {0, 1}
    assert broken_trials(scores) == {("ppo", 1)}


@pytest.mark.parametrize("arm", ["sharpe_only", "multi_metric"])
def test_a_broken_trial_ranks_behind_one_that_never_traded(accounted, arm):
    scores = accounted.scores.copy()
    idle = scores["trial"] == 2
    scores.loc[idle, "value"] = np.where(scores.loc[idle, "metric"] == "total_return", 0.0, np.nan)
    ranking = select(arm, scores, _trials(1, 2, 0), MultiMetric())["ranking"]
    assert [(r["trial"], r["score"] is None) for r in ranking] == [(0, False), (2, True), (1, True)]
    assert select(arm, scores[~scores["trial"].isin([0])], _trials(1, 2), MultiMetric())["trial"] == 2


def test_the_sampler_is_told_that_the_trial_failed(accounted, tmp_path):
    told_of = runpy.run_path(str(Path(__file__).parents[2] / "workflow_scripts/suggest_trials.py"))["told"]
    write_table(accounted.scores, tmp_path / "scores", "scores")
    trials = [trial | {"origin": "tpe"} for trial in _trials(0, 1, 2)]
    write_json({"agent": "ppo", "round": 0, "trials": trials}, tmp_path / "suggestions", "suggestions")
    settings = {"search": {"objective": "sharpe_only"}}
    told = told_of("ppo", [tmp_path / "suggestions"], [tmp_path / "scores"], [], settings)
    known = trial_scores("sharpe_only", accounted.scores, MultiMetric())
    assert [one.score for one in told] == [known["ppo", 0], None, known["ppo", 2]]


def test_a_search_of_broken_trials_ends_in_one_sentence(tmp_path):
    lost = _train([Lane(0, 0, 0, BROKEN), Lane(1, 0, 0, BROKEN)])
    accounted = account(lost.targets, PANEL, RULES, "ppo", 252.0, lanes=lost.lanes)
    for name in ("targets", "curves"):
        assert getattr(lost, name).empty
        write_table(getattr(lost, name), tmp_path / name, name)
    for name in ("matrix", "portfolios", "scores"):
        write_table(getattr(accounted, name), tmp_path / name, name)
    assert read_table(tmp_path / "matrix", "matrix").empty
    with pytest.raises(TrainingError, match=r"Every trial broke down \(2 of 2 .*lower learning_rate or reward_scale"):
        select("sharpe_only", read_table(tmp_path / "scores", "scores"), _trials(0, 1), MultiMetric())


@pytest.mark.parametrize("last", [("Trial 1, fold 0, seed 1", 2), ("Trial 2, fold 0, seed 0", 4)])
def test_a_resumed_shard_does_not_try_the_broken_lane_again(shard, tmp_path, last):
    with pytest.raises(KilledError):
        _train(LANES, Watch(ShardProgress(tmp_path, "key", seconds=0), [Seen(last)]))
    kept, after = ShardProgress(tmp_path, "key", seconds=0), Seen()
    assert kept.broken("Trial 1, fold 0, seed 0") == PLACE
    resumed = _train(LANES, Watch(kept, [after]))
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(resumed, name), getattr(shard, name), check_exact=True)
    assert after.seen[0] == last  # which was not kept; nothing before it is done again
    assert kept.broken("Trial 2, fold 0, seed 0") is None


def test_the_final_policy_does_not_go_on_without_a_seed():
    with pytest.raises(BrokenLaneError, match=r"fold -1, seed 0 broke down: .* lower learning_rate or reward_scale"):
        fit_final("ppo", BROKEN, 2, PANEL, FOLDS, SCALERS, RULES, Gate())
