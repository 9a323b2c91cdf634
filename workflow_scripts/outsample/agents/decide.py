"""Greedy decisions of averaged models over the rows of a panel, in JAX."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp

from outsample.agents.network import Params, centred, row_outputs
from outsample.agents.training import Program


@partial(jax.jit, static_argnums=0)
def decide_rows(
    program: Program,
    features: jax.Array,
    actors: Params,
    center: jax.Array,
    scale: jax.Array,
    owner: jax.Array,
    reset: jax.Array,
) -> jax.Array:
    """Targets of all rows, each taken by the models that own the row, in order, from flat at every reset.

    Rows of inner fold i are decided by the mean of the models of inner fold i over the seeds; rows owned by I, by the
    mean of all models. The mean is that of the centred logits (see `centred`).

    A memory is 0 at every reset as well.

    Args:
        features: [N, F] raw.
        actors: parameters with leading axes [S, I].
        center, scale: [I, F].
        owner: [N] 0 .. I, or -1 where nothing is decided.
        reset: [N] true where the position before the decision is flat.
    Returns: targets [N] int8; 0 where nothing is decided.
    """
    head = program.head(len(program.actions))

    def of_seed(seed: Params) -> tuple[jax.Array, jax.Array]:
        def of_inner(model: tuple[Params, jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
            actor, middle, width = model
            rows = row_outputs(head, actor, (features - middle) / width, reset)
            return centred(rows), centred(actor["table"])

        return jax.lax.map(of_inner, (seed, center, scale))

    rows, table = (x.mean(0) for x in jax.lax.map(of_seed, actors))  # [I, N, A], [I, P, A]
    rows = jnp.concatenate([rows, rows.mean(0, keepdims=True)])
    table = jnp.concatenate([table, table.mean(0, keepdims=True)])
    owned = owner >= 0
    model = jnp.maximum(owner, 0)
    preferences = rows[model, jnp.arange(len(owner))][:, None] + table[model]  # [N, P, A]
    flat = program.actions.index(0)
    choice = jnp.where(owned[:, None], preferences.argmax(-1), flat)

    def advance(position: jax.Array, row: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        choices, fresh = row
        action = choices[jnp.where(fresh, flat, position)]
        return action, action

    chosen = jax.lax.scan(advance, jnp.array(flat), (choice, reset), unroll=8)[1]
    return jnp.array(program.actions, jnp.int8)[chosen]
