"""The final policy: JAX against ONNX Runtime, deterministic bytes, sequential decisions, and the checkpoint."""

import dataclasses
import hashlib
import importlib.util
import itertools
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import pandas as pd
import pytest

from outsample.agents import checkpoint, export
from outsample.agents.decide import decide_rows
from outsample.agents.onnx import OnnxPolicy, decide
from outsample.agents.policy import EnsemblePolicy, FinalPolicy, of_seed
from outsample.agents.training import MarketArrays, Program
from outsample.errors import DataError, SchemaError
from outsample.folds.knots import steps


def _load(name):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1] / f"reference/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


case, gru = _load("agents_case"), _load("gru")

PANEL = case.panel({"A": case.planted(120, 1), "B": case.planted(80, 2)})


def _policy(
    torso="linear", actions=(-1, 0, 1), gate_open=True, seed=0, models=8, units=4, layers=1, account=False,
    fill="next_open",
):  # fmt: skip
    draw = np.random.Generator(np.random.PCG64(seed))
    features, count = len(PANEL.feature_names), len(actions)

    def normal(*shape):
        return draw.standard_normal((models, *shape)).astype(np.float32)

    width = features if torso == "linear" else units
    gates = 3 * units
    actor = {"out": {"kernel": normal(width, count), "bias": normal(count)}, "table": 2 * normal(count, count)}
    if torso == "gru":
        read = {"kernel": normal(features, gates), "bias": normal(gates)}
        actor["memory"] = {"read": read, "recurrent": normal(units, gates), "offset": normal(units)}
    elif torso != "linear":
        actor["hidden"] = {"kernel": normal(features, units), "bias": normal(units)}
        for deeper in range(layers - 1):
            actor[f"deeper_{deeper}"] = {"kernel": normal(units, units), "bias": normal(units)}
    if account:
        actor["account"] = 3 * normal(2, count)
    return FinalPolicy(
        agent="ppo",
        features=PANEL.feature_names,
        actions=actions,
        torso=torso,
        units=units,
        layers=layers,
        networks=(torso, "another"),
        fill=fill,
        seeds=2,
        actor=actor,
        center=(0.001 * draw.standard_normal((models, features))).astype(np.float32),
        scale=(0.01 * (1 + draw.random((models, features)))).astype(np.float32),
        gate_level=0.025,
        gate_bound=0.001 if gate_open else -0.001,
        gate_open=gate_open,
        curves=pd.DataFrame(),
    )


def _decider(policy):
    model = export.to_onnx(policy)
    return OnnxPolicy(model, export.policy_document(policy, model))


def _preference_by_hand(policy, features, position):
    """float64, model by model."""
    total = np.zeros((len(features), len(policy.actions)))
    for b in range(policy.models):
        x = (features - policy.center[b].astype(float)) / policy.scale[b].astype(float)
        if policy.torso != "linear":
            for name in ["hidden", *(f"deeper_{deeper}" for deeper in range(policy.layers - 1))]:
                x = x @ policy.actor[name]["kernel"][b].astype(float) + policy.actor[name]["bias"][b]
                x = np.tanh(x) if policy.torso == "tanh" else np.maximum(x, 0)
        logits = x @ policy.actor["out"]["kernel"][b].astype(float) + policy.actor["out"]["bias"][b]
        logits = logits + policy.actor["table"][b][[policy.actions.index(p) for p in position]]
        total += logits - logits.mean(-1, keepdims=True)
    return total / policy.models


@pytest.mark.parametrize("torso", ["linear", "tanh"])
def test_the_policy_is_the_mean_of_its_seeds(torso):
    policy = _policy(torso)
    position = np.zeros(len(PANEL.dates))
    alone = [of_seed(policy, seed) for seed in range(policy.seeds)]
    assert [one.models for one in alone] == [4, 4]
    assert [one.seeds for one in alone] == [1, 1]
    np.testing.assert_array_equal(np.concatenate([one.center for one in alone]), policy.center)
    preferred = [_preference_by_hand(one, PANEL.features, position) for one in alone]
    np.testing.assert_allclose(np.mean(preferred, axis=0), _preference_by_hand(policy, PANEL.features, position))
    assert np.abs(preferred[0] - preferred[1]).max() > 0.1


def test_a_seed_of_an_ensemble_is_that_seed_of_each_member():
    members = (_policy("linear"), _policy("tanh", seed=1))
    ensemble = EnsemblePolicy(members, None, 0.025, 0.001, True)
    alone = of_seed(ensemble, 1)
    for found, member in zip(alone.members, members, strict=True):
        np.testing.assert_array_equal(found.center, member.center[4:])
    (first, _), (second, document) = export.seed_models(ensemble)
    assert second == export.to_onnx(alone) != first
    OnnxPolicy(second, document)


@pytest.mark.parametrize(
    ("torso", "layers", "actions"),
    [("linear", 1, (-1, 0, 1)), ("tanh", 1, (-1, 0, 1)), ("linear", 1, (0, 1)), ("relu", 3, (-1, 0, 1))],
)
def test_onnx_equals_jax_and_the_formula(torso, layers, actions):
    policy = _policy(torso, actions, layers=layers)
    decider = _decider(policy)
    for held in actions:
        position = np.full(len(PANEL.dates), held)
        target, preference = decider.run(PANEL.features, position)
        jax_target, jax_preference = export.jax_targets(policy, PANEL.features, position)
        assert np.array_equal(target, jax_target)
        np.testing.assert_allclose(preference, jax_preference, atol=5e-6)
        by_hand = _preference_by_hand(policy, PANEL.features, position)
        np.testing.assert_allclose(preference, by_hand, atol=2e-5)
        assert np.array_equal(target, np.array(actions, np.float32)[by_hand.argmax(-1)])
        assert set(target) == set(actions)


@pytest.mark.parametrize(("torso", "steps_each"), [("linear", 1), ("linear", 32), ("gru", 32)])
def test_onnx_scales_by_steps_as_jax_does(torso, steps_each):
    """min_max and quantile_rank: every model has its own steps, equal ones among them; values beyond them clip."""
    policy = _policy(torso)
    draw = np.random.Generator(np.random.PCG64(3))
    drawn = 0.02 * np.sort(draw.standard_normal((policy.models, len(policy.features), steps_each + 1)))
    drawn[:, :, steps_each // 2 : steps_each // 2 + 3] = drawn[:, :, steps_each // 2][..., None]
    if steps_each == 1:
        drawn[..., 1] = drawn[..., 0] + 0.03
    start, width = steps(drawn, np.full(drawn.shape[:2], 0.02))
    policy = dataclasses.replace(policy, center=start.astype(np.float32), scale=width.astype(np.float32))
    assert (PANEL.features < drawn.min()).any() or (PANEL.features > drawn.min(axis=2).max()).any()
    inputs = {"features": PANEL.features, "position": np.zeros(len(PANEL.dates))}
    if torso == "gru":
        inputs["memory"] = draw.standard_normal((len(PANEL.dates), policy.memory))
    answers = _decider(policy)._answers(inputs)
    for ours, theirs in zip(answers, export.jax_targets(policy, *inputs.values()), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-6)
    # The scaling alone, in float64 and written out.
    risen = np.clip((PANEL.features[None, ..., None] - start[:, None]) / width[:, None], 0, 1)
    by_hand = 2 * risen.mean(-1) - 1
    found = np.asarray(export._scaled(policy, np.asarray(PANEL.features, np.float32)))
    np.testing.assert_allclose(found, by_hand, atol=1e-4 if steps_each == 32 else 1e-6)


@pytest.mark.parametrize("fill", ["next_open", "next_close"])
def test_decisions_read_the_account_that_they_make(fill):
    """Against a plain loop: positions, entries and ages by hand, preferences by the formula."""
    policy = _policy("tanh", account=True, fill=fill)
    decider = _decider(policy)
    assert decider.inputs == ("features", "position", "unrealised", "holding")
    open_ = PANEL.open * np.exp(np.sin(np.arange(len(PANEL.dates))) / 50)
    decided = decide(decider, dataclasses.replace(PANEL, open=open_))
    weights = policy.actor["account"].astype(float)
    weights = (weights - weights.mean(-1, keepdims=True)).mean(0)
    ages, preferences = set(), []
    for first, end in itertools.pairwise(PANEL.offsets):
        held, entry, bars = 0.0, 1.0, 0
        for row in range(first, end):
            if row > first:
                before, held = held, decided.target[row - 1]
                if held != before:
                    entry, bars = (PANEL.close if fill == "next_close" else open_)[row], 0
                bars = bars + 1 if held else 0
            gain = held * np.log(PANEL.close[row] / entry)
            ages.add(bars)
            wanted = _preference_by_hand(policy, PANEL.features[row : row + 1], [held])[0]
            wanted += [max(min(gain, 0.2), -0.2) / 0.1, min(np.log(1 + bars) / np.log(61), 1)] @ weights
            preferences.append(wanted)
    np.testing.assert_allclose(decided.preference, preferences, atol=2e-5)
    assert np.array_equal(decided.target, np.argmax(preferences, -1) - 1.0)
    assert len(ages) > 4
    assert set(decided.target) == {-1.0, 0.0, 1.0}


@pytest.mark.parametrize("account", [False, True])
def test_decisions_of_a_memory_are_those_of_jax_and_of_plain_loops(account):
    """JAX over all rows, the exported function and ONNX Runtime bar by bar, and loops: a memory of each symbol."""
    policy = _policy("gru", account=account)
    decider = _decider(policy)
    assert (decider.inputs[-1], decider.memory) == ("memory", 8 * 4)
    decided = decide(decider, PANEL, first_rows=[0, 7])
    wanted, carried, memory = np.zeros((200, 3)), decider.start(2), np.zeros((2, 32))
    for k in range(120):
        rows = np.minimum(np.array([k, 127 + k]), 199)  # the second symbol ends first
        carried = decider.act(carried, PANEL.features[rows], PANEL.open[rows], PANEL.close[rows]).carried
        held = carried.holding
        own = (held.position * np.log(PANEL.close[rows] / held.entry), held.bars) if account else ()
        _, preference, memory = export.jax_targets(policy, PANEL.features[rows], held.position, *own, memory)
        np.testing.assert_allclose(carried.memory, memory, atol=5e-6)
        live = [True, k < 73]
        wanted[rows[live]] = preference[live]
    asked = np.r_[0:120, 127:200]
    np.testing.assert_allclose(decided.preference[asked], wanted[asked], atol=2e-5)
    assert np.array_equal(decided.target[asked], wanted[asked].argmax(-1) - 1.0)
    assert len(set(decided.target)) > 1
    with pytest.raises(DataError, match="too large for the policy's memory"):
        decider.act(decider.start(1), np.array([[1e38, -1e38] * 5]), np.ones(1), np.ones(1))
    if not account:
        reset = np.isin(np.arange(200), [0, 127])
        models = [
            (
                jax.tree.map(lambda x, b=b: x[b].tolist(), policy.actor),
                policy.center[b].tolist(),
                policy.scale[b].tolist(),
            )
            for b in range(8)
        ]
        by_hand = gru.decisions([models], PANEL.features.tolist(), np.ones(200, int), reset, list(policy.actions))
        assert np.array_equal(decided.target[asked], np.array(by_hand)[asked])
        static = (("account_inputs", False), ("layers", 1), ("torso", "gru"), ("units", 4))
        program = Program("ppo", static, policy.actions, "next_open", True)
        lead = jax.tree.map(lambda x: jnp.asarray(x)[None], policy.actor)
        owner = np.full(200, 8)
        market = MarketArrays(*(jnp.asarray(x, jnp.float32) for x in (PANEL.features, PANEL.open, PANEL.close)))
        rows = decide_rows(program, market, lead, policy.center, policy.scale, owner, reset)
        assert np.array_equal(decided.target[asked], np.asarray(rows)[asked])


def _of_each_kind():
    several = EnsemblePolicy((_policy("relu", layers=3), _policy("gru", account=True)), None, 0.025, 0.001, True)
    draw = np.random.Generator(np.random.PCG64(5))
    policy = _policy()
    start, width = steps(draw.normal(0, 0.01, (*policy.center.shape, 4)), np.full(policy.center.shape, 0.02))
    stepped = dataclasses.replace(policy, center=start.astype(np.float32), scale=width.astype(np.float32))
    return policy, several, stepped


@pytest.mark.slow
def test_the_same_policy_gives_the_same_bytes_with_all_plugins_of_the_converter():
    """Another process has them all; this one those that `export` asks for."""
    models = [export.to_onnx(policy) for policy in _of_each_kind()]
    assert not any(name.startswith("jax2onnx.plugins.examples") for name in sys.modules)
    code = (
        f"import importlib.util, sys; spec = importlib.util.spec_from_file_location('m', {__file__!r});"
        "m = importlib.util.module_from_spec(spec); spec.loader.exec_module(m);"
        "from jax2onnx.plugins.plugin_system import import_all_plugins; import_all_plugins();"
        "assert 'jax2onnx.plugins.flax' in sys.modules;"
        "import hashlib;"
        "print(*(hashlib.sha256(m.export.to_onnx(policy)).hexdigest() for policy in m._of_each_kind()))"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    assert other.stdout.split()[-3:] == [hashlib.sha256(model).hexdigest() for model in models]


def test_a_model_holds_no_trace_of_the_machine():
    model = export.to_onnx(_policy())
    assert model != export.to_onnx(_policy(seed=1))
    loaded = onnx.load_from_string(model)
    assert not any(node.doc_string or node.metadata_props for node in loaded.graph.node)
    assert b".py" not in model


def test_batch_size_is_free():
    decider = _decider(_policy())
    whole = decider.run(PANEL.features, np.zeros(200))[0]
    assert decider.run(PANEL.features[:1], [0.0])[0] == whole[0]


def test_a_closed_gate_is_flat_and_still_has_preferences():
    target, preference = _decider(_policy(gate_open=False)).run(PANEL.features, np.zeros(200))
    assert (target == 0).all()
    assert np.abs(preference).max() > 0.1


def test_decisions_follow_one_another_from_flat():
    policy = _policy()
    decider = _decider(policy)
    targets = decide(decider, PANEL).target
    for symbol in range(2):
        held = 0.0
        for row in range(*PANEL.offsets[symbol : symbol + 2]):
            held = float(decider.run(PANEL.features[row : row + 1], [held])[0][0])
            assert targets[row] == held
    assert set(targets) == {-1.0, 0.0, 1.0}


def test_decisions_start_at_the_first_rows():
    decider = _decider(_policy())
    targets = decide(decider, PANEL, first_rows=[30, 80]).target
    assert (targets[:30] == 0).all()
    assert (targets[120:] == 0).all()
    inner = case.panel({"A": case.planted(120, 1)})
    late = dataclasses.replace(
        inner,
        offsets=np.array([0, 90]),
        **{name: getattr(inner, name)[30:] for name in ("dates", "open", "close", "factor", "features")},
    )
    assert np.array_equal(targets[30:120], decide(decider, late).target)


def test_decisions_do_not_look_ahead():
    decider = _decider(_policy())
    features = PANEL.features.copy()
    features[60:120] = 0.05
    changed = decide(decider, dataclasses.replace(PANEL, features=features)).target
    whole = decide(decider, PANEL).target
    assert np.array_equal(whole[:60], changed[:60])
    assert np.array_equal(whole[120:], changed[120:])
    assert not np.array_equal(whole[60:120], changed[60:120])


def test_the_decider_refuses_what_it_was_not_made_for():
    policy = _policy()
    model = export.to_onnx(policy)
    document = export.policy_document(policy, model)
    with pytest.raises(SchemaError, match="sha256"):
        OnnxPolicy(model + b"\0", document)
    decider = OnnxPolicy(model, document)
    with pytest.raises(SchemaError, match="The policy reads the features f00"):
        decide(decider, dataclasses.replace(PANEL, feature_names=PANEL.feature_names[::-1]))
    with pytest.raises(SchemaError, match="reads the memory of things, which this Outsample cannot supply"):
        OnnxPolicy(model, {**document, "inputs": {**document["inputs"], "the memory of things": ["batch"]}})
    with pytest.raises(SchemaError, match="reads features, position, its policy document says features, holding, pos"):
        OnnxPolicy(model, {**document, "inputs": {**document["inputs"], "holding": ["batch"]}})
    with pytest.raises(SchemaError, match="reads features, position, its policy document says features, memory, pos"):
        OnnxPolicy(model, {**document, "inputs": {**document["inputs"], "memory": ["batch", 8]}})
    with pytest.raises(ValueError, match="finite"):
        decider.run(np.full((1, 10), np.nan), [0.0])
    with pytest.raises(ValueError, match="shape"):
        decider.run(PANEL.features[:2], [0.0])
    with pytest.raises(ValueError, match="reads features, position, and is given"):
        decider.run(PANEL.features[:1], [0.0], holding=[0.0])


def test_the_document_fits_its_schema(tmp_path):
    from outsample.io import write_json

    policy = _policy()
    write_json(export.policy_document(policy, b"x"), tmp_path / "policy.json", "policy")


def test_the_decider_does_not_import_jax():
    code = "import sys; import outsample.agents.onnx; sys.exit(any(m in sys.modules for m in ('jax', 'flax', 'optax')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_checkpoint_round_trip(tmp_path):
    policy = _policy("tanh")
    manifest = checkpoint.save(policy, tmp_path / "policy")
    arrays = checkpoint.restore(tmp_path / "policy", manifest)
    assert np.array_equal(arrays["actor"]["hidden"]["kernel"], policy.actor["hidden"]["kernel"])
    assert [entry["path"] for entry in manifest["arrays"]] == [
        "actor/hidden/bias",
        "actor/hidden/kernel",
        "actor/out/bias",
        "actor/out/kernel",
        "actor/table",
        "center",
        "scale",
    ]
    assert manifest == checkpoint.manifest_of(policy.arrays())
    other = checkpoint.manifest_of(_policy("tanh", seed=1).arrays())
    with pytest.raises(SchemaError, match="not those of the manifest"):
        checkpoint.restore(tmp_path / "policy", other)
