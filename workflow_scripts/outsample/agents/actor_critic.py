"""What the agents with an actor and a critic share: rollouts, generalised advantages, one loss, its gradient steps.

One training run is one pure function. Numeric hyper-parameters are traced, so that one compiled program serves a
search. The one static switch is the clip of the probability ratio: with it the loss is PPO's, without it A2C's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
import optax

from outsample.agents.network import (
    Dropout,
    Head,
    Params,
    initial_params,
    log_probabilities,
    row_outputs,
    with_account,
)
from outsample.agents.rewards import rewards
from outsample.agents.rollout import Draws, Rollout, SegmentBars, roll_out, rollout_draws, segment_bars
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
from outsample.market.holding import Numbers

_EPSILON = 1e-8
_VALUE_WEIGHT = 0.5


class Hyper(Protocol):
    """The traced hyper-parameters, float32, that both agents have."""

    @property
    def learning_rate(self) -> jax.Array: ...
    @property
    def weight_decay(self) -> jax.Array: ...
    @property
    def discount(self) -> jax.Array: ...
    @property
    def gae_lambda(self) -> jax.Array: ...
    @property
    def entropy(self) -> jax.Array: ...
    @property
    def reward_scale(self) -> jax.Array: ...
    @property
    def reward_rate(self) -> jax.Array: ...
    @property
    def drawdown_penalty(self) -> jax.Array: ...
    @property
    def gradient_norm(self) -> jax.Array | None: ...
    @property
    def dropout(self) -> jax.Array | None: ...


class Batch(NamedTuple):
    """Decisions to learn from: n rows, each met in R passes; of a recurrent torso, [L, G] for n, whole segments."""

    features: jax.Array  # [n, F]
    position: jax.Array  # [n, R] index
    action: jax.Array  # [n, R] index
    log_probability: jax.Array  # [n, R] under the policy that acted
    advantage: jax.Array  # [n, R] normalised
    value_target: jax.Array  # [n, R]
    weight: jax.Array  # [n, R] 1 or 0
    numbers: Numbers | None = None  # [n, R] what was read of the account, if it is


def advantages(
    reward: jax.Array,
    value: jax.Array,
    next_value: jax.Array,
    terminated: jax.Array,
    valid: jax.Array,
    discount: jax.Array | float,
    gae_lambda: jax.Array | float,
) -> jax.Array:
    """Generalised advantage estimates A_t = d_t + discount * lambda * A_(t+1), d_t = r_t + discount * V_(t+1) - V_t.

    The end of a segment truncates: V of the row after it still counts. Ruin terminates: V after it is 0.

    Args (all [T, ...]):
        reward: reward of step t.
        value, next_value: V at the row of step t, and at the row after it.
        terminated: ruined at step t.
        valid: false for steps that do not exist; their advantage is 0.
    Reference: Schulman et al. (2016), High-Dimensional Continuous Control Using Generalized Advantage Estimation,
        eq. 16.
    """
    alive = 1.0 - terminated
    delta = jnp.where(valid, reward + discount * alive * next_value - value, 0.0)

    def backward(later: jax.Array, step: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        advantage = step[0] + discount * gae_lambda * step[1] * later
        return advantage, advantage

    carry = jnp.zeros_like(delta[0])
    return jax.lax.scan(backward, carry, (delta, alive * valid), reverse=True)[1]


def loss(
    log_policy: Sequence[jax.Array],
    value: jax.Array,
    batch: Batch,
    clip: jax.Array | float | None,
    entropy_weight: jax.Array | float,
) -> tuple[jax.Array, jax.Array]:
    """-surrogate + squared value error / 2 - entropy_weight * entropy, each the mean over valid decisions.

    surrogate = min(q A, clip(q, 1 - clip, 1 + clip) A), q = pi(a) / pi_old(a)   with a clip (PPO)
    surrogate = log pi(a) A                                                     without one (A2C)

    Args:
        log_policy: log-probabilities [n, R] of each action.
        value: [n, R].
        clip: None is the plain policy gradient, which is right for the policy that acted and no other.
    Returns: loss and mean entropy in nats.
    Reference: Schulman et al. (2017), Proximal Policy Optimization Algorithms, eq. 2, 7 and 9; Mnih et al. (2016),
        Asynchronous Methods for Deep Reinforcement Learning, section 4.
    """
    mean = _weighted_mean(batch.weight)
    chosen = reduce(jnp.add, [jnp.where(batch.action == i, known, 0.0) for i, known in enumerate(log_policy)])
    if clip is None:
        surrogate = chosen * batch.advantage
    else:
        ratio = jnp.exp(chosen - batch.log_probability)
        surrogate = jnp.minimum(ratio * batch.advantage, jnp.clip(ratio, 1 - clip, 1 + clip) * batch.advantage)
    entropy = mean(-reduce(jnp.add, [jnp.exp(known) * known for known in log_policy]))
    error = mean((value - batch.value_target) ** 2)
    return -mean(surrogate) + _VALUE_WEIGHT * error - entropy_weight * entropy, entropy


def _weighted_mean(weight: jax.Array):  # type: ignore[no-untyped-def]
    total = jnp.maximum(weight.sum(), 1.0)
    return lambda x: (x * weight).sum() / total


class State(NamedTuple):
    """What one update hands to the next."""

    params: dict[str, Params]  # "actor" and "critic"
    moments: optax.OptState


class Order(NamedTuple):
    """The minibatches of an update: slices of the affine permutation i -> (a i + b) mod n of n rows."""

    multiplier: jax.Array  # a, uint32
    shift: jax.Array  # b, uint32
    offsets: jax.Array  # [epochs * minibatches] first row of each slice, int32


class Given(NamedTuple):
    """What is given to an update; over a run, each has a leading axis [U].

    Nearly all that chance decides is drawn here, before the run, and does not depend on the network: so it is compiled
    once for all networks that are tried (`outsample.agents.loop`), and not inside the update of each.
    """

    draws: Draws
    order: Order | None  # of the minibatches; None learns in a single step of all decisions
    update: jax.Array | None  # its number u, int32, where a schedule asks for it
    dropout: jax.Array | None  # key of the units that its gradient steps leave out


def begin(program: Program, market: MarketArrays, numbers: RuleNumbers, hyper: Hyper, job: Job) -> tuple[State, Given]:
    """The first state, and what is given to each update."""
    key, key_init = jax.random.split(job_key(job))
    params = _initial(program, market.features.shape[-1], key_init)
    state = State(params, optimiser_of(program, hyper).init(params))
    updates = program["updates"]

    def drawn(key: jax.Array) -> tuple[Draws, Order | None]:
        key_rollout, key_order = jax.random.split(key)
        draws = rollout_draws(key_rollout, len(job.length), program["passes"], len(program.actions))
        return draws, _drawn_order(program, len(job.length), key_order) if "minibatches" in program else None

    draws, order = jax.lax.map(drawn, jax.random.split(key, updates))  # compiles to less than all at once
    return state, Given(
        draws=draws,
        order=order,
        update=None if program["entropy_schedule"] == "constant" else jnp.arange(updates),
        dropout=dropout_keys(hyper, job, updates),
    )


def updater(
    program: Program, market: MarketArrays, numbers: RuleNumbers, hyper: Hyper, job: Job, clip: jax.Array | None
) -> Callable[[State, Given], tuple[State, Curve]]:
    """The update: roll out every segment `passes` times, then learn by AdamW.

    With a clip it learns in epochs * minibatches steps, without one in a single step of all decisions.

    Args:
        clip: of the probability ratio, traced; None is the plain policy gradient.
        Others as in `outsample.agents.training.train`.
    """
    bars = segment_bars(program, market, job, program["segment"])
    optimiser = optimiser_of(program, hyper)

    def update(state: State, given: Given) -> tuple[State, Curve]:
        batch, reward = _collect(program, numbers, hyper, bars, state.params, given.draws)
        state, losses, entropies = _learn(program, hyper, clip, optimiser, batch, state, given)
        return state, Curve(reward, entropies.mean(), losses.mean(), all_finite((state.params, losses)))

    return update


def weights(state: State) -> Any:
    """Everything that has been learnt, which another run may start from."""
    return state.params


def with_weights(state: State, weights: Any) -> State:
    """A first state with weights of another run; its optimiser knows nothing of that run."""
    return state._replace(params=weights)


def finish(program: Program, state: State) -> Params:
    """The actor; the critic has done its work."""
    return state.params["actor"]


def _heads(program: Program) -> tuple[Head, Head]:
    return program.head(len(program.actions)), program.head(1)


def _initial(program: Program, n_features: int, key: jax.Array) -> dict[str, Params]:
    actor, critic = _heads(program)
    key_actor, key_critic = jax.random.split(key)
    return {
        "actor": initial_params(actor, n_features, key_actor),
        "critic": initial_params(critic, n_features, key_critic),
    }


def _collect(
    program: Program, numbers: RuleNumbers, hyper: Hyper, bars: SegmentBars, params: dict[str, Params], draws: Draws
) -> tuple[Batch, jax.Array]:
    """Roll out the policy and prepare its decisions, in the order of time; also the mean log return per bar."""
    actor, critic = _heads(program)
    logits = row_outputs(actor, params["actor"], bars.features[:-1])[:, :, None] + params["actor"]["table"]
    log_policy = jax.nn.log_softmax(logits)  # [L, G, P, A]
    rollout = roll_out(program, numbers, bars, log_policy, draws, params["actor"].get("account"))

    def with_value(value: jax.Array, numbers: Numbers | None) -> jax.Array:
        return with_account(value[..., None], params["critic"], numbers)[..., 0]

    value_row = row_outputs(critic, params["critic"], bars.features)  # [L+1, G, 1]
    value_held = params["critic"]["table"][:, 0]
    value = with_value(value_row[:-1] + value_held[rollout.position], rollout.numbers)
    estimate = advantages(
        hyper.reward_scale * rewards(program["reward"], rollout, hyper.reward_rate, hyper.drawdown_penalty),
        value,
        with_value(value_row[1:] + value_held[rollout.action], rollout.next_numbers),
        rollout.terminated,
        rollout.valid,
        hyper.discount,
        hyper.gae_lambda,
    )
    mean = _weighted_mean(rollout.valid)
    centre = mean(estimate)
    spread = jnp.sqrt(mean((estimate - centre) ** 2))
    batch = Batch(
        features=bars.features[:-1],
        position=rollout.position,
        action=rollout.action,
        log_probability=_acted(log_policy, rollout, params["actor"]),
        advantage=(estimate - centre) / (spread + _EPSILON),
        value_target=estimate + value,
        weight=rollout.valid.astype(jnp.float32),
        numbers=rollout.numbers,
    )
    if not actor.recurrent:
        rows = batch.features.shape[0] * batch.features.shape[1]
        batch = jax.tree.map(lambda x: x.reshape(rows, *x.shape[2:]), batch)
    return batch, mean(rollout.log_return)


def _acted(log_policy: jax.Array, rollout: Rollout, actor: Params) -> jax.Array:
    """Log-probability [L, G, R] of the actions taken, out of the table [L, G, P, A] of a flat account."""
    if rollout.numbers is not None:
        known = jnp.take_along_axis(log_policy, rollout.position[..., None], axis=2)  # [L, G, R, A]
        acted = jax.nn.log_softmax(with_account(known, actor, rollout.numbers))
        return jnp.take_along_axis(acted, rollout.action[..., None], axis=-1)[..., 0]
    flat = log_policy.reshape(*log_policy.shape[:2], -1)
    return jnp.take_along_axis(flat, rollout.position * log_policy.shape[-1] + rollout.action, axis=-1)


def _learn(
    program: Program,
    hyper: Hyper,
    clip: jax.Array | None,
    optimiser: optax.GradientTransformation,
    batch: Batch,
    state: State,
    given: Given,
) -> tuple[State, jax.Array, jax.Array]:
    """The gradient steps of one update; also the loss and the entropy of each.

    Minibatches are slices of an affine permutation of the rows, i -> (a i + b) mod n, which costs no sort; of a
    recurrent torso, of the segments, each of which is learnt from as a whole.
    With dropout, the ratio of probabilities is that of the network which is left to the one that acted, which is whole.
    """
    actor, critic = _heads(program)
    weight = hyper.entropy if given.update is None else hyper.entropy * (1 - given.update / program["updates"])

    def objective(
        params: dict[str, Params], part: Batch, dropout: tuple[Dropout | None, ...]
    ) -> tuple[jax.Array, jax.Array]:
        of_actor, of_critic = (params[name] for name in ("actor", "critic"))
        held = jax.nn.one_hot(part.position, len(program.actions))  # a product is faster than a gather's gradient
        logits = row_outputs(actor, of_actor, part.features, dropout=dropout[0])[..., None, :]
        logits = with_account(logits + held @ of_actor["table"], of_actor, part.numbers)
        value = row_outputs(critic, of_critic, part.features, dropout=dropout[1]) + (held @ of_critic["table"])[..., 0]
        value = with_account(value[..., None], of_critic, part.numbers)[..., 0]
        return loss(log_probabilities(logits), value, part, clip, weight)

    def step(state: State, part: Batch, key: jax.Array | None) -> tuple[State, tuple[jax.Array, jax.Array]]:
        params, moments = state
        dropout = dropouts(hyper.dropout, key, len(params))
        (value, entropy), gradient = jax.value_and_grad(objective, has_aux=True)(params, part, dropout)
        change, moments = optimiser.update(gradient, moments, params)
        return State(optax.apply_updates(params, change), moments), (value, entropy)

    if given.order is None:
        state, (losses, entropies) = step(state, batch, given.dropout)
        return state, losses, entropies
    axis = 1 if actor.recurrent else 0
    rows = batch.features.shape[axis]
    size = rows // program["minibatches"]
    order = _affine_order(given.order, rows, size)
    shuffled = jax.tree.map(lambda x: x[(slice(None),) * axis + (order,)], batch)
    offsets = given.order.offsets
    keys = None if given.dropout is None else jax.random.split(given.dropout, offsets.size)

    def of_slice(state: State, drawn: tuple[jax.Array, jax.Array | None]) -> tuple[State, tuple[jax.Array, jax.Array]]:
        offset, key = drawn
        part = jax.tree.map(lambda x: jax.lax.dynamic_slice_in_dim(x, offset, size, axis), shuffled)
        return step(state, part, key)

    state, (losses, entropies) = jax.lax.scan(of_slice, state, (offsets, keys))
    return state, losses, entropies


def _multipliers(rows: int) -> np.ndarray:
    """Up to 64 numbers without a common divisor with `rows`, small enough that a * i + b stays below 2^32."""
    largest = min(rows, 2**32 // rows - 1)
    coprime = [a for a in range(1, largest + 1) if math.gcd(a, rows) == 1]
    large = [a for a in coprime if a >= largest // 8]
    return np.array(large)[np.linspace(0, len(large) - 1, min(64, len(large))).astype(int)]


def _drawn_order(program: Program, segments: int, key: jax.Array) -> Order:
    """The order of the minibatches of one update on so many segments, by a key."""
    rows = segments if _heads(program)[0].recurrent else program["segment"] * segments
    minibatches = program["minibatches"]
    key_affine, key_offset = jax.random.split(key)
    key_multiplier, key_shift = jax.random.split(key_affine)
    first = jax.random.randint(key_offset, (program["epochs"], 1), 0, rows)
    return Order(
        multiplier=jax.random.choice(key_multiplier, jnp.array(_multipliers(rows), jnp.uint32)),
        shift=jax.random.randint(key_shift, (), 0, rows).astype(jnp.uint32),
        offsets=(first + rows // minibatches * jnp.arange(minibatches)).reshape(-1) % rows,
    )


def _affine_order(order: Order, rows: int, extra: int) -> jax.Array:
    """A permutation of range(rows), continued by its first `extra` entries so that a slice can wrap around."""
    index = jnp.arange(rows + extra, dtype=jnp.uint32) % rows
    return (order.multiplier * index + order.shift) % rows
