"""The final policy of several trials: its targets are the mean of theirs, bar by bar, and its gate judges that mean."""

import dataclasses
import importlib.util
from pathlib import Path

import numpy as np
import pytest

from outsample.agents import export
from outsample.agents.ensemble import fit_selection
from outsample.agents.gate import gate_bound, validated_returns
from outsample.agents.lanes import fit_final, fit_member
from outsample.agents.onnx import OnnxPolicy, decide
from outsample.agents.studio import Studio
from outsample.config.agents import Agents
from outsample.config.models import Gate
from outsample.market.accounting import MarketRules, to_grid

_SPEC = importlib.util.spec_from_file_location("agents_case", Path(__file__).parents[1] / "reference/agents_case.py")
case = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(case)

RULES = MarketRules("next_open", cost_rate=6e-4, borrow_per_bar=4e-5, short_selling=True, grid=0.01, band=0.0)
PANEL = case.panel({"A": case.planted(240, 1), "B": case.planted(220, 2)})
FOLDS = case.folds(PANEL, {0: (200, 220), -1: (220, 220)})
SCALERS = case.scalers(PANEL, FOLDS)
MARKET = (PANEL, FOLDS, SCALERS, RULES, Gate())
SMALL = {"alternatives": [], "updates": 6, "segment": 30}
MEMBERS = [
    {"agent": "ppo", "params": {**Agents().ppo.model_dump(), **SMALL}},
    {"agent": "ppo", "params": {**Agents().ppo.model_dump(), **SMALL, "torso": "gru", "units": 3, "weight_decay": 0.1}},
    {"agent": "direct", "params": {**Agents().direct.model_dump(), **SMALL}},
]


def _decider(policy) -> OnnxPolicy:
    model = export.to_onnx(policy)
    return OnnxPolicy(model, export.policy_document(policy, model))


@pytest.fixture(scope="module")
def policy():
    return fit_selection(MEMBERS, 2, *MARKET)


def test_the_targets_are_the_mean_of_what_each_member_would_hold_alone(policy):
    alone = [
        decide(_decider(dataclasses.replace(fit_final(**member, seeds=2, **_named()), gate_open=True)), PANEL).target
        for member in MEMBERS
    ]
    whole = _decider(dataclasses.replace(policy, gate_open=True))
    found = decide(whole, PANEL).target
    expected = to_grid(np, np.mean(alone, axis=0), RULES)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert len(np.unique(expected)) > 3  # the members disagree somewhere
    assert whole.memory == 3 + policy.members[1].memory
    closed = decide(_decider(dataclasses.replace(policy, gate_open=False)), PANEL)
    assert (closed.target == 0).all()
    assert (closed.preference != 0).any()


def _named():
    return dict(zip(("panel", "folds", "scalers", "rules", "gate"), MARKET, strict=True))


def test_jax_and_onnx_agree(policy):
    opened = dataclasses.replace(policy, gate_open=True)
    generator = np.random.Generator(np.random.PCG64(0))
    memory = generator.uniform(-0.5, 0.5, (len(PANEL.dates), policy.memory))
    memory[:, :3] = generator.integers(-1, 2, (len(memory), 3))
    position = np.zeros(len(memory))
    target, preference = _decider(opened).run(PANEL.features, position, memory=memory)
    expected, wanted, _ = export.jax_targets(opened, PANEL.features, position, memory)
    np.testing.assert_allclose(target, expected, atol=1e-6)
    np.testing.assert_allclose(preference, wanted, atol=5e-6)


def test_the_gate_judges_the_mean_at_a_level_divided_by_all_that_was_tried(policy):
    fitted = [
        fit_member(Studio.open(m["agent"], PANEL, FOLDS, SCALERS, RULES), m["params"], 2, Gate()) for m in MEMBERS
    ]
    mean = (fitted[0].decided + fitted[1].decided + fitted[2].decided.astype(float)) / 3
    blocks = list(Studio.open("ppo", PANEL, FOLDS, SCALERS, RULES).folds[-1].validate)
    returns = validated_returns(mean[:, None], blocks, PANEL, RULES)[:, 0]
    level = Gate().level / 3
    assert policy.gate_level == pytest.approx(level)
    assert policy.gate_bound == gate_bound(returns, Gate(level=policy.gate_level))
    assert policy.gate_open == (policy.gate_bound > 0)


def test_one_member_is_its_own_policy():
    alone = fit_selection(MEMBERS[:1], 1, *MARKET)
    expected = fit_final(**MEMBERS[0], seeds=1, **_named())
    assert np.array_equal(alone.actor["out"]["kernel"], expected.actor["out"]["kernel"])
    assert (alone.gate_level, alone.gate_bound) == (expected.gate_level, expected.gate_bound)


def test_the_document_and_the_arrays_name_every_member(policy):
    document = export.policy_document(policy, b"x")
    assert (document["agent"], document["models"], document["seeds"]) == ("direct, ppo", 3 * 2 * 4, 2)
    assert document["network"] == "linear + gru 3 + tanh 4"
    assert document["inputs"]["memory"] == ["batch", policy.memory]
    assert sorted(policy.arrays()) == ["member_00", "member_01", "member_02"]
