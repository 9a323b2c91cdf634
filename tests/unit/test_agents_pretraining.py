"""Weights pre-trained on other symbols: what starts from them, what they may not have read, and what breaks down."""

import dataclasses
import importlib.util
from pathlib import Path

import jax
import numpy as np
import pytest

from outsample.agents.attempts import Starts, Watch, attempt, unstopped
from outsample.agents.ensemble import fit_selection
from outsample.agents.lanes import train_lanes
from outsample.agents.loop import Callback
from outsample.agents.pretraining import Pretraining, pretrain
from outsample.agents.progress import ShardProgress
from outsample.agents.studio import Lane, Studio, check_lanes
from outsample.config.agents import Agents
from outsample.config.models import Gate
from outsample.errors import TrainingError
from outsample.market.accounting import MarketRules

_SPEC = importlib.util.spec_from_file_location("agents_case", Path(__file__).parents[1] / "reference/agents_case.py")
case = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(case)

RULES = MarketRules("next_open", cost_rate=6e-4, borrow_per_bar=4e-5, short_selling=True, grid=0.01, band=0.0)
SPANS = {0: (180, 200), 1: (200, 220), -1: (220, 220)}
PANEL, OTHERS = case.panel({"A": case.planted(220, 1)}), case.panel({"X": case.planted(220, 7)})
FOLDS, OTHER_FOLDS = (case.folds(panel, SPANS, inner_folds=2) for panel in (PANEL, OTHERS))
OTHER_FOLDS = OTHER_FOLDS[OTHER_FOLDS["part"] != "test"].reset_index(drop=True)
SCALERS = case.scalers(PANEL, FOLDS)
SMALL = {"alternatives": [], "updates": 2, "segment": 30}
PARAMS = {name: {**getattr(Agents(), name).model_dump(), **SMALL} for name in ("direct", "dqn", "ppo")}
PARAMS["dqn"] |= {"batch": 60, "steps": 2}
STILL = {"learning_rate": 1e-30, "weight_decay": 0.0}


def _pretraining(agent="direct", panel=OTHERS, **changes):
    return Pretraining(panel, OTHER_FOLDS, PARAMS[agent] | changes)


def _train(lanes, pretraining, agent="direct", watch=None):
    return train_lanes(agent, lanes, PANEL, FOLDS, SCALERS, RULES, Gate(), watch or Watch(), pretraining)


def _same(one, other):
    return all(jax.tree.leaves(jax.tree.map(np.array_equal, one, other)))


@pytest.mark.parametrize(
    "agent", [name if name == "direct" else pytest.param(name, marks=pytest.mark.slow) for name in sorted(PARAMS)]
)
def test_a_lane_starts_from_all_that_was_learnt_on_the_other_symbols(agent):
    studio = Studio.open(agent, PANEL, FOLDS, SCALERS, RULES)
    starts = pretrain(studio, _pretraining(agent), [(0, 3)], Watch())
    checked = check_lanes(studio, [Lane(0, 0, 3, PARAMS[agent] | STILL)])
    program = studio.program(checked[0][1][0])
    fits, _ = attempt(studio, checked, Watch(), starts=starts, hand_on=True)
    learnt, found = starts.of(Lane(0, 0, 3, {}), program), fits["Trial 0, fold 0, seed 3"].trained.weights
    assert _same(found, learnt)  # with steps of nothing
    drawn, _ = attempt(studio, checked, Watch(), hand_on=True)
    assert not _same(found, drawn["Trial 0, fold 0, seed 3"].trained.weights)


def test_a_lane_from_pre_trained_weights_is_the_same_in_any_company_and_learns_on():
    lanes = [
        Lane(trial, fold, seed, PARAMS["direct"] | ({} if trial else STILL))
        for trial in (0, 1)
        for fold in (0, 1)
        for seed in (0, 1)
    ]
    together = _train(lanes, _pretraining())
    alone = _train([lanes[-1]], _pretraining())
    rows = (together.curves[["trial", "fold", "seed"]] == [1, 1, 1]).all(axis=1)
    assert together.curves[rows].reset_index(drop=True).equals(alone.curves)
    drawn = _train([lanes[-1]], None)
    assert not alone.curves["loss"].equals(drawn.curves["loss"])


def test_nothing_after_the_train_span_of_a_fold_is_read():
    lanes = [Lane(0, 0, 0, PARAMS["direct"])]
    end = OTHER_FOLDS.loc[(OTHER_FOLDS["fold"] == 0), "end"].max()
    planted = {}
    for name in ("open", "close", "features"):
        values = getattr(OTHERS, name).copy()
        values[end:] = np.nan
        planted[name] = values
    clean, other = (
        _train(lanes, _pretraining()),
        _train(lanes, _pretraining(panel=dataclasses.replace(OTHERS, **planted))),
    )
    assert clean.curves.equals(other.curves)
    assert clean.targets.equals(other.targets)
    values = OTHERS.features.copy()
    values[end - 1] = np.nan
    with pytest.raises(TrainingError, match=r"^On the symbols of data.transfer: Feature f00 is nan at row 179 of X"):
        _train(lanes, _pretraining(panel=dataclasses.replace(OTHERS, features=values)))


def test_a_model_is_not_pre_trained_on_the_dates_on_which_its_gate_judges_it():
    """The model of inner fold 0 has not seen block 0: other prices there change the other model alone."""
    studio = Studio.open("direct", PANEL, FOLDS, SCALERS, RULES)
    block = OTHER_FOLDS.query("fold == 0 and inner == 0 and part == 'validate'").iloc[0]
    close = OTHERS.close.copy()
    close[block.start + 1 : block.end - 1] *= 1.01
    panels = (OTHERS, dataclasses.replace(OTHERS, close=close))
    one, other = (
        pretrain(studio, _pretraining(panel=panel), [(0, 0)], Watch()).known[0, 0, program]
        for panel in panels
        for program in [unstopped(studio.program(PARAMS["direct"]))]
    )
    leaves = list(zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True))
    assert all(np.array_equal(a[0], b[0]) for a, b in leaves)
    assert not all(np.array_equal(a[1], b[1]) for a, b in leaves)


def test_stopping_early_is_for_lanes_alone_and_every_network_starts_from_its_own_kind():
    found = _train([Lane(0, 0, 0, PARAMS["direct"] | {"patience": 1})], _pretraining(patience=1))
    assert found.lanes["failure"].tolist() == [""]
    studio = Studio.open("direct", PANEL, FOLDS, SCALERS, RULES)
    changes = {"patience": 1, "alternatives": [{"units": 2}, {"torso": "linear", "patience": 0}]}
    checked = check_lanes(studio, [Lane(0, 0, 0, PARAMS["direct"] | changes)])
    programs = [unstopped(studio.program(settings)) for settings in checked[0][1]]
    kinds = {("tanh", 4): "own", ("tanh", 2): "narrow", ("linear", 4): "linear"}
    starts = Starts({(0, 0, program): kinds[program["torso"], program["units"]] for program in programs})
    assert list(starts.broken(studio, checked).values()) == ["own", "narrow", "linear"]  # text is a place


def test_a_lane_whose_pre_training_broke_down_says_so():
    far = {"updates": 25, "learning_rate": 1.0, "weight_decay": 100.0}  # each step multiplies the weights by -99
    found = _train([Lane(0, 0, 0, PARAMS["direct"] | {"updates": 25})], _pretraining(**far))
    assert found.lanes["failure"].iloc[0].startswith("pre-training, inner fold ")
    assert found.targets.empty


def test_a_shard_that_was_cut_goes_on_from_its_pre_training_in_the_same_bits(tmp_path):
    lanes = [Lane(0, 0, 0, PARAMS["direct"])]
    whole = _train(lanes, _pretraining(), watch=Watch(ShardProgress(tmp_path / "work", "key", 0.0)))
    updates = _Updates()
    found = _train(lanes, _pretraining(), watch=Watch(ShardProgress(tmp_path / "work", "key", 0.0), [updates]))
    assert updates.lanes == []  # all was kept
    assert whole.curves.equals(found.curves)
    assert whole.targets.equals(found.targets)


class _Updates(Callback):
    def __init__(self):
        self.lanes = []

    def on_update(self, lane, update, reward, entropy, loss):
        self.lanes.append(lane)


def test_a_final_policy_of_origin_transfer_starts_from_pre_trained_weights():
    still = PARAMS["direct"] | STILL
    member = {"agent": "direct", "params": still, "origin": "transfer"}
    policy = fit_selection([member], 1, PANEL, FOLDS, SCALERS, RULES, Gate(), transfer={"direct": _pretraining()})
    studio = Studio.open("direct", PANEL, FOLDS, SCALERS, RULES)
    starts = pretrain(studio, _pretraining(), [(-1, 0)], Watch())
    assert _same(policy.actor, starts.of(Lane(0, -1, 0, {}), studio.program(PARAMS["direct"])))
