"""Several networks for one lane: what is taken, at what level its gate judges, and that nothing else changes it."""

import numpy as np
import pytest
from tests.reference import agents_case

from outsample.agents.choice import choose, level_of, variants
from outsample.agents.gate import gate_bound
from outsample.agents.lanes import fit_final, train_lanes
from outsample.agents.studio import Lane, Studio
from outsample.config.agents import Ppo
from outsample.config.models import Gate
from outsample.errors import TrainingError
from outsample.market.accounting import MarketRules

RULES = MarketRules("next_open", 6e-4, 0.0, short_selling=True, grid=0.01, band=0.0)
PANEL = agents_case.panel({"A": agents_case.planted(420, 3, drift=0.02)})
FOLDS = agents_case.folds(PANEL, {0: (340, 420), -1: (420, 420)}, inner_folds=2)
SCALERS = agents_case.scalers(PANEL, FOLDS)
OWN = {**Ppo(alternatives=[]).model_dump(), "updates": 12, "segment": 30}
ONE, OTHER = {"learning_rate": 0.03, "discount": 0.97}, {"learning_rate": 0.001, "discount": 0.0}


def _train(*lanes):
    return train_lanes("ppo", list(lanes), PANEL, FOLDS, SCALERS, RULES, Gate(resamples=100))


def test_the_largest_mean_is_taken_and_judged_at_a_part_of_the_level():
    returns = np.random.Generator(np.random.PCG64(0)).normal([0.0, 2e-3, 1e-3], 0.01, (400, 3))
    gate = Gate(level=0.06, resamples=400)
    found = choose(returns, gate, 3)
    assert found.taken == int(returns.mean(0).argmax()) == 1
    assert found.bound == gate_bound(returns[:, 1].copy(), Gate(level=0.02, resamples=400))
    assert found.bound < gate_bound(returns[:, 1].copy(), gate)
    assert level_of(gate, 3).level == pytest.approx(0.02)


def test_the_first_of_equals_is_taken():
    returns = np.full((50, 2), 0.01)
    assert choose(returns, Gate(), 2).taken == 0


def test_lanes_are_chosen_as_alone_however_many_there_are(monkeypatch):
    monkeypatch.setattr("outsample.agents.studio._AT_ONCE", 3)
    studio = Studio.open("ppo", PANEL, FOLDS, SCALERS, RULES)
    draw = np.random.Generator(np.random.PCG64(3))
    lanes = [
        (draw.integers(-1, 2, (len(PANEL.dates), 1 + lane % 3)).astype(np.int8), 1 + lane % 3) for lane in range(20)
    ]
    gate, rows = Gate(resamples=100), studio.folds[0]
    together = studio.choose(rows, lanes, gate)
    assert together == [studio.choose(rows, [lane], gate)[0] for lane in lanes]
    assert {choice.taken for choice in together} > {0}


@pytest.fixture(scope="module")
def shard():
    """Two lanes of either settings alone, and two of both in either order."""
    one, other = {**OWN, **ONE}, {**OWN, **OTHER}
    return _train(
        *(Lane(0, 0, 1, one), Lane(1, 0, 1, other)),
        *(Lane(2, 0, 1, {**one, "alternatives": [OTHER]}), Lane(3, 0, 1, {**other, "alternatives": [ONE]})),
    )


def _of(results, trial):
    targets = results.targets[results.targets["trial"] == trial]["target"].to_numpy()
    curves = results.curves[results.curves["trial"] == trial].drop(columns=["agent", "trial"]).to_numpy()
    return targets, curves


@pytest.mark.slow
def test_the_better_settings_decide_whatever_their_order_and_at_a_part_of_the_level(shard):
    bounds = shard.lanes.set_index("trial")["gate_bound"]
    better = int(bounds[0] < bounds[1])  # of two so different settings the bounds are in the order of the means
    for of_better, of_first, of_second in zip(_of(shard, better), _of(shard, 2), _of(shard, 3), strict=True):
        assert np.array_equal(of_first, of_better)
        assert np.array_equal(of_second, of_better)
    assert not np.array_equal(_of(shard, 0)[0], _of(shard, 1)[0])
    assert bounds[2] == bounds[3] < bounds[better]
    assert set(shard.lanes["network"]) == {"linear"}


@pytest.mark.slow
def test_the_final_policy_takes_one_network_for_all_seeds():
    small = {"torso": "tanh", "units": 3}
    final = {
        name: fit_final("ppo", params, 2, PANEL, FOLDS, SCALERS, RULES, Gate(resamples=100))
        for name, params in {
            "linear": {**OWN, **ONE},
            "tanh 3": {**OWN, **ONE, **small},
            "both": {**OWN, **ONE, "alternatives": [small]},
        }.items()
    }
    policy = final["both"]
    taken = "tanh 3" if policy.torso == "tanh" else "linear"
    assert policy.networks == ("linear", "tanh 3")
    assert taken == max(("linear", "tanh 3"), key=lambda name: final[name].gate_bound)
    assert np.array_equal(policy.actor["out"]["kernel"], final[taken].actor["out"]["kernel"])
    assert policy.gate_level == 0.025
    assert policy.gate_bound < final[taken].gate_bound
    assert policy.models == 4


def test_an_alternative_that_cannot_be_trained_is_refused_before_compiling():
    with pytest.raises(TrainingError, match=r"Trial 0, fold 0, seed 0, alternative 1 has units = 0"):
        _train(Lane(0, 0, 0, {**OWN, "alternatives": [{"units": 0}]}))
    with pytest.raises(TrainingError, match="segment of 900"):
        _train(Lane(0, 0, 0, {**OWN, "alternatives": [{"segment": 900}]}))


BREAKS = {"learning_rate": 1.0, "reward_scale": 1e38}


def test_an_alternative_that_breaks_down_is_left_out_and_its_lane_goes_on(caplog):
    lanes = [Lane(0, 0, 1, {**OWN, **ONE}), Lane(1, 0, 1, {**OWN, **ONE, "alternatives": [BREAKS]})]
    found = _train(*lanes)
    assert found.lanes["failure"].tolist() == ["", ""]
    assert "Trial 1, fold 0, seed 1, alternative 1 broke down" in caplog.text
    for left, alone in zip(_of(found, 1), _of(found, 0), strict=True):
        assert np.array_equal(left, alone)
    bounds = found.lanes["gate_bound"]
    assert bounds[1] < bounds[0]  # two were tried
    policy = fit_final("ppo", lanes[1].params, 1, PANEL, FOLDS, SCALERS, RULES, Gate(resamples=100))
    assert (policy.networks, policy.gate_level) == (("linear",), 0.025)


def test_the_same_settings_are_tried_once():
    assert len(variants({**OWN, "alternatives": [{"torso": "linear"}, {"units": 3}, {"units": 3}]})) == 2
