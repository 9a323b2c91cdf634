"""What a policy in training knows of its account beside its position: the numbers of `outsample.market.holding`."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from outsample.market import holding


class Account(NamedTuple):
    """What a decider knows of its positions at a close."""

    held: holding.Holding
    numbers: holding.Numbers


def account_at(held: holding.Holding, close: jax.Array) -> Account:
    """The account of a holding at a close."""
    return Account(held, holding.policy_numbers(jnp, holding.unrealised(jnp, held, close), held.bars))


def new_account(target: jax.Array) -> Account:
    """Of targets [...] that count as filled in the bar at hand, at its close of 1."""
    held = holding.advance(jnp, holding.flat(jnp, target.shape), target, jnp.ones_like(target))
    return account_at(held, jnp.ones_like(target))


def next_account(account: Account, target: jax.Array, fill: jax.Array, close: jax.Array) -> Account:
    """The account at the next close, after targets [...] have been filled; prices broadcast to the targets."""
    return account_at(holding.advance(jnp, account.held, target, fill), close)


class Prices(NamedTuple):
    """Of D + G rows ordered by time, G segments side by side: the row after row d is d + G."""

    fill: jax.Array  # [D + G] price at which targets are filled in the row's bar; in a segment's first row its close
    close: jax.Array  # [D + G] in the same unit


def ages(time: jax.Array, draw: jax.Array) -> jax.Array:
    """Bars for which a position has been held, 1 .. time + 1, at rows `time` bars into their segment.

    Every value of log(1 + bars), which is what a policy reads, is about as likely. The oldest position counts as
    filled at the segment's first close, as the start positions of rollouts do.

    Args:
        draw: uniform numbers in [0, 1), of the shape of `time`.
    """
    return jnp.minimum((time + 2.0) ** draw, time + 1.0).astype(jnp.int32)


def pair_accounts(
    prices: Prices, row: jax.Array, age: jax.Array, segments: int, actions: tuple[int, ...]
) -> tuple[holding.Numbers, holding.Numbers, holding.Numbers]:
    """Numbers [B, P] of every position: at the row; one bar later, kept; and one bar later, just taken.

    Args:
        row: [B] of the decisions.
        age: [B] bars for which the position has been held there (`ages`); the bars since then make its entry.
        segments: G.
        actions: the P positions.
    """
    target = jnp.broadcast_to(jnp.array(actions, jnp.float32), (len(row), len(actions)))
    entry = prices.fill[row - segments * (age - 1)][:, None]
    bars = jnp.where(target == 0, 0.0, age[:, None])
    held = account_at(holding.Holding(target, entry, bars), prices.close[row][:, None])
    fill, close = (of_bar[row + segments][:, None] for of_bar in prices)
    kept = next_account(held, target, fill, close)
    taken = next_account(new_account(jnp.zeros_like(target)), target, fill, close)
    return held.numbers, kept.numbers, taken.numbers
