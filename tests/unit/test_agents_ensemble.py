"""The final policy of several trials: its targets are the mean of theirs, bar by bar, and its gate judges that mean."""

import dataclasses
import importlib.util
from pathlib import Path

import jax
import numpy as np
import pytest

from outsample.agents import export
from outsample.agents.ensemble import fit_selection
from outsample.agents.gate import gate_bound, validated_returns
from outsample.agents.lanes import fit_member
from outsample.agents.network import Head, initial_params
from outsample.agents.onnx import OnnxPolicy, decide
from outsample.agents.studio import Studio
from outsample.config.agents import Agents
from outsample.config.models import Gate
from outsample.evaluation.explanation import _preferred, asked_of, members_of
from outsample.market.accounting import MarketRules, to_grid

_SPEC = importlib.util.spec_from_file_location("agents_case", Path(__file__).parents[1] / "reference/agents_case.py")
case = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(case)

RULES = MarketRules("next_open", cost_rate=6e-4, borrow_per_bar=4e-5, short_selling=True, grid=0.01, band=0.0)
PANEL = case.panel({"A": case.planted(240, 1), "B": case.planted(220, 2)})
FOLDS = case.folds(PANEL, {0: (200, 220), -1: (220, 220)})
SCALERS = case.scalers(PANEL, FOLDS)
MARKET = (PANEL, FOLDS, SCALERS, RULES, Gate())
DIRECT = {**Agents().direct.model_dump(), "alternatives": [], "updates": 12, "segment": 30}
# Of one program, for every further one costs seconds.
MEMBERS = [
    {"agent": "direct", "params": DIRECT | {"learning_rate": rate}, "origin": "tpe"} for rate in (0.01, 0.05, 0.2)
]


def _decider(policy) -> OnnxPolicy:
    model = export.to_onnx(policy)
    return OnnxPolicy(model, export.policy_document(policy, model))


@pytest.fixture(scope="module")
def policy():
    return fit_selection(MEMBERS, 2, *MARKET)


@pytest.fixture(scope="module")
def with_memory(policy):
    """The policy with a member that remembers, whose arrays are drawn, and the gate open."""
    head = Head(outputs=3, positions=3, torso="gru", units=2)
    actor = jax.vmap(lambda key: initial_params(head, len(policy.features), key))(
        jax.random.split(jax.random.key(0), 4)
    )
    generator = np.random.Generator(np.random.PCG64(0))
    actor = jax.tree.map(lambda x: (np.asarray(x) + generator.normal(0, 0.7, x.shape)).astype(np.float32), actor)
    first, *others = policy.members
    center, scale = first.center[:4], first.scale[:4]
    drawn = dataclasses.replace(first, torso="gru", units=2, seeds=1, actor=actor, center=center, scale=scale)
    return dataclasses.replace(policy, members=(first, drawn, *others), gate_open=True)


def test_the_targets_are_the_mean_of_what_each_member_would_hold_alone(with_memory):
    alone = [
        decide(_decider(dataclasses.replace(member, gate_open=True)), PANEL).target for member in with_memory.members
    ]
    whole = _decider(with_memory)
    found = decide(whole, PANEL).target
    expected = to_grid(np, np.mean(alone, axis=0), RULES)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert len(np.unique(expected)) > 3  # the members disagree somewhere
    assert whole.memory == 4 + 4 * 2
    closed = decide(_decider(dataclasses.replace(with_memory, gate_open=False)), PANEL)
    assert (closed.target == 0).all()
    assert (closed.preference != 0).any()


def test_behind_a_closed_gate_the_mean_of_the_members_is_explained(with_memory):
    opened, closed = _decider(with_memory), _decider(dataclasses.replace(with_memory, gate_open=False))
    members = members_of(export.policy_document(with_memory, b"x"))
    rows = PANEL.rows(0)
    bars = PANEL.features[rows][None], PANEL.open[rows], PANEL.close[rows]
    expected, found = (_preferred(one, asked_of(one, members, RULES), *bars)[:, 0] for one in (opened, closed))
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert len(np.unique(found)) > 3
    np.testing.assert_allclose(expected, decide(opened, PANEL).target[rows])


def test_jax_and_onnx_agree(with_memory):
    generator = np.random.Generator(np.random.PCG64(0))
    memory = generator.uniform(-0.5, 0.5, (len(PANEL.dates), with_memory.memory))
    memory[:, :4] = generator.integers(-1, 2, (len(memory), 4))
    position = np.zeros(len(memory))
    target, preference = _decider(with_memory).run(PANEL.features, position, memory=memory)
    expected, wanted, _ = export.jax_targets(with_memory, PANEL.features, position, memory)
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


def test_members_are_trained_as_if_they_were_alone(policy):
    alone = fit_selection(MEMBERS[2:], 2, *MARKET)
    assert np.array_equal(alone.actor["out"]["kernel"], policy.members[2].actor["out"]["kernel"])
    assert (alone.gate_level, alone.gate_bound) == (policy.members[2].gate_level, policy.members[2].gate_bound)
    assert alone.gate_level == Gate().level


def test_the_document_and_the_arrays_name_every_member(policy):
    document = export.policy_document(policy, b"x")
    assert (document["agent"], document["models"], document["seeds"]) == ("direct", 3 * 2 * 4, 2)
    assert document["network"] == "tanh 4 + tanh 4 + tanh 4"
    assert document["networks"] == ["tanh 4"]
    other = dataclasses.replace(policy.members[0], agent="a2c")
    assert dataclasses.replace(policy, members=(*policy.members, other)).agent == "a2c, direct"
    assert document["inputs"]["memory"] == ["batch", policy.memory]
    assert sorted(policy.arrays()) == ["member_00", "member_01", "member_02"]
