"""What a decider knows of its own position: the target it holds, the price of its entry and how long it has held it.

Written with array operations only, as `outsample.market.accounting`: NumPy float64 in evaluation, package and paper
trading, jax.numpy float32 in training. Nothing depends on the scale of the prices.
"""

from __future__ import annotations

from typing import Any, NamedTuple

Array = Any  # numpy.ndarray or jax.Array of any shape [...]

LARGEST_GAIN = 0.2  # log return; what lies beyond +-0.2 looks alike to a policy
LONGEST = 60  # bars; longer holdings look alike to a policy
_GAIN_UNIT = 0.1  # log return that a policy reads as 1


class Holding(NamedTuple):
    """The position of a decider at the close of a bar; arrays of one shape [...]."""

    position: Array  # target held, signed fraction of equity: as decided, not as prices have moved it since
    entry: Array  # price at which that target was first filled, currency; means nothing while flat
    bars: Array  # closes since that fill, the one at hand counted; 0 while flat


class Numbers(NamedTuple):
    """The two numbers that a network reads of a holding, about 1 in size; arrays [...]."""

    gain: Array  # clip(unrealised, -0.2, 0.2) / 0.1
    age: Array  # min(log(1 + bars) / log(1 + 60), 1)


def flat(xp: Any, shape: tuple[int, ...]) -> Holding:
    """Positions of 0; `xp` is numpy or jax.numpy."""
    return Holding(xp.zeros(shape), xp.ones(shape), xp.zeros(shape))


def advance(xp: Any, holding: Holding, target: Array, fill: Array) -> Holding:
    """The position at the close of bar t+1, after the target that was decided at the close of bar t has been filled.

    Another target starts anew, with the fill of bar t+1 as its entry. The same target goes on from its entry, whatever
    is traded to bring a drifted position back to it.

    Args:
        xp: numpy or jax.numpy.
        holding: at the close of bar t.
        target: decided there, signed fraction of equity; shape of the holding, as is `fill`.
        fill: price of bar t+1 at which it is filled (`outsample.market.accounting.fill_prices`), currency, > 0.
    >>> import numpy as np
    >>> held = advance(np, flat(np, (2,)), np.array([1.0, 0.0]), np.array([10.0, 10.0]))
    >>> held = advance(np, held, np.array([1.0, -1.0]), np.array([12.0, 12.0]))
    >>> held.position.tolist(), held.entry.tolist(), held.bars.tolist()
    ([1.0, -1.0], [10.0, 12.0], [2.0, 1.0])
    """
    kept = target == holding.position
    return Holding(
        position=target,
        entry=xp.where(kept, holding.entry, fill),
        bars=xp.where(target == 0, 0.0, xp.where(kept, holding.bars, 0.0) + 1.0),
    )


def unrealised(xp: Any, holding: Holding, close: Array) -> Array:
    """position * log(close / entry): log return of the price since the entry at the size of the target, before costs.

    Args:
        close: of the bar at hand, currency, > 0.
    """
    return holding.position * xp.log(close / holding.entry)


def policy_numbers(xp: Any, unrealised: Array, bars: Array) -> Numbers:
    """What a network reads of an unrealised log return [...] and of the closes since the fill [...]."""
    age = xp.log1p(bars) / xp.log1p(xp.asarray(float(LONGEST)))
    return Numbers(xp.clip(unrealised, -LARGEST_GAIN, LARGEST_GAIN) / _GAIN_UNIT, xp.minimum(age, 1.0))
