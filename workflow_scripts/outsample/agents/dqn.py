"""Deep Q-network (Mnih et al. 2015) on all pairs of position and action, with its variants as switches on one loss.

Q(features, position, action) = rows(features) + table[position], the form of an actor whose greedy action is taken,
and what the account adds where the policy reads it.
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
from outsample.agents.account import Account, Prices, ages, new_account, next_account, pair_accounts
from outsample.agents.network import Dropout, Head, Params, initial_params, row_outputs, with_account
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
from outsample.market.holding import Numbers

SETTINGS = Dqn
STATIC = (
    *("account_inputs", "batch", "layers", "segment", "steps", "torso", "units", "updates"),
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
    prices: Prices | None  # where the account is read


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
    age: jax.Array | None  # [B] bars for which the position has been held, where the account is read


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

    return {name: jax.tree.map(merge, of) if name in ("out", "table", "account") else of for name, of in params.items()}


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

    All pairs: of bars, or for a recurrent torso of whole segments, drawn with replacement; where the policy reads its
    account, an age of the positions is drawn with each bar. Sampled: one walker in each segment first takes `steps`
    decisions, which replace the oldest of `replay`; then the batches are drawn from those. The slow copy follows by
    target_rate of the way in each step (Polyak averaging). The curve is that of the greedy policy before the update.

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
        plain = merged(network.params, program["dueling"])
        greedy = _greedy(program, bars, plain)
        walk = _walk_with_account(program, bars, plain) if "account" in plain else _walk(program, greedy)
        reward = _mean_return(hyper, bars, outcomes, walk)
        if past is None:
            row, *age = draw
            batches = Batch(row, _pair_weights(program, outcomes, row), None, age[0] if age else None)
            network, (losses, _) = jax.lax.scan(step, network, (batches, keys))
        else:
            past, place, batches = _recall(program, hyper, outcomes, job, past, greedy, *draw)
            network, (losses, errors) = jax.lax.scan(step, network, (batches, keys))
            if errors is not None:
                past = Past(past.walkers, replay.reprioritise(past.memory, place, errors, hyper.priority_exponent))
        finite = all_finite((network.params, losses))
        return State(network, past), Curve(reward, jnp.zeros(()), losses.mean(), finite)

    return update


def weights(state: State) -> Params:
    """Everything that has been learnt, which another run may start from."""
    return state.network.params


def with_weights(state: State, weights: Params) -> State:
    """A first state with weights of another run, in the slow copy too; its optimiser knows nothing of that run."""
    return state._replace(network=state.network._replace(params=weights, slow=weights))


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

    prices = None
    if program["account_inputs"]:
        first = jnp.ones_like(bars.close[:1])
        prices = Prices(*(flat(jnp.concatenate([first, later])) for later in (bars.fill, bars.close)))
    reward = hyper.reward_scale * flat(log_return)
    return Outcomes(flat(bars.features), reward, flat(ruined), flat(_left(program, job)), prices)


def _bar_draws(program: Program, job: Job, key: jax.Array) -> tuple[None, tuple[jax.Array, ...]]:
    """Rows [updates, steps, batch] of all pairs, and ages where the account is read; there is nothing to remember.

    For a recurrent torso they are those of whole segments, in the order of [time, segment] in each batch.
    """
    length, segments, batches = program["segment"], len(job.length), (program["updates"], program["steps"])
    key_row, key_age = jax.random.split(key) if program["account_inputs"] else (key, key)
    if _head(program).recurrent:
        first = jax.random.randint(key_row, (*batches, 1, max(program["batch"] // length, 1)), 0, segments)
        row = (first + segments * jnp.arange(length)[:, None]).reshape(*batches, -1)
    else:
        left = _left(program, job).reshape(-1)
        usable = jnp.nonzero(left > 0, size=len(left), fill_value=0)[0]
        row = usable[jax.random.randint(key_row, (*batches, program["batch"]), 0, (left > 0).sum())]
    if not program["account_inputs"]:
        return None, (row,)
    return None, (row, ages(row // segments, jax.random.uniform(key_age, row.shape)))


def _pair_weights(program: Program, outcomes: Outcomes, row: jax.Array) -> jax.Array:
    """Weights of all pairs at rows of any shape: 1, but 0 beyond the end of a segment, which only a whole one has."""
    shape = (*row.shape, *outcomes.reward.shape[1:])
    if not _head(program).recurrent:
        return jnp.ones(shape)
    return jnp.broadcast_to(outcomes.left[row][..., None, None] > 0, shape).astype(jnp.float32)


def _sampled_draws(program: Program, job: Job, key: jax.Array) -> tuple[Past, tuple[jax.Array, ...]]:
    """A past of random decisions; for each update the draws of the walkers, those of the batches, and its number."""
    updates, steps, positions = program["updates"], program["steps"], len(program.actions)
    slots = replay.slots_of(program["replay"], len(job.length), steps, program["n_step"])
    key_past, key_walk, key_batch = jax.random.split(key, 3)
    walk = jax.random.uniform(key_walk, (updates, steps, 3, len(job.length)))
    batch = jax.random.uniform(key_batch, (updates, steps, program["batch"]))
    return Past(*replay.start(job.length, slots, positions, key_past)), (walk, batch, jnp.arange(updates))


def _recall(
    program: Program,
    hyper: Hyper,
    outcomes: Outcomes,
    job: Job,
    past: Past,
    greedy: jax.Array,
    walk: jax.Array,
    batch: jax.Array,
    update: jax.Array,
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
        progress = jnp.linspace(0.0, 1.0, program["updates"])[update]
        correction = hyper.priority_correction + (1 - hyper.priority_correction) * progress
        weight = weight * replay.importance(decisions.priority, correction)[..., None, None]
    return Past(walkers, memory), place, Batch(decisions.row, weight, jnp.moveaxis(decisions.path, 0, 1), None)


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

    known = kept = taken = None
    if batch.age is not None and outcomes.prices is not None:
        known, kept, taken = pair_accounts(outcomes.prices, batch.row, batch.age, segments, program.actions)

    def values(params: Params, seen: jax.Array, numbers: Numbers | None, dropout: Dropout | None = None) -> jax.Array:
        plain = merged(params, program["dueling"])
        return with_account(outputs(plain, seen, dropout=dropout)[..., None, :] + plain["table"], plain, numbers)

    def targets_at(numbers: Numbers | None) -> jax.Array:
        return td_targets(
            outcomes.reward[now],
            outcomes.terminated[now],
            outcomes.left[batch.row] <= jnp.arange(1, n_step + 1)[:, None],
            values(network.params, seen[1:], numbers),
            values(network.slow, seen[1:], numbers),
            hyper.discount,
            program["double"],
            batch.path,
        )

    targets = targets_at(taken)
    if kept is not None:  # a position that is kept has another account at the next close than one just taken
        targets = jnp.where(jnp.eye(len(program.actions), dtype=bool), targets_at(kept), targets)

    def objective(params: Params) -> tuple[jax.Array, jax.Array]:
        found = values(params, seen[0], known, dropout)
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


def _walk(program: Program, choice: jax.Array) -> jax.Array:
    """Pairs [L, G] of the greedy policy, from flat, by its choices [L, G, P]."""
    positions = jnp.arange(len(program.actions))

    def advance(position: jax.Array, choices: jax.Array) -> tuple[jax.Array, jax.Array]:
        action = jnp.where(position[:, None] == positions, choices, 0).sum(-1)
        return action, position * len(positions) + action

    flat = jnp.full(choice.shape[1], program.actions.index(0))
    return jax.lax.scan(advance, flat, choice)[1]


def _walk_with_account(program: Program, bars: SegmentBars, plain: Params) -> jax.Array:
    """Pairs [L, G] of the greedy policy, from flat, where it reads its account."""
    rows, actions = row_outputs(_head(program), plain, bars.features[:-1]), jnp.array(program.actions, jnp.float32)

    def advance(state: tuple[jax.Array, Account], bar: tuple[jax.Array, ...]):  # type: ignore[no-untyped-def]
        position, account = state
        row, fill, close = bar
        action = with_account(row + plain["table"][position], plain, account.numbers).argmax(-1)
        account = next_account(account, actions[action], fill, close)
        return (action, account), position * len(actions) + action

    flat = jnp.full(rows.shape[1], program.actions.index(0))
    state = (flat, new_account(jnp.zeros(flat.shape)))
    return jax.lax.scan(advance, state, (rows, bars.fill, bars.close))[1]


def _mean_return(hyper: Hyper, bars: SegmentBars, outcomes: Outcomes, pair: jax.Array) -> jax.Array:
    """Mean net log return per bar of pairs [L, G] over the segments."""
    taken = jnp.take_along_axis(outcomes.reward.reshape(pair.size, -1), pair.reshape(-1, 1), axis=-1)[:, 0]
    valid = bars.valid.reshape(-1)
    return jnp.where(valid, taken, 0.0).sum() / (hyper.reward_scale * valid.sum())
