"""Lanes of every agent: the same bits in any company, nothing read outside the span, a breakdown that is named."""

import dataclasses
import importlib.util
import re
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest

from outsample.agents import export
from outsample.agents.inputs import fold_rows
from outsample.agents.lanes import fit_final, train_lanes
from outsample.agents.onnx import OnnxPolicy
from outsample.agents.studio import Lane, Studio
from outsample.agents.training import hyper_of, train
from outsample.config.agents import Agents
from outsample.config.models import Gate
from outsample.errors import TrainingError
from outsample.folds.scalers import fit_scalers
from outsample.market.accounting import MarketRules

_SPEC = importlib.util.spec_from_file_location("agents_case", Path(__file__).parents[1] / "reference/agents_case.py")
case = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(case)

RULES = MarketRules("next_open", cost_rate=6e-4, borrow_per_bar=4e-5, short_selling=True, grid=0.01, band=0.0)
PANEL = case.panel({"A": case.planted(300, 1), "B": case.planted(280, 2)}, extra=2)
FOLDS = case.folds(PANEL, {0: (200, 240), 1: (240, 280), -1: (280, 280)})
SCALERS = case.scalers(PANEL, FOLDS)
PARAMS = {
    name: {**getattr(Agents(), name).model_dump(), "alternatives": [], "updates": 4, "segment": 30}
    for name in ("a2c", "dqn", "ppo")
}


# One agent for `make test-quick`: what is tested here is common to all.
@pytest.fixture(
    scope="module",
    params=[name if name == "ppo" else pytest.param(name, marks=pytest.mark.slow) for name in sorted(PARAMS)],
)
def agent(request):
    return request.param


def _lane(agent, trial, fold, seed, **changes):
    return Lane(trial, fold, seed, {**PARAMS[agent], **changes})


def _train_all(agent, lanes, panel=PANEL, scalers=SCALERS, rules=RULES):
    return train_lanes(agent, lanes, panel, FOLDS, scalers, rules, Gate())


def _of(frame, lane):
    rows = (frame["trial"] == lane.trial) & (frame["fold"] == lane.fold) & (frame["seed"] == lane.seed)
    return frame[rows].reset_index(drop=True)


# Changes of the program: for each agent its own.
OTHER_PROGRAM = {
    "a2c": {"torso": "tanh", "units": 3, "dropout": 0.2},
    "dqn": {
        **{"pairs": "sampled", "prioritised": True, "dueling": True, "n_step": 3},
        **{"torso": "tanh", "units": 3, "dropout": 0.2},
    },
    "ppo": {"torso": "relu", "units": 3, "layers": 2, "dropout": 0.2},
}


@pytest.fixture(scope="module")
def mixed(agent):
    return [
        _lane(agent, 0, 0, 0),
        _lane(agent, 0, 1, 0),
        _lane(agent, 0, 0, 1),
        _lane(agent, 1, 0, 0, learning_rate=0.02, discount=0.5),
        _lane(agent, 2, 1, 1, **OTHER_PROGRAM[agent]),
        _lane(agent, 3, 0, 0, weight_decay=0.3),
        _lane(agent, 3, 1, 1, weight_decay=0.3),
    ]


@pytest.fixture(scope="module")
def together(agent, mixed):
    return _train_all(agent, mixed)


def test_tables_fit_their_schemas(agent, mixed, together, tmp_path):
    from outsample.io import read_table, write_table

    for name in ("targets", "lanes", "curves"):
        frame = getattr(together, name)
        write_table(frame, tmp_path / name, name)
        pd.testing.assert_frame_equal(read_table(tmp_path / name, name), frame)
    lane = _of(together.targets, mixed[1])
    assert lane.groupby("symbol")["row"].agg(["min", "max", "size"]).to_numpy().tolist() == [[240, 279, 40]] * 2
    assert set(together.targets["target"]) <= {-1.0, 0.0, 1.0}
    assert len(together.curves) == 7 * 4 * 4
    assert (together.curves["entropy"] <= np.log(3) + 1e-6).all()
    assert set(together.curves["agent"]) == set(together.lanes["agent"]) == {agent}


def test_memory_is_given_back_after_each_training(monkeypatch):
    given = []
    monkeypatch.setattr("outsample.agents.attempts.return_memory", lambda: given.append(True))
    _train_all("ppo", [_lane("ppo", 0, 0, seed) for seed in range(2)])
    assert len(given) == 2


@pytest.mark.parametrize("index", [0, 4, 6])
def test_a_lane_alone_gives_the_same_bits(agent, mixed, together, index):
    alone = _train_all(agent, [mixed[index]])
    for name in ("targets", "lanes", "curves"):
        pd.testing.assert_frame_equal(
            getattr(alone, name), _of(getattr(together, name), mixed[index]), check_exact=True
        )


def test_order_does_not_matter(agent, mixed, together):
    shuffled = _train_all(agent, mixed[::-1])
    for name in ("targets", "lanes", "curves"):
        pd.testing.assert_frame_equal(getattr(shuffled, name), getattr(together, name), check_exact=True)


def test_seeds_and_settings_matter_and_trials_share_their_luck(agent, mixed, together):
    first = _of(together.curves, mixed[0])
    assert not np.array_equal(first["loss"], _of(together.curves, mixed[2])["loss"])
    other = _of(together.curves, mixed[3])
    assert not np.array_equal(first["loss"], other["loss"])
    start, other_start = (curve.loc[curve["update"] == 0, "reward"].to_numpy() for curve in (first, other))
    assert np.array_equal(start, other_start)  # the first rollout comes before any step
    same = _train_all(agent, [_lane(agent, 9, 0, 0)])
    assert np.array_equal(same.curves["loss"], first["loss"])


def _poisoned(panel, keep):
    wrong = ~keep
    features = panel.features.copy()
    features[wrong] = np.nan
    prices = {name: np.where(wrong, np.nan, getattr(panel, name)) for name in ("open", "close")}
    return dataclasses.replace(panel, features=features, **prices)


def _trainer(agent, changes):
    """Bars -> all inner models of fold 0, unchecked; segments of 50 are longer than the last block of inner fold 2."""
    studio = Studio.open(agent, PANEL, FOLDS, SCALERS, RULES)
    settings = {**getattr(Agents(), agent).model_dump(), "updates": 4, "segment": 50, **changes}
    hyper = hyper_of(studio.module, settings)
    jobs = studio.jobs(Lane(0, 0, 0, settings), 50)
    program = studio.program(settings)

    @jax.jit
    def run(market, jobs):
        return jax.lax.map(partial(train, studio.module, program, market, studio.numbers, hyper), jobs)

    return lambda panel: run(Studio.open(agent, panel, FOLDS, SCALERS, RULES).market, jobs)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("agent", "changes"),
    [("a2c", OTHER_PROGRAM["a2c"]), ("direct", {}), ("dqn", {}), ("dqn", OTHER_PROGRAM["dqn"]), ("ppo", {})],
)
def test_nothing_outside_the_train_blocks_is_read(agent, changes):
    trained = _trainer(agent, changes)
    whole = trained(PANEL)
    for inner in (0, 2):
        keep = np.zeros(len(PANEL.dates), dtype=bool)
        for start, end in fold_rows(FOLDS, PANEL)[0].train[inner]:
            keep[start:end] = True
        clean, poisoned = (jax.tree.map(lambda x, i=inner: x[i], of) for of in (whole, trained(_poisoned(PANEL, keep))))
        for a, b in zip(jax.tree.leaves(clean), jax.tree.leaves(poisoned), strict=True):
            assert np.isfinite(a).all()
            assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


def test_targets_do_not_change_when_rows_after_the_test_do(agent, mixed, together):
    keep = np.ones(len(PANEL.dates), dtype=bool)
    for symbol in range(2):
        rows = PANEL.rows(symbol)
        keep[rows.start + 240 : rows.stop] = False  # fold 0 ends its test at row 240
    alone = _train_all(agent, [mixed[0]], panel=_poisoned(PANEL, keep))
    for name in ("targets", "lanes", "curves"):
        pd.testing.assert_frame_equal(getattr(alone, name), _of(getattr(together, name), mixed[0]), check_exact=True)


def test_a_breakdown_names_lane_inner_fold_and_update(agent):
    result = _train_all(agent, [_lane(agent, 4, 1, 2, reward_scale=1e30)])
    assert re.fullmatch(r"inner fold 0, update \d", result.lanes["failure"][0])
    with pytest.raises(TrainingError, match=r"Trial 0, fold -1, seed 0 broke down.*after update \d+ of inner fold 0"):
        fit_final(agent, {**PARAMS[agent], "reward_scale": 1e30}, 1, PANEL, FOLDS, SCALERS, RULES, Gate())


def test_without_short_selling_no_target_is_negative(agent, mixed):
    rules = dataclasses.replace(RULES, short_selling=False)
    result = _train_all(agent, [mixed[0]], rules=rules)
    assert set(result.targets["target"]) <= {0.0, 1.0}
    assert (result.curves["entropy"] <= np.log(2) + 1e-6).all()


@pytest.mark.parametrize("agent", ["a2c", "ppo"])
def test_costs_reach_the_rollout(agent):
    lanes = [_lane(agent, 0, 0, 0)]
    free = _train_all(agent, lanes, rules=dataclasses.replace(RULES, cost_rate=0.0)).curves["reward"]
    dear = _train_all(agent, lanes, rules=dataclasses.replace(RULES, cost_rate=0.05)).curves["reward"]
    assert free[0] - dear[0] > 0.02  # a uniform policy changes its target by 8/9 on average


def test_a_dear_market_is_left_alone(agent):
    # Rising costs: what is learnt trades less. 1 % of the notional is more than any move of the planted market.
    def trades(cost_rate):
        rules = dataclasses.replace(RULES, cost_rate=cost_rate, borrow_per_bar=0.0)
        targets = _train_all(agent, [_lane(agent, 0, 0, 0, updates=80)], rules=rules).targets["target"]
        return (targets.diff().fillna(0) != 0).mean()

    assert trades(0.01) < 0.5 * trades(0.0)


def test_a_final_policy_of_one_seed_is_the_mean_of_its_inner_models(agent):
    policy = fit_final(agent, PARAMS[agent], 2, PANEL, FOLDS, SCALERS, RULES, Gate())
    assert policy.models == 8
    assert policy.actor["out"]["kernel"].shape == (8, 12, 3)
    assert np.array_equal(policy.center[:4], policy.center[4:])
    single = fit_final(agent, PARAMS[agent], 1, PANEL, FOLDS, SCALERS, RULES, Gate())
    assert np.array_equal(single.actor["out"]["kernel"], policy.actor["out"]["kernel"][:4])
    assert single.gate_bound != policy.gate_bound
    assert set(policy.curves["seed"]) == {0, 1}


def test_every_agent_is_exported_as_the_same_graph(agent):
    policy = fit_final(agent, {**PARAMS[agent], **OTHER_PROGRAM[agent]}, 1, PANEL, FOLDS, SCALERS, RULES, Gate())
    policy = dataclasses.replace(policy, gate_open=True)
    model = export.to_onnx(policy)
    decider = OnnxPolicy(model, export.policy_document(policy, model))
    for held in policy.actions:
        position = np.full(len(PANEL.dates), held)
        target, preference = decider.run(PANEL.features, position)
        expected, wanted = export.jax_targets(policy, PANEL.features, position)
        assert np.array_equal(target, expected)
        np.testing.assert_allclose(preference, wanted, atol=5e-6)


def test_a_policy_on_ranks_is_trained_and_exported_with_the_steps_of_each_inner_fold():
    development = pd.DataFrame(PANEL.features, columns=list(PANEL.feature_names))
    development["symbol"] = np.repeat(PANEL.symbols, np.diff(PANEL.offsets))
    days = {"first_date": pd.Timestamp("2000-01-03"), "last_date": pd.Timestamp("2000-12-29")}
    ranked = fit_scalers(development, FOLDS.assign(**days), PANEL.feature_names, "quantile_rank")
    policy = fit_final("ppo", PARAMS["ppo"], 2, PANEL, FOLDS, ranked, RULES, Gate())
    assert policy.center.shape == policy.scale.shape == (8, 12, 32)
    assert np.array_equal(policy.center[:4], policy.center[4:])  # of both seeds
    assert not np.array_equal(policy.center[0], policy.center[1])  # of two inner folds
    policy = dataclasses.replace(policy, gate_open=True)
    model = export.to_onnx(policy)
    decider = OnnxPolicy(model, export.policy_document(policy, model))
    position = np.zeros(len(PANEL.dates))
    for features in (PANEL.features, 1e6 * np.sign(PANEL.features)):  # far beyond the train values as well
        target, preference = decider.run(features, position)
        expected, wanted = export.jax_targets(policy, features, position)
        assert np.array_equal(target, expected)
        np.testing.assert_allclose(preference, wanted, atol=1e-6)
