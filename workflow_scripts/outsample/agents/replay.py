"""Replay of decisions that were taken: where, from which position and to which, and never what was seen there.

One walker goes through each segment, over and over; a slot holds one decision of each walker, so that the decisions
that followed one another stand one slot apart. What a decision led to is looked up in the outcomes of its row.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

_LEAST_PRIORITY = 1e-2  # before the exponent: no decision is forgotten


class Walkers(NamedTuple):
    """Where the walkers are; each [G]."""

    time: jax.Array  # decisions since the start of the segment
    position: jax.Array  # index of the target held


class Memory(NamedTuple):
    """The last decisions, C slots of G walkers; a ring, whose slots are overwritten in blocks."""

    row: jax.Array  # [C, G] row of the outcomes, time * G + segment
    pair: jax.Array  # [C, G] position * P + action
    priority: jax.Array  # [C, G] exponent applied; not kept up where draws are uniform
    oldest: jax.Array  # slot


class Decisions(NamedTuple):
    """Decisions recalled for learning; shapes begin with those of the draws."""

    row: jax.Array
    pair: jax.Array
    path: jax.Array  # [n-1, ...] actions of the decisions that followed
    priority: jax.Array  # 0 of a decision whose followers are not known yet


def slots_of(capacity: int, walkers: int, block: int, n_step: int) -> int:
    """Slots C: whole blocks that hold at most `capacity` decisions, but at least one block and n_step slots."""
    return block * max(capacity // (walkers * block), -(-n_step // block))


def start(length: jax.Array, slots: int, positions: int, key: jax.Array) -> tuple[Walkers, Memory]:
    """A memory that is full of random decisions, as if the walkers had explored without a thought until now.

    Args:
        length: [G] decisions of each segment.
    """
    walkers = len(length)
    key_start, key_action = jax.random.split(key)
    time = jnp.arange(slots + 1)[:, None] % length
    fresh = jax.random.randint(key_start, time.shape, 0, positions)
    action = jax.random.randint(key_action, (slots, walkers), 0, positions)
    before = jnp.concatenate([fresh[:1], action])
    position = jnp.where(time == 0, fresh, before)
    memory = Memory(
        row=time[:-1] * walkers + jnp.arange(walkers),
        pair=position[:-1] * positions + action,
        priority=jnp.ones((slots, walkers)),
        oldest=jnp.array(0),
    )
    return Walkers(time[-1], position[-1]), memory


def explore(
    walkers: Walkers, greedy: jax.Array, ruined: jax.Array, length: jax.Array, epsilon: jax.Array, draws: jax.Array
) -> tuple[Walkers, jax.Array, jax.Array]:
    """Let each walker take n decisions: greedy ones, but with probability epsilon any.

    At the end of its segment, or ruined, a walker starts the segment again from any position.

    Args:
        greedy: [D, P] greedy action of each row and position.
        ruined: [D, P * A] whether the decision ruins.
        length: [G] decisions of each segment.
        epsilon: probability of a random decision.
        draws: [n, 3, G] uniform numbers.
    Returns: the walkers, and rows and pairs [n, G] of their decisions.
    """
    positions = greedy.shape[-1]
    segment = jnp.arange(len(length))

    def decide(walkers: Walkers, draw: jax.Array):  # type: ignore[no-untyped-def]
        row = walkers.time * len(length) + segment
        anything, fresh = (draw[1:] * positions).astype(jnp.int32)
        action = jnp.where(draw[0] < epsilon, anything, greedy[row, walkers.position])
        pair = walkers.position * positions + action
        again = (walkers.time + 1 >= length) | ruined[row, pair]
        after = Walkers(jnp.where(again, 0, walkers.time + 1), jnp.where(again, fresh, action))
        return after, (row, pair)

    walkers, (row, pair) = jax.lax.scan(decide, walkers, draws)
    return walkers, row, pair


def remember(memory: Memory, row: jax.Array, pair: jax.Array) -> Memory:
    """Overwrite the oldest block of slots by newer decisions [n, G], which get the largest priority that there is."""
    at = (memory.oldest, 0)
    priority = jnp.full(row.shape, memory.priority.max())
    return Memory(
        row=jax.lax.dynamic_update_slice(memory.row, row, at),
        pair=jax.lax.dynamic_update_slice(memory.pair, pair, at),
        priority=jax.lax.dynamic_update_slice(memory.priority, priority, at),
        oldest=(memory.oldest + len(row)) % len(memory.row),
    )


def draw_uniform(memory: Memory, draws: jax.Array, n_step: int) -> jax.Array:
    """Places in the memory, slot * G + walker, by uniform numbers; only decisions whose n_step - 1 followers are known.

    Every such decision is as likely as any other.
    """
    slots, walkers = memory.row.shape
    count = (slots - n_step + 1) * walkers
    age = jnp.minimum((draws * count).astype(jnp.int32), count - 1)
    return (memory.oldest * walkers + age) % (slots * walkers)


def draw_by_priority(memory: Memory, draws: jax.Array, n_step: int) -> jax.Array:
    """As `draw_uniform`, but a decision is drawn with a probability proportional to its priority.

    The cumulative sum is made anew for all draws of a call: for many draws at once this is cheaper than a tree, and
    exact up to rounding. Draws along the last axis are stratified.

    Reference: Schaul et al. (2016), Prioritized Experience Replay, section 3.3 and appendix B.2.1.
    """
    # Without the barrier XLA would sum anew inside the search.
    cumulative = jax.lax.optimization_barrier(jnp.cumsum(_eligible(memory, n_step).reshape(-1)))
    batch = draws.shape[-1]
    below = jnp.minimum((jnp.arange(batch) + draws) / batch, 1.0 - 1e-6) * cumulative[-1]
    place = jnp.searchsorted(cumulative, below, side="right")
    return jnp.minimum(place, len(cumulative) - 1)


def _eligible(memory: Memory, n_step: int) -> jax.Array:
    """Priorities [C, G], 0 in the newest n_step - 1 slots."""
    slots = len(memory.row)
    age = (jnp.arange(slots) - memory.oldest) % slots
    return jnp.where((age < slots - n_step + 1)[:, None], memory.priority, 0.0)


def recall(memory: Memory, place: jax.Array, n_step: int, positions: int) -> Decisions:
    """The decisions at places of the memory, any shape."""
    walkers, size = memory.row.shape[1], memory.row.size
    row, pair = memory.row.reshape(-1), memory.pair.reshape(-1)
    followers = jnp.arange(1, n_step).reshape(-1, *[1] * place.ndim)
    path = pair[(place + walkers * followers) % size] % positions
    return Decisions(row[place], pair[place], path, _eligible(memory, n_step).reshape(-1)[place])


def importance(priority: jax.Array, correction: jax.Array | float) -> jax.Array:
    """Weights (N P(i))^-correction over the largest of each batch (last axis), where P(i) is the share of priority.

    Reference: Schaul et al. (2016), section 3.4.
    """
    known = priority > 0
    least = jnp.where(known, priority, jnp.inf).min(-1, keepdims=True)
    return jnp.where(known, (jnp.where(known, priority, 1.0) / least) ** -correction, 0.0)


def reprioritise(memory: Memory, place: jax.Array, error: jax.Array, exponent: jax.Array) -> Memory:
    """Priorities (|error| + 0.01)^exponent for the decisions at places; the largest where a place comes twice."""
    priority = jnp.exp(exponent * jnp.log(jnp.abs(error) + _LEAST_PRIORITY)).reshape(-1)  # faster than a power
    place = place.reshape(-1)
    updated = memory.priority.reshape(-1).at[place].set(0.0).at[place].max(priority)
    return memory._replace(priority=updated.reshape(memory.priority.shape))
