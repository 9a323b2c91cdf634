"""The market as training meets it: rollouts of a policy through all segments at once, one sleeve for each segment and
pass, and the outcome of every pair of position and action at every bar.
"""

from __future__ import annotations

from functools import reduce
from itertools import accumulate
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from outsample.agents.account import new_account, next_account
from outsample.agents.network import account_outputs
from outsample.agents.scaling import scaled
from outsample.agents.training import Job, MarketArrays, Program, RuleNumbers, market_rules
from outsample.market import accounting
from outsample.market.holding import Numbers

RUIN_RETURN = -10.0
"""Log return that stands for ruin, where the log of equity is undefined: a fall to about 1/20,000."""


class SegmentBars(NamedTuple):
    """The bars of all segments. Beyond the end of a short segment its last row is repeated, and `valid` is false."""

    features: jax.Array  # [L+1, G, F] scaled
    fill: jax.Array  # [L, G] price at which the target of step t is filled, close of the segment's first row = 1
    close: jax.Array  # [L, G] close of the bar after step t, in the same unit
    valid: jax.Array  # [L, G] bool


class Rollout(NamedTuple):
    """What happened in a rollout; all [L, G, R] for R passes."""

    position: jax.Array  # index of the target held before the decision
    action: jax.Array  # index of the target chosen
    log_return: jax.Array  # net log return from the close of step t to the next close
    terminated: jax.Array  # bool: ruined at this step
    valid: jax.Array  # bool: the decision is inside the segment and its sleeve was not ruined before
    numbers: Numbers | None  # what the policy read of its account at the decision, if it does
    next_numbers: Numbers | None  # what it reads at the next close


class Draws(NamedTuple):
    """What chance gives to a rollout of G segments in R passes."""

    key: jax.Array  # of the uniform numbers [L, G, R], which are too many to be drawn before the rollout
    start: jax.Array  # [G, R] index of the target held at the start


def rollout_draws(key: jax.Array, segments: int, passes: int, positions: int) -> Draws:
    """What chance gives by a key; start positions are uniform over the actions."""
    key_draw, key_start = jax.random.split(key)
    return Draws(key_draw, jax.random.randint(key_start, (segments, passes), 0, positions))


def segment_bars(program: Program, market: MarketArrays, job: Job, length: int) -> SegmentBars:
    """Collect the rows of all segments, [time, segment]; no other row can reach the learner."""
    time = jnp.arange(length + 1)[:, None]
    rows = job.start + jnp.minimum(time, job.length)
    close = market.close[rows]
    fill = market.open[rows] if program.fill == "next_open" else close
    unit = close[:1]
    return SegmentBars(
        features=scaled(market.features[rows], job.center, job.scale),
        fill=fill[1:] / unit,
        close=close[1:] / unit,
        valid=time[:-1] < job.length,
    )


def roll_out(
    program: Program,
    numbers: RuleNumbers,
    bars: SegmentBars,
    log_policy: jax.Array,
    draws: Draws,
    weights: jax.Array | None = None,
) -> Rollout:
    """Sample decisions and account for them by the market, from the start positions that were drawn.

    The uniform numbers of all decisions are drawn in one call. Where the position is all that a policy knows of its
    account, they are turned into the action for each position that could be held, so that the scan over time is left
    with the accounting; else into an action once the account is known.

    Args:
        log_policy: [L, G, P, A] log-probabilities of the actions for each position, the rest of the account flat.
        draws: see `rollout_draws`.
        weights: [2, A] what the account's numbers add to them before they are normalised; None is a policy that does
            not read them. A start position counts as filled at the first close.
    """
    steps, _, positions = log_policy.shape[:3]
    held = draws.start
    draw = jax.random.uniform(draws.key, (steps, *held.shape))
    choice: jax.Array | tuple[jax.Array, jax.Array] = (log_policy, draw)
    if weights is None:
        probabilities = jnp.exp(log_policy)[:, :, None]
        below = accumulate(probabilities[..., action] for action in range(log_policy.shape[-1] - 1))
        drawn = [(draw[..., None] > cumulative).astype(jnp.int32) for cumulative in below]
        choice = reduce(jnp.add, drawn)  # [L, G, R, P]
    actions = jnp.array(program.actions, jnp.float32)
    rules = market_rules(program, numbers)

    def advance(state: tuple[Any, ...], bar: tuple[Any, ...]):  # type: ignore[no-untyped-def]
        sleeve, equity, position, account = state
        choices, fill, close = bar
        if weights is None:
            action = jnp.where(position[..., None] == jnp.arange(positions), choices, 0).sum(-1)
        else:
            action = _drawn(choices, position, account.numbers, weights)
            account = next_account(account, actions[action], fill[:, None], close[:, None])
        after, result = accounting.step(jnp, sleeve, actions[action], fill[:, None], close[:, None], rules)
        ruin = result.ruined & ~sleeve.ruined
        log_return = _log_return(result, equity, ruin)
        known = None if weights is None else account.numbers
        return (after, result.equity, action, account), (position, action, log_return, ruin, ~sleeve.ruined, known)

    sleeve = _holding(actions[held])
    equity = jnp.ones_like(sleeve.cash)
    account = None if weights is None else new_account(actions[held])
    _, (position, action, log_return, ruin, alive, later) = jax.lax.scan(
        advance, (sleeve, equity, held, account), (choice, bars.fill, bars.close)
    )
    known = None
    if account is not None:
        known = jax.tree.map(lambda first, then: jnp.concatenate([first[None], then[:-1]]), account.numbers, later)
    return Rollout(position, action, log_return, ruin, alive & bars.valid[..., None], known, later)


def _drawn(
    choices: tuple[jax.Array, jax.Array], position: jax.Array, numbers: Numbers, weights: jax.Array
) -> jax.Array:
    """Actions [G, R] of log-probabilities [G, P, A] by uniform draws [G, R], at positions and numbers [G, R]."""
    log_policy, draw = choices
    here = position[..., None] == jnp.arange(log_policy.shape[1])
    known = jnp.where(here[..., None], log_policy[:, None], 0.0).sum(-2)
    cumulative = jnp.cumsum(jax.nn.softmax(known + account_outputs(weights, numbers)), -1)
    return (draw[..., None] > cumulative[..., :-1]).sum(-1)


def _holding(target: jax.Array) -> accounting.Sleeve:
    """Sleeves of an equity of 1 at a close of 1 that hold just these targets."""
    return accounting.start(jnp, jnp.ones_like(target))._replace(
        cash=1 - target, units=target, target=target, borrowed=jnp.maximum(-target, 0)
    )


def _log_return(result: accounting.BarResult, equity: jax.Array, ruin: jax.Array) -> jax.Array:
    growth = jnp.where(result.ruined, 1.0, result.equity / equity)
    return jnp.where(ruin, RUIN_RETURN, jnp.log(growth))


def pair_returns(program: Program, numbers: RuleNumbers, bars: SegmentBars) -> tuple[jax.Array, jax.Array]:
    """Net log return and ruin of every decision that could be taken, [L, G, P, A] for position and action.

    This is known beforehand only because a decision moves no price (a market without impact). A position counts as
    exactly its target at the close before the decision, as the policy sees it; within a rollout a short that is kept
    drifts from it. The sleeve's past is in nothing else.
    """
    actions = jnp.array(program.actions, jnp.float32)
    before = jnp.concatenate([jnp.ones_like(bars.close[:1]), bars.close[:-1]])  # close at which step t is decided
    fill, close = (price[..., None, None] / before[..., None, None] for price in (bars.fill, bars.close))
    held, target = jnp.meshgrid(actions, actions, indexing="ij")  # [P, A]
    shape = jnp.broadcast_shapes(fill.shape, held.shape)
    sleeve = _holding(jnp.broadcast_to(held, shape))
    _, result = accounting.step(jnp, sleeve, target, fill, close, market_rules(program, numbers))
    return _log_return(result, jnp.ones(shape), result.ruined), result.ruined
