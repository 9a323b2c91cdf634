"""Direct reinforcement: the exact gradient of the net return through the market, recurrent in the own position.

The policy is trained as a mixture: it holds a share of each action, and its position is their mean. The market is
differentiable, so the gradient of what the mixture earns, after costs, is exact and nothing is sampled. Decisions are
greedy (`outsample.agents.decide`), as those of every agent. One training run is one pure function.
Reference: Moody and Saffell (2001), Learning to Trade via Direct Reinforcement.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from outsample.agents.network import Dropout, Params, account_outputs, initial_params, row_outputs
from outsample.agents.rollout import RUIN_RETURN, SegmentBars, segment_bars
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
    market_rules,
    optimiser_of,
)
from outsample.config.agents import Direct
from outsample.market import accounting
from outsample.market.holding import Numbers, policy_numbers

SETTINGS = Direct
STATIC = (
    *("account_inputs", "layers", "objective", "segment", "torso", "units", "updates"),
    *("learning_rate_schedule", "patience"),
)
_SCALE = 100.0  # of log returns, so that their gradients stand well above Adam's epsilon
_LEAST_VARIANCE = 1e-8  # keeps the Sharpe ratio of a flat policy, and its gradient, finite
_ASK_AGAIN = jnp.inf  # no target of a sleeve, so that every bar is a change of target
_LEAST_SHARE = 1e-6  # below it what a share knows of its account is only nearly right, and its gradient is finite


class Hyper(NamedTuple):
    """The traced hyper-parameters, float32."""

    learning_rate: jax.Array
    weight_decay: jax.Array
    gradient_norm: jax.Array | None = None
    dropout: jax.Array | None = None


class Held(NamedTuple):
    """What the mixture did in a pass over all segments."""

    share: jax.Array  # [L, G, A] share of each action after the decision of step t
    log_return: jax.Array  # [L, G] net log return from the close of step t to the next close
    valid: jax.Array  # [L, G] bool: the decision is inside the segment and its sleeve was not ruined before


class Mixed(NamedTuple):
    """What the mixture knows of its account: of each action the mean over all that the share holding it is made of."""

    gain: jax.Array  # [G, A] unrealised result, log return at the size of the action
    bars: jax.Array  # [G, A] closes since the fill, 0 of the flat action


def mixed_account(
    account: Mixed, before: jax.Array, share: jax.Array, actions: jax.Array, move: jax.Array, since_fill: jax.Array
) -> Mixed:
    """The account at the close after the shares have been brought from `before` to `share`, by average cost.

    Of a share that has grown from b to s the part b / s goes on, and the rest was filled in this bar; of one that has
    shrunk all goes on. For shares of 0 and 1 this is `outsample.market.holding.advance`.

    Args:
        account: at the close of the decision.
        before, share: [G, A] shares before and after the decision.
        actions: [A].
        move, since_fill: [G] log return of the price from that close, and from the fill, to the next close.
    """
    grows = share > before
    kept = jnp.where(grows, before / jnp.where(grows, jnp.maximum(share, _LEAST_SHARE), 1.0), 1.0)
    gain = kept * (account.gain + actions * move[:, None]) + (1 - kept) * actions * since_fill[:, None]
    return Mixed(gain, jnp.where(actions == 0, 0.0, kept * account.bars + 1.0))


def hold(
    program: Program,
    numbers: RuleNumbers,
    bars: SegmentBars,
    rows: jax.Array,
    table: jax.Array,
    weights: jax.Array | None = None,
) -> Held:
    """Let the mixture trade every segment from flat; differentiable in `rows`, `table` and `weights`.

        p_t = softmax(rows_t + p_(t-1) table + p_(t-1) n_t weights),   target_t = sum over actions of p_t * action

    with the numbers n_t [A, 2] of the account of each action (`mixed_account`), where the policy reads them.
    The target goes through the market as it is, not rounded to the grid, and is asked for anew at every bar, so that
    drift is traded back. The end of a segment truncates: nothing is closed and nothing flows on. Ruin ends a segment
    with `RUIN_RETURN`, which has no gradient.

    Args:
        rows: [L, G, A] outputs of the network for each bar.
        table: [A, A] outputs of each held position.
        weights: [2, A] outputs of the account's numbers; None where they are not read.
    """
    actions = jnp.array(program.actions, rows.dtype)
    rules = market_rules(program, numbers._replace(grid=None))

    def advance(state: tuple[Any, ...], bar: tuple[Any, ...]):  # type: ignore[no-untyped-def]
        sleeve, equity, share, account = state
        row, fill, close, moves = bar
        preference = row + (share[..., None] * table).sum(-2)  # a product would not be fused
        if weights is not None:
            known = Numbers(*((share * of_action).sum(-1) for of_action in policy_numbers(jnp, *account)))
            preference = preference + account_outputs(weights, known)
        before, share = share, jax.nn.softmax(preference)
        if weights is not None:
            account = mixed_account(account, before, share, actions, *moves)
        target = (share * actions).sum(-1)
        after, result = accounting.step(jnp, sleeve._replace(target=_ASK_AGAIN), target, fill, close, rules)
        whole = jnp.where(result.ruined, 1.0, equity)  # on both sides of the division: its gradient must be finite
        log_return = jnp.log(jnp.where(result.ruined, 1.0, result.equity) / whole)
        ruin = result.ruined & ~sleeve.ruined
        state = (after, result.equity, share, account)
        return state, (share, jnp.where(ruin, RUIN_RETURN, log_return), ~sleeve.ruined)

    flat = jnp.broadcast_to(actions == 0, rows.shape[1:]).astype(rows.dtype)
    equity = jnp.ones(rows.shape[1], rows.dtype)
    account = moves = None
    if weights is not None:
        account = Mixed(jnp.zeros_like(flat), jnp.zeros_like(flat))
        before = jnp.concatenate([jnp.ones_like(bars.close[:1]), bars.close[:-1]])  # close at which step t is decided
        moves = jnp.log(bars.close / before), jnp.log(bars.close / bars.fill)
    state = (accounting.start(jnp, equity), equity, flat, account)
    series = (rows, bars.fill, bars.close, moves)
    _, (share, log_return, alive) = jax.lax.scan(advance, state, series)
    return Held(share, log_return, alive & bars.valid)


def objective(name: str, log_return: jax.Array, valid: jax.Array) -> jax.Array:
    """100 times the mean net log return a bar ("return"), or its ratio to the standard deviation ("sharpe").

    Both are over all valid bars of all segments. The Sharpe ratio does not depend on the size of the position, so that
    the mixture need not make up its mind, and greedy decisions, which take its largest share for the whole, trade
    more than it does.

    Args:
        name: "return" or "sharpe".
        log_return, valid: [L, G].
    Reference: Moody and Saffell (2001), eq. 5 and 11; of the whole series, not the differential form of one bar.
    """
    mean = _mean_of(valid)
    average = mean(log_return)
    if name == "return":
        return _SCALE * average
    return average / jnp.sqrt(mean((log_return - average) ** 2) + _LEAST_VARIANCE)


def _mean_of(valid: jax.Array):  # type: ignore[no-untyped-def]
    total = jnp.maximum(valid.sum(), 1)
    return lambda x: jnp.where(valid, x, 0.0).sum() / total


class State(NamedTuple):
    """What one update hands to the next."""

    params: Params
    moments: optax.OptState


def begin(
    program: Program, market: MarketArrays, numbers: RuleNumbers, hyper: Hyper, job: Job
) -> tuple[State, jax.Array | None]:
    """The first state, and what chance gives to each update: the key of dropout, where there is any."""
    params = initial_params(program.head(len(program.actions)), market.features.shape[-1], job_key(job))
    return State(params, optimiser_of(program, hyper).init(params)), dropout_keys(hyper, job, program["updates"])


def updater(
    program: Program, market: MarketArrays, numbers: RuleNumbers, hyper: Hyper, job: Job
) -> Callable[[State, jax.Array | None], tuple[State, Curve]]:
    """The update: a full-series gradient step of AdamW; the curve is that of the mixture, of the units that are left.

    Args: as in `outsample.agents.training.train`.
    """
    bars = segment_bars(program, market, job, program["segment"])
    head, optimiser = program.head(len(program.actions)), optimiser_of(program, hyper)

    def loss(params: Params, dropout: Dropout | None) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
        rows = row_outputs(head, params, bars.features[:-1], dropout=dropout)
        held = hold(program, numbers, bars, rows, params["table"], params.get("account"))
        mean = _mean_of(held.valid)
        entropy = mean(jax.scipy.special.entr(held.share).sum(-1))
        return -objective(program["objective"], held.log_return, held.valid), (mean(held.log_return), entropy)

    def update(state: State, key: jax.Array | None) -> tuple[State, Curve]:
        (dropout,) = dropouts(hyper.dropout, key, 1)
        (value, (reward, entropy)), gradient = jax.value_and_grad(loss, has_aux=True)(state.params, dropout)
        change, moments = optimiser.update(gradient, state.moments, state.params)
        params = optax.apply_updates(state.params, change)
        return State(params, moments), Curve(reward, entropy, value, all_finite((params, value)))

    return update


def weights(state: State) -> Any:
    """Everything that has been learnt, which another run may start from."""
    return state.params


def with_weights(state: State, weights: Any) -> State:
    """A first state with weights of another run; its optimiser knows nothing of that run."""
    return state._replace(params=weights)


def finish(program: Program, state: State) -> Params:
    """The actor."""
    return state.params
