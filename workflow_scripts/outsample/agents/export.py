"""The final policy as an ONNX graph: scaling, every model, their mean, the gate, and the target."""

from __future__ import annotations

import hashlib
import importlib
import pkgutil
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import onnx

from outsample.agents.network import Head, account_outputs, centred, next_outputs, row_outputs
from outsample.agents.policy import EnsemblePolicy, FinalPolicy, Policy, of_seed
from outsample.agents.scaling import scaled
from outsample.market.accounting import MarketRules, to_grid
from outsample.market.holding import policy_numbers

_OPSET = 18


def preferences(
    policy: FinalPolicy, features: jax.Array, position: jax.Array, *further: jax.Array
) -> tuple[jax.Array, ...]:
    """Mean over the models of the centred logits; the target is the action with the largest one.

    Args:
        features: [B, F] raw features of the bar that has just closed.
        position: [B] current target; taken as the nearest of the policy's actions.
        further: [B] unrealised log return and [B] bars held, where the policy reads them; [B, models * units] what its
            models remember, where they do (0 before the first bar).
    Returns: [B, A], and where the models remember, their memories after the bar.
    """
    count = len(further) - bool(policy.memory)
    account, memory = further[:count], further[count:]
    outputs, *memory_next = _row_outputs(policy, _scaled(policy, features), *memory)
    rows = centred(outputs)
    table = centred(jnp.asarray(policy.actor["table"])).mean(0)
    held = jnp.clip(jnp.round(position), policy.actions[0], policy.actions[-1])
    here = held[:, None] == jnp.array(policy.actions, jnp.float32)
    known = rows.mean(0) + here.astype(jnp.float32) @ table
    if account:
        weights = centred(jnp.asarray(policy.actor["account"])).mean(0)
        known = known + account_outputs(weights, policy_numbers(jnp, *account))
    return known, *memory_next


def _scaled(policy: FinalPolicy, features: jax.Array) -> jax.Array:
    """Raw features [B, F] as each model reads them, [models, B, F]."""
    if policy.center.ndim == 2:
        return (features[None] - policy.center[:, None]) / policy.scale[:, None]
    return jnp.stack([scaled(features, *steps) for steps in zip(policy.center, policy.scale, strict=True)])


def _row_outputs(policy: FinalPolicy, scaled: jax.Array, memory: jax.Array | None = None) -> tuple[jax.Array, ...]:
    """Outputs [models, B, A] at scaled features [models, B, F]; of models that remember, also their memories after."""
    positions = len(policy.actions)
    head = Head(outputs=positions, positions=positions, torso=policy.torso, units=policy.units, layers=policy.layers)
    if memory is None:
        return (jax.vmap(lambda actor, x: row_outputs(head, actor, x))(policy.actor, scaled),)
    of_models = jnp.stack(jnp.split(memory, policy.models, axis=-1))  # a reshape of a free batch is no plain ONNX
    rows, after = jax.vmap(lambda actor, x, m: next_outputs(head, actor, x, m))(policy.actor, scaled, of_models)
    return rows, jnp.concatenate(list(after), axis=-1)


def targets(policy: Policy, features: jax.Array, position: jax.Array, *further: jax.Array) -> tuple[jax.Array, ...]:
    """Targets [B] float32, all 0 where the gate is closed, and what `preferences` returns; of an ensemble its mean."""
    if isinstance(policy, EnsemblePolicy):
        chosen, *further_answers = _mean(policy, features, position, *further)
    else:
        chosen, *further_answers = _single(policy, features, position, *further)
    return (chosen if policy.gate_open else jnp.zeros_like(position)), *further_answers


def _single(
    policy: FinalPolicy, features: jax.Array, position: jax.Array, *further: jax.Array
) -> tuple[jax.Array, ...]:
    preference, *memory_next = preferences(policy, features, position, *further)
    return preference.argmax(-1).astype(jnp.float32) + policy.actions[0], preference, *memory_next


def _mean(policy: EnsemblePolicy, features: jax.Array, position: jax.Array, memory: jax.Array) -> tuple[jax.Array, ...]:
    """The mean of the members' targets on the grid; each goes on from the position that it holds alone."""
    count = len(policy.members)
    ends = np.cumsum([count, *(member.memory for member in policy.members)]).tolist()
    chosen, preferred, remembered = [], [], []
    for number, member in enumerate(policy.members):
        own = [memory[:, ends[number] : ends[number + 1]]] if member.memory else []
        target, preference, *after = _single(member, features, memory[:, number], *own)
        chosen.append(target)
        preferred.append(preference)
        remembered += after
    rules = MarketRules(policy.fill, 0.0, 0.0, policy.actions[0] < 0, policy.grid, 0.0)  # type: ignore[arg-type]
    target = to_grid(jnp, jnp.stack(chosen).mean(0), rules)
    return target, jnp.stack(preferred).mean(0), jnp.concatenate([jnp.stack(chosen, axis=-1), *remembered], axis=-1)


def to_onnx(policy: Policy) -> bytes:
    """The policy as the bytes of an ONNX model with a free batch dimension; the same policy gives the same bytes.

    Inputs `features` [batch, F], `position` [batch] and, where the policy reads its account, `unrealised` [batch] and
    `holding` [batch]; outputs `target` [batch] and `preference` [batch, A]; all float32. A policy that remembers has
    the input `memory` [batch, models * units] as well, 0 before its first bar, and the output `memory_next`, which is
    its `memory` at the bar after; an ensemble remembers the position of each of its members (`EnsemblePolicy`).
    """
    original = jnp.cumsum
    try:
        model = _converter()(
            lambda *inputs: targets(policy, *inputs),
            inputs=[tuple(shape) for shape in policy.inputs.values()],
            model_name=f"outsample.{policy.agent}",
            opset=_OPSET,
            input_names=list(policy.inputs),
            output_names=list(policy.outputs),
        )
    finally:
        jnp.cumsum = original  # jax2onnx 0.17 leaves a function of its own there, which would end up in training
    _strip(model)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def _converter() -> Callable[..., onnx.ModelProto]:
    """jax2onnx's converter, with its plugins for JAX's own operations alone.

    Left to itself it imports those for other libraries and all its examples too, which is most of the time and
    memory. Its flag, which tells it that all are there, is private: where a release has none, it imports the rest as
    well. It is imported here, because even so it takes seconds and changes jax.numpy.
    """
    from jax2onnx import to_onnx as convert
    from jax2onnx.plugins import jax as needed
    from jax2onnx.plugins import plugin_system

    if not getattr(plugin_system, "_already_imported_plugins", False):
        for module in pkgutil.walk_packages(needed.__path__, f"{needed.__name__}."):
            importlib.import_module(module.name)
        plugin_system._already_imported_plugins = True
    return convert


def _strip(model: onnx.ModelProto) -> None:
    """Take out what tells of the machine: doc strings, metadata, shapes of inner values, converter versions."""
    model.producer_name, model.producer_version, model.doc_string = "outsample", "", ""
    del model.metadata_props[:]
    for function in model.functions:
        function.doc_string = ""
        del function.metadata_props[:], function.value_info[:]
        _strip_nodes(function.node)
    graph = model.graph
    graph.doc_string = ""
    del graph.metadata_props[:], graph.value_info[:]
    for part in (*graph.initializer, *graph.input, *graph.output):
        part.doc_string = ""
        del part.metadata_props[:]
    _strip_nodes(graph.node)


def _strip_nodes(nodes: Any) -> None:
    for node in nodes:
        node.doc_string = ""
        del node.metadata_props[:]


def policy_document(policy: Policy, model: bytes) -> dict[str, Any]:
    """The document `policy` of the schemas that goes with the ONNX bytes."""
    return {
        "agent": policy.agent,
        "network": policy.network,
        "networks": list(policy.networks),
        "features": list(policy.features),
        "actions": [float(action) for action in policy.actions],
        "inputs": policy.inputs,
        "outputs": policy.outputs,
        "gate": {
            "bound": float(policy.gate_bound),
            "level": float(policy.gate_level),
            "open": bool(policy.gate_open),
        },
        "models": policy.models,
        "seeds": policy.seeds,
        "fill": policy.fill,
        "onnx_sha256": hashlib.sha256(model).hexdigest(),
    }


def seed_models(policy: Policy) -> list[tuple[bytes, dict[str, Any]]]:
    """The policy of each seed alone (`of_seed`): the bytes of its ONNX model, and its document `policy`."""
    found = []
    for seed in range(policy.seeds):
        alone = of_seed(policy, seed)
        model = to_onnx(alone)
        found.append((model, policy_document(alone, model)))
    return found


def jax_targets(policy: Policy, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
    """`targets` of arrays of any float type, as NumPy: the JAX side of the comparison with the ONNX decider."""
    outputs = targets(policy, *(jnp.asarray(values, jnp.float32) for values in inputs))
    return tuple(np.asarray(output) for output in outputs)
