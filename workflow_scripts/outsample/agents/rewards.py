"""What PPO and A2C are rewarded for: functions of the net log returns of a rollout, each segment from its start."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from outsample.agents.rollout import Rollout

_LEAST_DEVIATION = 1e-3
"""Least standard deviation of the log return per bar in the differential Sharpe ratio.

The statistics start at 0 and stay there while nothing is held, and the first returns after that would be divided by
next to nothing.
"""
_UNIT = 0.01
"""Log return that counts as much as a differential Sharpe ratio of 1: about what a bar earns that gives one."""
_RISK_ADJUSTED, _CHANGE = 0.7, 0.3


def rewards(name: str, rollout: Rollout, rate: jax.Array | float, penalty: jax.Array | float) -> jax.Array:
    """Rewards of the steps of a rollout, before `reward_scale`; in the unit of a log return.

        log_return           R_t, the net log return of step t
        differential_sharpe  0.01 D_t
        mixed                0.7 * 0.01 D_t + 0.3 R_t - penalty * max(d_t - d_(t-1), 0)

    D_t is `differential_sharpe`, d_t is `drawdown`. The step of ruin is rewarded by R_t = RUIN_RETURN whatever the
    name: D_t is a first-order expansion, which such a return leaves (after losses it would even praise it).

    Args:
        name: static.
        rollout: [L, G, R]; every segment and pass starts without a past. Its last step truncates, as ever.
        rate: adaptation rate of D_t.
        penalty: weight of the increase of drawdown.
    Returns: [L, G, R].
    """
    if name == "log_return":
        return rollout.log_return
    reward = _UNIT * differential_sharpe(rollout.log_return, rate)
    if name == "mixed":
        fall = drawdown(rollout.log_return)
        rise = jnp.maximum(jnp.diff(fall, axis=0, prepend=0.0), 0.0)
        reward = _RISK_ADJUSTED * reward + _CHANGE * rollout.log_return - penalty * rise
    return jnp.where(rollout.terminated, rollout.log_return, reward)


def differential_sharpe(log_return: jax.Array, rate: jax.Array | float) -> jax.Array:
    """What each return adds to the Sharpe ratio per bar of a moving average, per unit of the rate; a pure number.

        D_t = (B_(t-1) (R_t - A_(t-1)) - A_(t-1) (R_t^2 - B_(t-1)) / 2) / max(B_(t-1) - A_(t-1)^2, 0.001^2)^(3/2)
        A_t = A_(t-1) + rate (R_t - A_(t-1)),   B_t = B_(t-1) + rate (R_t^2 - B_(t-1)),   A_(-1) = B_(-1) = 0

    D_0 is 0, for nothing is known yet. In the paper the variance has no lower bound.

    Args:
        log_return: [L, ...] R_t, net log return from the close of step t to the next close.
        rate: in (0, 1); 1 / rate is about the number of bars that are remembered.
    Returns: [L, ...].
    Reference: Moody and Saffell (2001), Learning to Trade via Direct Reinforcement, the differential Sharpe ratio.
    """

    def advance(past: tuple[jax.Array, jax.Array], now: jax.Array) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
        mean, square = past
        more, squarer = now - mean, now**2 - square
        deviation = jnp.sqrt(jnp.maximum(square - mean**2, _LEAST_DEVIATION**2))
        ratio = (square * more - mean * squarer / 2) / deviation**3
        return (mean + rate * more, square + rate * squarer), ratio

    zero = jnp.zeros_like(log_return[0])
    return jax.lax.scan(advance, (zero, zero), log_return)[1]


def drawdown(log_return: jax.Array) -> jax.Array:
    """Fall of equity from its highest value since the start of the segment, as a fraction of that value.

        d_t = 1 - E_t / max(1, E_0, .., E_t),   E_t = exp(R_0 + .. + R_t)

    Args:
        log_return: [L, ...] R_t, net log return of step t.
    Returns: [L, ...] in [0, 1), after step t.
    """
    grown = jnp.cumsum(log_return, axis=0)
    return -jnp.expm1(grown - jnp.maximum(jax.lax.cummax(grown, axis=0), 0.0))
