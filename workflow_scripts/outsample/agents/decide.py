"""Greedy decisions of averaged models over the rows of a panel, in JAX."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp

from outsample.agents.network import Params, account_outputs, centred, row_outputs
from outsample.agents.scaling import scaled
from outsample.agents.training import MarketArrays, Program
from outsample.market import holding


@partial(jax.jit, static_argnums=0)
def decide_rows(
    program: Program,
    market: MarketArrays,
    actors: Params,
    center: jax.Array,
    scale: jax.Array,
    owner: jax.Array,
    reset: jax.Array,
) -> jax.Array:
    """Targets of all rows, each taken by the models that own the row, in order, from flat at every reset.

    Rows of inner fold i are decided by the mean of the models of inner fold i over the seeds; rows owned by I, by the
    mean of all models. The mean is that of the centred logits (see `centred`).
    A policy that reads its account is told what its own decisions have made of it. A memory is 0 at resets.

    Args:
        market: bars and raw features of all rows.
        actors: parameters with leading axes [S, I].
        center, scale: [I, F] or [I, F, S] (`outsample.agents.scaling`).
        owner: [N] 0 .. I, or -1 where nothing is decided.
        reset: [N] true where the position before the decision is flat.
    Returns: targets [N] int8; 0 where nothing is decided.
    """
    head = program.head(len(program.actions))

    def of_seed(seed: Params) -> tuple[jax.Array, Params]:
        def of_inner(model: tuple[Params, jax.Array, jax.Array]) -> tuple[jax.Array, Params]:
            actor, middle, width = model
            rows = row_outputs(head, actor, scaled(market.features, middle, width), reset)
            return centred(rows), {name: centred(actor[name]) for name in ("table", "account") if name in actor}

        return jax.lax.map(of_inner, (seed, center, scale))

    means = jax.tree.map(lambda x: x.mean(0), jax.lax.map(of_seed, actors))  # [I, N, A], [I, P, A], [I, 2, A]
    rows, added = jax.tree.map(lambda x: jnp.concatenate([x, x.mean(0, keepdims=True)]), means)
    owned = owner >= 0
    model = jnp.maximum(owner, 0)
    preferences = rows[model, jnp.arange(len(owner))][:, None] + added["table"][model]  # [N, P, A]
    if "account" in added:
        chosen = _with_account(program, market, preferences, added["account"][model], owned, reset)
    else:
        chosen = _by_position(program, preferences, owned, reset)
    return jnp.array(program.actions, jnp.int8)[chosen]


def _by_position(program: Program, preferences: jax.Array, owned: jax.Array, reset: jax.Array) -> jax.Array:
    """Actions [N] where preferences [N, P, A] depend on the position alone: those of all positions, then one walk."""
    flat = program.actions.index(0)
    choice = jnp.where(owned[:, None], preferences.argmax(-1), flat)

    def advance(position: jax.Array, row: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        choices, fresh = row
        action = choices[jnp.where(fresh, flat, position)]
        return action, action

    return jax.lax.scan(advance, jnp.array(flat), (choice, reset))[1]


def _with_account(
    program: Program,
    market: MarketArrays,
    preferences: jax.Array,
    weights: jax.Array,
    owned: jax.Array,
    reset: jax.Array,
) -> jax.Array:
    """Actions [N] where the account adds to preferences [N, P, A] by weights [N, 2, A]: decided row by row."""
    flat, actions = program.actions.index(0), jnp.array(program.actions, jnp.float32)
    fills = market.open if program.fill == "next_open" else market.close

    def advance(state: tuple[jax.Array, holding.Holding], row: tuple[jax.Array, ...]):  # type: ignore[no-untyped-def]
        before, held = state
        preference, weight, own, fresh, fill, close = row
        position = jnp.where(fresh, flat, before)
        held = holding.advance(jnp, held, actions[before], fill)
        held = jax.tree.map(lambda new, old: jnp.where(fresh, new, old), holding.flat(jnp, ()), held)
        numbers = holding.policy_numbers(jnp, holding.unrealised(jnp, held, close), held.bars)
        action = jnp.where(own, (preference[position] + account_outputs(weight, numbers)).argmax(-1), flat)
        return (action, held), action

    state = (jnp.array(flat), holding.flat(jnp, ()))
    return jax.lax.scan(advance, state, (preferences, weights, owned, reset, fills, market.close))[1]
