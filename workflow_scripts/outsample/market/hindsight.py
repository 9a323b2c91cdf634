"""The best that could have been earned on a series of bars by who knew all of it: a bound, and no strategy.

Found by dynamic programming over the positions, with every cost, and accounted for by the same `step` as everything
else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from outsample.market.accounting import Floats, MarketRules, Sleeve, fill_prices, start, step, to_grid

Index = NDArray[np.int64]


class Hindsight(NamedTuple):
    """The best targets of a series, and what they earn from flat to flat."""

    targets: Floats  # [T] asked for at the close of each bar; 0 in the last two rows
    log_return: float  # log of the equity at the end over that at the start


def best_in_hindsight(
    open: ArrayLike, close: ArrayLike, rules: MarketRules, actions: Sequence[float] = (-1.0, 0.0, 1.0)
) -> Hindsight:
    """The targets that earn most net of costs, from flat to flat as in `simulate`, had all bars been known in advance.

    At each bar the accounts that could still become the best are kept, for each target held: cash and units say what
    an account can become, because what is left of it at a later fill is cash + a * units, times a constant, with a near
    the price of that fill. One account is dropped where another with the same target is worth no less at every a that
    can still matter (see `_best_accounts`). The result is exact where `rules.band` is 0. With a band it is the return
    of the sequence that is given back, which others may exceed by the cost of the trades that the band forces.

    The time is O(T A^2 K) for A actions and K kept accounts a target: 1 when flat, and about as many when short as
    there are earlier bars whose price has not been reached since, because a short position drifts with the price.

    Args:
        open, close: [T] adjusted prices, > 0.
        rules: costs and limits; shares are divisible.
        actions: the targets that may be asked for, fractions of equity; 0 among them.
    Raises: ValueError where 0 is no action, or positions are whole shares.
    Reference: Bellman (1957), Dynamic Programming, chapter 1.
    >>> rules = MarketRules("next_close", 0.01, 0.0, short_selling=True, grid=0.01, band=0.0)
    >>> best = best_in_hindsight([1, 1, 2, 1, 1], [1, 1, 2, 1, 1], rules)
    >>> best.targets[:2].tolist(), round(math.exp(best.log_return), 4)  # it buys, doubles, and turns short
    ([1.0, -1.0], 2.9018)
    """
    if rules.whole_shares:
        raise ValueError("the best in hindsight is of divisible shares; replace whole_shares by False")
    if 0 not in actions:
        raise ValueError("0 must be among the actions: a span begins and ends flat")
    closes = np.asarray(close, dtype=np.float64)
    fills = np.asarray(fill_prices(open, closes, rules), dtype=np.float64)
    floors = (1.0 - rules.cost_rate) * _least_after(np.minimum(fills, closes))
    asked = np.unique(to_grid(np, np.asarray(actions, dtype=np.float64), rules))
    accounts, exponent, last = start(np, np.ones(1)), 0, len(closes) - 1
    origins: list[tuple[Index, Floats]] = []  # of each bar: which account of the bar before, and the target asked for
    for t in range(1, len(closes)):
        targets = np.zeros(1) if t == last else asked
        accounts, kept = _advance(accounts, targets, fills[t], closes[t], floors[t], rules)
        origins.append((kept // len(targets), targets[kept % len(targets)]))
        accounts, shift = _rescaled(accounts, closes[t])
        exponent += shift
    log_return = math.log(accounts.cash[0]) + exponent * math.log(2.0) if origins else 0.0
    return Hindsight(_traced_back(origins, len(closes)), log_return)


def _advance(
    accounts: Sleeve, targets: Floats, fill: float, close: float, floor: float, rules: MarketRules
) -> tuple[Sleeve, Index]:
    """Every account under every target, one bar on; those kept, and their places in the table [accounts, targets]."""
    columns = Sleeve(*(field[:, None] for field in accounts))
    after, _ = step(np, columns, targets[None, :], np.float64(fill), np.float64(close), rules)
    flat = Sleeve(*(field.ravel() for field in after))
    places = np.arange(len(flat.cash))
    alive = places[~flat.ruined]
    kept = np.concatenate(
        [
            alive[of_target][_best_accounts(flat.cash[alive[of_target]], flat.units[alive[of_target]], floor)]
            for of_target in (places[alive] % len(targets) == j for j in range(len(targets)))
        ]
    )
    return Sleeve(*(field[kept] for field in flat)), kept


def _best_accounts(cash: Floats, units: Floats, floor: float) -> Index:
    """Places of the accounts, all of one target, of which none is worth at least as much in every future.

    A long account matters at every a >= floor, a short one from the floor up to the price cash / -units that ruins it;
    in between its worth is linear. So one account dominates another where it is worth no less at the floor, and holds
    no fewer units when long, or is ruined no earlier when short.

    Args:
        floor: (1 - cost rate) times the least price that is still to come.
    """
    worth = cash + floor * units
    if len(worth) < 2:
        return np.arange(len(worth))
    if (units == 0).all():
        return np.array([worth.argmax()])
    second = units if units.max() > 0 else cash / -units
    order = np.lexsort((-second, -worth))
    best_before = np.maximum.accumulate(second[order])[:-1]
    return order[np.r_[True, second[order][1:] > best_before]]


def _least_after(prices: Floats) -> Floats:
    """[T] the least of the prices after each row; the last row has none, and its own."""
    later = np.append(prices[1:], prices[-1:])
    return np.asarray(np.minimum.accumulate(later[::-1])[::-1])


def _rescaled(accounts: Sleeve, close: float) -> tuple[Sleeve, int]:
    """The accounts in a currency of 2^shift, in which the richest holds about 1: long series must not overflow."""
    shift = math.frexp(float((accounts.cash + accounts.units * close).max()))[1]
    unit = math.ldexp(1.0, -shift)  # a power of two, so that nothing is rounded
    return accounts._replace(
        cash=accounts.cash * unit, units=accounts.units * unit, borrowed=accounts.borrowed * unit
    ), shift


def _traced_back(origins: list[tuple[Index, Floats]], bars: int) -> Floats:
    """The targets [T] that led to the only account of the last bar."""
    targets, place = np.zeros(bars), 0
    for t in range(len(origins) - 1, -1, -1):
        parents, asked = origins[t]
        targets[t], place = asked[place], int(parents[place])
    return targets
