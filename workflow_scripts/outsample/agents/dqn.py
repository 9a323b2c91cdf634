"""Deep Q-network (Mnih et al. 2015) on all pairs of position and action, with its variants as switches on one loss.

Q(features, position, action) = rows(features) + table[position], the form of an actor whose greedy action is taken.
Decisions move no price (a market without impact), so the outcome of every pair is known at every bar: a step learns
from all pairs of a batch of bars, and none has to be tried first. Where `pairs` is "sampled" it learns from decisions
that walkers have tried, as one would have to in a market that answers. The defaults are those that carried over to
fresh data (see docs/training.md).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from outsample.agents import replay
from outsample.agents.network import Dropout, Head, Params, initial_params, row_outputs
from outsample.agents.rollout import SegmentBars, pair_returns, segment_bars
from outsample.agents.training import (
    Curve,
    Job,
    MarketArrays,
    Program,
    RuleNumbers,
    all_finite,
    dropout_keys,
    dropouts,
    job_key,
    optimiser_of,
)
from outsample.config.agents import Dqn

SETTINGS = Dqn
STATIC = (
    *("batch", "layers", "segment", "steps", "torso", "units", "updates"),
    *("double", "dueling", "n_step", "pairs", "prioritised", "replay"),
    *("learning_rate_schedule", "patience"),
)


class Hyper(NamedTuple):
    """The traced hyper-parameters, float32."""

    learning_rate: jax.Array
    weight_decay: jax.Array
    discount: jax.Array
    target_rate: jax.Array
    epsilon: jax.Array
    priority_exponent: jax.Array
    priority_correction: jax.Array
    reward_scale: jax.Array
    gradient_norm: jax.Array | None = None
    dropout: jax.Array | None = None


class Outcomes(NamedTuple):
    """What every decision leads to, in D = L * G rows ordered by time; the row after row d is d + G."""

    features: jax.Array  # [D + G, F] scaled
    reward: jax.Array  # [D, P, A] reward_scale * net log return
    terminated: jax.Array  # [D, P, A] bool: ruined
    left: jax.Array  # [D] decisions that the segment has left, this one counted; 0 or less beyond its end


class Network(NamedTuple):
    """What one step of AdamW hands to the next."""

    params: Params
    slow: Params  # the slow copy
    moments: optax.OptState


class Batch(NamedTuple):
    """Decisions to learn from."""

    row: jax.Array  # [B]
    weight: jax.Array  # [B, P, A]; 0 of a pair that is not learnt from
    path: jax.Array | None  # [n-1, B] actions that followed; None follows the greedy ones


def td_targets(
    reward: jax.Array,
    terminated: jax.Array,
    ends: jax.Array,
    online: jax.Array,
    slow: jax.Array,
    discount: jax.Array | float,
    double: bool,
    path: jax.Array | None = None,
) -> jax.Array:
    """Targets of n steps: y = r_0 + g C_1[a], C_k[p] = r_k[p, a_k] + g C_(k+1)[a_k].

    a_k is the greedy action of `online`, or that of the path, which is meant for the one pair that led to it. C_k is
    the value V_k of its row where k = n or the segment ends before row k: the end truncates, and the value still
    counts. Ruin terminates: nothing after it counts. V_k[p] is the largest of slow_k[p]; where `double`, it is
    slow_k[p] at the action that `online` prefers.

    Args (step k is taken at the k-th row from a decision; g is the discount):
        reward, terminated: [n, B, P, A] of steps 0 .. n-1.
        ends: [n, B] whether the segment ends after step k.
        online, slow: [n, B, P, A] action values of both networks at rows 1 .. n.
        double: the switch, static.
        path: [n-1, B] actions a_1 .. a_(n-1), or None.
    Returns: [B, P, A].
    Reference: van Hasselt, Guez and Silver (2016), Deep Reinforcement Learning with Double Q-learning, eq. 4; Sutton
        and Barto (2018), Reinforcement Learning, eq. 7.1.
    """
    alive = discount * (1.0 - terminated)
    greedy = online.argmax(-1)  # [n, B, P]
    value = _chosen(slow, greedy) if double else slow.max(-1)
    ahead = value[-1]
    for k in reversed(range(1, len(reward))):
        action = greedy[k - 1] if path is None else jnp.broadcast_to(path[k - 1][:, None], ahead.shape)
        after = jnp.take_along_axis(ahead, action, axis=-1)
        went_on = _chosen(reward[k], action) + _chosen(alive[k], action) * after
        ahead = jnp.where(ends[k - 1][:, None], value[k - 1], went_on)
    return reward[0] + alive[0] * ahead[:, None, :]


def _chosen(of_actions: jax.Array, action: jax.Array) -> jax.Array:
    """Entry of each action along the last axis."""
    return jnp.where(action[..., None] == jnp.arange(of_actions.shape[-1]), of_actions, 0.0).sum(-1)


def loss(values: jax.Array, targets: jax.Array, weight: jax.Array) -> jax.Array:
    """Mean of weight * (Q - y)^2 over the decisions whose weight is not 0; all [B, P, A]."""
    return (weight * (values - targets) ** 2).sum() / (weight > 0).sum()


def merged(params: Params, dueling: bool) -> Params:
    """Parameters of a plain head. A dueling one has a further output V: Q = V + advantage - mean of the advantages.

    The last layer is linear, so the sum is a plain head itself, which is what is exported.

    Reference: Wang et al. (2016), Dueling Network Architectures for Deep Reinforcement Learning, eq. 9.
    """
    if not dueling:
        return params

    def merge(outputs: jax.Array) -> jax.Array:  # [..., A + 1], V last
        advantage = outputs[..., :-1]
        return outputs[..., -1:] + advantage - advantage.mean(-1, keepdims=True)

    return {**params, "out": jax.tree.map(merge, params["out"]), "table": merge(params["table"])}


class Past(NamedTuple):
    """What sampled decisions need to be remembered."""

    walkers: replay.Walkers
    memory: replay.Memory


class State(NamedTuple):
    """What one update hands to the next."""

    network: Network
    past: Past | None  # of sampled decisions


class Given(NamedTuple):
    """What chance gives to an update; over a run, each has a leading axis [U]."""

    draws: tuple[jax.Array, ...]
    dropout: jax.Array | None  # key of the units that its steps leave out


def begin(program: Program, market: MarketArrays, numbers: RuleNumbers, hyper: Hyper, job: Job) -> tuple[State, Given]:
    """The first state, and what chance gives to each update."""
    key_init, key_draw = jax.random.split(job_key(job))
    head = _head(program, extra=int(program["dueling"]))
    params = initial_params(head, market.features.shape[-1], key_init)
    past, draws = (_sampled_draws if program["pairs"] == "sampled" else _bar_draws)(program, job, key_draw)
    state = State(Network(params, params, optimiser_of(program, hyper).init(params)), past)
    return state, Given(draws, dropout_keys(hyper, job, program["updates"]))


def updater(
    program: Program, market: MarketArrays, numbers: RuleNumbers, hyper: Hyper, job: Job
) -> Callable[[State, Given], tuple[State, Curve]]:
    """The update: `steps` steps of AdamW, each on `batch` bars or decisions.

    All pairs: of bars, or for a recurrent torso of whole segments, drawn with replacement. Sampled: one walker in each
    segment first takes `steps` decisions, which replace the oldest of `replay`; then the batches are drawn from those.
    The slow copy follows by target_rate of the way in each step (Polyak averaging). The curve is that of the greedy
    policy before the update.

    Args: as in `outsample.agents.training.train`.
    """
    bars = segment_bars(program, market, job, program["segment"])
    outcomes = _outcomes(program, numbers, hyper, bars, job)
    optimiser = optimiser_of(program, hyper)

    def step(
        network: Network, drawn: tuple[Batch, jax.Array | None]
    ) -> tuple[Network, tuple[jax.Array, jax.Array | None]]:
        batch, key = drawn
        (dropout,) = dropouts(hyper.dropout, key, 1)
        return _learn(program, hyper, optimiser, outcomes, network, batch, dropout)

    def update(state: State, given: Given) -> tuple[State, Curve]:
        network, past = state
        draw = given.draws
        keys = None if given.dropout is None else jax.random.split(given.dropout, program["steps"])
        greedy = _greedy(program, bars, merged(network.params, program["dueling"]))
        reward = _greedy_return(program, hyper, bars, outcomes, greedy)
        if past is None:
            batches = Batch(draw[0], _pair_weights(program, outcomes, draw[0]), None)
            network, (losses, _) = jax.lax.scan(step, network, (batches, keys))
        else:
            past, place, batches = _recall(program, hyper, outcomes, job, past, greedy, *draw)
            network, (losses, errors) = jax.lax.scan(step, network, (batches, keys))
            if errors is not None:
                past = Past(past.walkers, replay.reprioritise(past.memory, place, errors, hyper.priority_exponent))
        finite = all_finite((network.params, losses))
        return State(network, past), Curve(reward, jnp.zeros(()), losses.mean(), finite)

    return update


def finish(program: Program, state: State) -> Params:
    """The action values, as the actor."""
    return merged(state.network.params, program["dueling"])


def _left(program: Program, job: Job) -> jax.Array:
    """Decisions that each segment has left [L, G], the one at hand counted; 0 or less beyond its end."""
    return job.length - jnp.arange(program["segment"])[:, None]


def _head(program: Program, extra: int = 0) -> Head:
    return program.head(len(program.actions) + extra)


def _outcomes(program: Program, numbers: RuleNumbers, hyper: Hyper, bars: SegmentBars, job: Job) -> Outcomes:
    log_return, ruined = pair_returns(program, numbers, bars)

    def flat(x: jax.Array) -> jax.Array:
        return x.reshape(-1, *x.shape[2:])

    return Outcomes(flat(bars.features), hyper.reward_scale * flat(log_return), flat(ruined), flat(_left(program, job)))


def _bar_draws(program: Program, job: Job, key: jax.Array) -> tuple[None, tuple[jax.Array, ...]]:
    """Rows [updates, steps, batch] of all pairs; there is nothing to remember.

    For a recurrent torso they are those of whole segments, in the order of [time, segment] in each batch.
    """
    length, segments, batches = program["segment"], len(job.length), (program["updates"], program["steps"])
    if _head(program).recurrent:
        first = jax.random.randint(key, (*batches, 1, max(program["batch"] // length, 1)), 0, segments)
        return None, ((first + segments * jnp.arange(length)[:, None]).reshape(*batches, -1),)
    left = _left(program, job).reshape(-1)
    usable = jnp.nonzero(left > 0, size=len(left), fill_value=0)[0]
    shape = (*batches, program["batch"])
    return None, (usable[jax.random.randint(key, shape, 0, (left > 0).sum())],)


def _pair_weights(program: Program, outcomes: Outcomes, row: jax.Array) -> jax.Array:
    """Weights of all pairs at rows of any shape: 1, but 0 beyond the end of a segment, which only a whole one has."""
    shape = (*row.shape, *outcomes.reward.shape[1:])
    if not _head(program).recurrent:
        return jnp.ones(shape)
    return jnp.broadcast_to(outcomes.left[row][..., None, None] > 0, shape).astype(jnp.float32)


def _sampled_draws(program: Program, job: Job, key: jax.Array) -> tuple[Past, tuple[jax.Array, ...]]:
    """A past of random decisions; for each update the draws of the walkers, those of the batches, and its place."""
    updates, steps, positions = program["updates"], program["steps"], len(program.actions)
    slots = replay.slots_of(program["replay"], len(job.length), steps, program["n_step"])
    key_past, key_walk, key_batch = jax.random.split(key, 3)
    walk = jax.random.uniform(key_walk, (updates, steps, 3, len(job.length)))
    batch = jax.random.uniform(key_batch, (updates, steps, program["batch"]))
    return Past(*replay.start(job.length, slots, positions, key_past)), (walk, batch, jnp.linspace(0.0, 1.0, updates))


def _recall(
    program: Program,
    hyper: Hyper,
    outcomes: Outcomes,
    job: Job,
    past: Past,
    greedy: jax.Array,
    walk: jax.Array,
    batch: jax.Array,
    progress: jax.Array,
) -> tuple[Past, jax.Array, Batch]:
    """Take new decisions and recall batches of old ones: the past, their places [steps, batch], the batches.

    The correction of the weights rises from priority_correction to 1 as the updates progress from 0 to 1.
    """
    positions, n_step = len(program.actions), program["n_step"]
    ruined = outcomes.terminated.reshape(len(outcomes.left), -1)
    choice = greedy.reshape(-1, positions)
    walkers, row, pair = replay.explore(past.walkers, choice, ruined, job.length, hyper.epsilon, walk)
    memory = replay.remember(past.memory, row, pair)
    draw = replay.draw_by_priority if program["prioritised"] else replay.draw_uniform
    place = draw(memory, batch, n_step)
    decisions = replay.recall(memory, place, n_step, positions)
    weight = jax.nn.one_hot(decisions.pair, positions**2).reshape(*place.shape, positions, positions)
    if program["prioritised"]:
        correction = hyper.priority_correction + (1 - hyper.priority_correction) * progress
        weight = weight * replay.importance(decisions.priority, correction)[..., None, None]
    return Past(walkers, memory), place, Batch(decisions.row, weight, jnp.moveaxis(decisions.path, 0, 1))


def _learn(
    program: Program,
    hyper: Hyper,
    optimiser: optax.GradientTransformation,
    outcomes: Outcomes,
    network: Network,
    batch: Batch,
    dropout: Dropout | None,
) -> tuple[Network, tuple[jax.Array, jax.Array | None]]:
    """One step of AdamW; also its loss and, where priorities ask for it, the error Q - y of each decision [B].

    With dropout, values that are learnt are those of the units that are left; targets are of whole networks.
    """
    n_step, segments = program["n_step"], _segments(outcomes)
    ahead = batch.row + segments * jnp.arange(n_step + 1)[:, None]  # [n + 1, B]
    # Rows beyond the end of a segment are never asked for their value; they only must not leave the array.
    now = jnp.minimum(ahead[:-1], len(outcomes.left) - 1)
    seen, outputs = _reader(program, outcomes, ahead)

    def values(params: Params, seen: jax.Array, dropout: Dropout | None = None) -> jax.Array:
        plain = merged(params, program["dueling"])
        return outputs(plain, seen, dropout=dropout)[..., None, :] + plain["table"]

    targets = td_targets(
        outcomes.reward[now],
        outcomes.terminated[now],
        outcomes.left[batch.row] <= jnp.arange(1, n_step + 1)[:, None],
        values(network.params, seen[1:]),
        values(network.slow, seen[1:]),
        hyper.discount,
        program["double"],
        batch.path,
    )

    def objective(params: Params) -> tuple[jax.Array, jax.Array]:
        found = values(params, seen[0], dropout)
        return loss(found, targets, batch.weight), found - targets

    (found, error), gradient = jax.value_and_grad(objective, has_aux=True)(network.params)
    change, moments = optimiser.update(gradient, network.moments, network.params)
    params = optax.apply_updates(network.params, change)
    slow = jax.tree.map(lambda s, p: s + hyper.target_rate * (p - s), network.slow, params)
    of_decision = jnp.where(batch.weight > 0, error, 0.0).sum((-2, -1)) if program["prioritised"] else None
    return Network(params, slow, moments), (found, of_decision)


def _segments(outcomes: Outcomes) -> int:
    """Segments G."""
    return len(outcomes.features) - len(outcomes.left)


def _reader(program: Program, outcomes: Outcomes, ahead: jax.Array) -> tuple[jax.Array, Callable[..., jax.Array]]:
    """What rows ahead [n + 1, B] of a batch are read by, and the function of parameters, it and `dropout` that gives
    their outputs.

    It is their features; of a recurrent torso, which reads whole segments, their places [time, segment] in those.
    """
    head = _head(program)
    if not head.recurrent:
        return outcomes.features[jnp.minimum(ahead, len(outcomes.features) - 1)], partial(row_outputs, head)
    length, segments = program["segment"], _segments(outcomes)
    count = ahead.shape[1] // length
    whole = outcomes.features.reshape(length + 1, segments, -1)[:, ahead[0, :count]]  # [L + 1, count, F]

    def outputs(params: Params, place: jax.Array, dropout: Dropout | None = None) -> jax.Array:
        rows = row_outputs(head, params, whole, dropout=dropout)
        return rows.reshape(-1, rows.shape[-1])[place]

    return jnp.minimum(ahead // segments, length) * count + jnp.arange(ahead.shape[1]) % count, outputs


def _greedy(program: Program, bars: SegmentBars, plain: Params) -> jax.Array:
    """Greedy action of every row and position, [L, G, P]."""
    return (row_outputs(_head(program), plain, bars.features[:-1])[:, :, None] + plain["table"]).argmax(-1)


def _greedy_return(
    program: Program, hyper: Hyper, bars: SegmentBars, outcomes: Outcomes, choice: jax.Array
) -> jax.Array:
    """Mean net log return per bar of the greedy policy over the segments, each from flat."""
    positions = jnp.arange(len(program.actions))

    def advance(position: jax.Array, choices: jax.Array) -> tuple[jax.Array, jax.Array]:
        action = jnp.where(position[:, None] == positions, choices, 0).sum(-1)
        return action, position * len(positions) + action

    flat = jnp.full(choice.shape[1], program.actions.index(0))
    pair = jax.lax.scan(advance, flat, choice, unroll=25)[1]  # [L, G]
    taken = jnp.take_along_axis(outcomes.reward.reshape(pair.size, -1), pair.reshape(-1, 1), axis=-1)[:, 0]
    valid = bars.valid.reshape(-1)
    return jnp.where(valid, taken, 0.0).sum() / (hyper.reward_scale * valid.sum())
