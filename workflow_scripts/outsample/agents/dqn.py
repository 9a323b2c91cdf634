"""Deep Q-network (Mnih et al. 2015) on all pairs of position and action, with its variants as switches on one loss.

Q(features, position, action) = rows(features) + table[position], the form of an actor whose greedy action is taken.
Decisions move no price (a market without impact), so the outcome of every pair is known at every bar: a step learns
from all pairs of a batch of bars, and none has to be tried first. The defaults are those that carried over to fresh
data (see docs/training.md).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from outsample.agents.network import Head, Params, row_outputs
from outsample.agents.rollout import SegmentBars, pair_returns, segment_bars
from outsample.agents.training import Curve, Job, MarketArrays, Program, RuleNumbers, all_finite, job_key
from outsample.config.models import Dqn

SETTINGS = Dqn
STATIC = ("batch", "double", "dueling", "layers", "n_step", "segment", "steps", "torso", "units", "updates")


class Hyper(NamedTuple):
    """The traced hyper-parameters, float32."""

    learning_rate: jax.Array
    weight_decay: jax.Array
    discount: jax.Array
    target_rate: jax.Array
    reward_scale: jax.Array


class Outcomes(NamedTuple):
    """What every decision leads to, in D = L * G rows ordered by time; the row after row d is d + G."""

    features: jax.Array  # [D + G, F] scaled
    reward: jax.Array  # [D, P, A] reward_scale * net log return
    terminated: jax.Array  # [D, P, A] bool: ruined
    left: jax.Array  # [D] decisions that the segment has left, this one counted; 0 or less beyond its end


class State(NamedTuple):
    """What one step of training hands to the next."""

    params: Params
    slow: Params  # the slow copy
    moments: optax.OptState


def td_targets(
    reward: jax.Array,
    terminated: jax.Array,
    ends: jax.Array,
    online: jax.Array,
    slow: jax.Array,
    discount: jax.Array | float,
    double: bool,
) -> jax.Array:
    """Targets of n steps: y = r_0 + g C_1[a], C_k[p] = r_k[p, a_k] + g C_(k+1)[a_k], a_k greedy by `online`.

    C_k is the value V_k of its row where k = n or the segment ends before row k: the end truncates, and the value
    still counts. Ruin terminates: nothing after it counts. V_k[p] is the largest of slow_k[p]; where `double`, it is
    slow_k[p] at the action that `online` prefers.

    Args (step k is taken at the k-th row from a decision; g is the discount):
        reward, terminated: [n, B, P, A] of steps 0 .. n-1.
        ends: [n, B] whether the segment ends after step k.
        online, slow: [n, B, P, A] action values of both networks at rows 1 .. n.
        double: the switch, static.
    Returns: [B, P, A].
    Reference: van Hasselt, Guez and Silver (2016), Deep Reinforcement Learning with Double Q-learning, eq. 4; Sutton
        and Barto (2018), Reinforcement Learning, eq. 7.1.
    """
    alive = discount * (1.0 - terminated)
    greedy = online.argmax(-1)  # [n, B, P]
    value = _chosen(slow, greedy) if double else slow.max(-1)
    ahead = value[-1]
    for k in reversed(range(1, len(reward))):
        action = greedy[k - 1]
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


def begin(
    program: Program, market: MarketArrays, numbers: RuleNumbers, hyper: Hyper, job: Job
) -> tuple[State, jax.Array]:
    """The first state, and the bars of every step of each update [U, steps, batch].

    They are drawn with replacement from the decisions of the segments.
    """
    key_init, key_draw = jax.random.split(job_key(job))
    head = _head(program, extra=int(program["dueling"]))
    params = head.init(key_init, jnp.zeros(market.features.shape[-1]), jnp.array(0))["params"]
    left = _left(program, job).reshape(-1)
    usable = jnp.nonzero(left > 0, size=len(left), fill_value=0)[0]
    shape = (program["updates"], program["steps"], program["batch"])
    draws = usable[jax.random.randint(key_draw, shape, 0, (left > 0).sum())]
    return State(params, params, _optimiser(hyper).init(params)), draws


def updater(
    program: Program, market: MarketArrays, numbers: RuleNumbers, hyper: Hyper, job: Job
) -> Callable[[State, jax.Array], tuple[State, Curve]]:
    """The update: `steps` steps of AdamW, each on all pairs of `batch` bars.

    The slow copy follows by target_rate of the way in each step (Polyak averaging). The curve is that of the greedy
    policy before the update.

    Args: as in `outsample.agents.training.train`.
    """
    bars = segment_bars(program, market, job, program["segment"])
    outcomes = _outcomes(program, numbers, hyper, bars, job)
    optimiser = _optimiser(hyper)

    def step(state: State, rows: jax.Array) -> tuple[State, jax.Array]:
        return _learn(program, hyper, optimiser, outcomes, state, rows)

    def update(state: State, rows: jax.Array) -> tuple[State, Curve]:
        reward = _greedy_return(program, hyper, bars, outcomes, merged(state.params, program["dueling"]))
        state, losses = jax.lax.scan(step, state, rows)
        return state, Curve(reward, jnp.zeros(()), losses.mean(), all_finite((state.params, losses)))

    return update


def finish(program: Program, state: State) -> Params:
    """The action values, as the actor."""
    return merged(state.params, program["dueling"])


def _optimiser(hyper: Hyper) -> optax.GradientTransformation:
    return optax.flatten(optax.adamw(hyper.learning_rate, weight_decay=hyper.weight_decay))


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


def _learn(
    program: Program,
    hyper: Hyper,
    optimiser: optax.GradientTransformation,
    outcomes: Outcomes,
    state: State,
    rows: jax.Array,
) -> tuple[State, jax.Array]:
    """One step of AdamW on the decisions at rows [B]; also its loss."""
    head, n_step, segments = _head(program), program["n_step"], len(outcomes.features) - len(outcomes.left)
    ahead = rows + segments * jnp.arange(n_step + 1)[:, None]  # [n + 1, B]
    # Rows beyond the end of a segment are never asked for their value; they only must not leave the array.
    features = outcomes.features[jnp.minimum(ahead, len(outcomes.features) - 1)]
    now = jnp.minimum(ahead[:-1], len(outcomes.left) - 1)

    def values(params: Params, features: jax.Array) -> jax.Array:
        plain = merged(params, program["dueling"])
        return row_outputs(head, plain, features)[..., None, :] + plain["table"]

    targets = td_targets(
        outcomes.reward[now],
        outcomes.terminated[now],
        outcomes.left[rows] <= jnp.arange(1, n_step + 1)[:, None],
        values(state.params, features[1:]),
        values(state.slow, features[1:]),
        hyper.discount,
        program["double"],
    )

    def objective(params: Params) -> jax.Array:
        return loss(values(params, features[0]), targets, jnp.ones_like(targets))

    found, gradient = jax.value_and_grad(objective)(state.params)
    change, moments = optimiser.update(gradient, state.moments, state.params)
    params = optax.apply_updates(state.params, change)
    slow = jax.tree.map(lambda s, p: s + hyper.target_rate * (p - s), state.slow, params)
    return State(params, slow, moments), found


def _greedy_return(program: Program, hyper: Hyper, bars: SegmentBars, outcomes: Outcomes, plain: Params) -> jax.Array:
    """Mean net log return per bar of the greedy policy over the segments, each from flat."""
    values = row_outputs(_head(program), plain, bars.features[:-1])[:, :, None] + plain["table"]
    choice = values.argmax(-1)  # [L, G, P]
    positions = jnp.arange(len(program.actions))

    def advance(position: jax.Array, choices: jax.Array) -> tuple[jax.Array, jax.Array]:
        action = jnp.where(position[:, None] == positions, choices, 0).sum(-1)
        return action, position * len(positions) + action

    flat = jnp.full(choice.shape[1], program.actions.index(0))
    pair = jax.lax.scan(advance, flat, choice, unroll=25)[1]  # [L, G]
    taken = jnp.take_along_axis(outcomes.reward.reshape(pair.size, -1), pair.reshape(-1, 1), axis=-1)[:, 0]
    valid = bars.valid.reshape(-1)
    return jnp.where(valid, taken, 0.0).sum() / (hyper.reward_scale * valid.sum())
