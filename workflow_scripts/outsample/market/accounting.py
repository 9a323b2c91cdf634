"""How a target becomes a fill, costs and equity: one definition for the trainer and for every number reported.

`step` is written with array operations only, so that it runs on NumPy float64 (trial matrix, evaluation, paper) and
inside a `lax.scan` of jax.numpy float32 (training). `simulate` is its float64 loop over a whole span.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from outsample.config.models import Market

Array = Any  # numpy.ndarray or jax.Array of any shape [...]
Floats = NDArray[np.float64]

# to_grid: a half is recognised in float32 as well, where x / grid carries a relative error of up to 3e-7.
_GRID_SLACK = 1e-6


@dataclass(frozen=True)
class MarketRules:
    """What a fill costs and which targets are allowed; in JAX the numbers may be traced scalars."""

    fill: Literal["next_open", "next_close"]
    cost_rate: float  # commission + slippage, fraction of the traded notional
    borrow_per_bar: float  # fraction of the short notional, per bar
    short_selling: bool
    grid: float  # targets are multiples of it, fraction of equity
    band: float  # drift from an unchanged target that triggers a trade, fraction of equity; 0 is never

    @classmethod
    def from_settings(cls, market: Market, periods_per_year: float) -> MarketRules:
        """The rules of a `market` block: basis points and yearly rates become fractions per fill and per bar."""
        return cls(
            fill=market.fill,
            cost_rate=(market.commission + market.slippage) / 10_000,
            borrow_per_bar=market.borrow_rate / float(periods_per_year),
            short_selling=market.short_selling,
            grid=market.grid,
            band=market.rebalance_band,
        )


class Sleeve(NamedTuple):
    """The account of one symbol at the close of a bar; every field is an array of the same shape [...]."""

    cash: Array  # currency
    units: Array  # shares, negative when short
    target: Array  # the last filled target, fraction of equity; 0 once ruined
    ruined: Array  # bool: equity fell to 0 or below; the sleeve never trades again
    borrowed: Array  # value of the shares held short, currency >= 0: the borrow cost of the next bar is due on it


class BarResult(NamedTuple):
    """What one bar did to a sleeve; every field is an array of the sleeve's shape."""

    equity: Array  # currency, at the close
    position: Array  # signed fraction of equity, at the close; 0 once ruined
    traded: Array  # notional of the fill, currency >= 0
    cost: Array  # fee of the fill and borrow cost of the bar, currency >= 0
    ruined: Array  # bool


def start(xp: Any, equity: ArrayLike) -> Sleeve:
    """A flat sleeve that holds `equity` (currency, any shape) in cash; `xp` is numpy or jax.numpy."""
    cash = xp.asarray(equity, dtype=float)
    zero = xp.zeros_like(cash)
    return Sleeve(cash=cash, units=zero, target=zero, ruined=xp.zeros_like(cash, dtype=bool), borrowed=zero)


def fill_prices(open: Array, close: Array, rules: MarketRules) -> Array:
    """The prices at which targets of the bar before are filled: `open` or `close`, by `rules.fill`."""
    return open if rules.fill == "next_open" else close


def to_grid(xp: Any, target: Array, rules: MarketRules) -> Array:
    """The nearest multiple of the grid within [-1, 1], or within [0, 1] without short selling.

    Halves round away from zero, in float32 as in float64: a relative 1e-6 below a half counts as a half. The
    function leaves its own results unchanged for grids of 1e-5 or more.

    Args:
        target: signed fraction of equity, any shape; finite.
    >>> rules = MarketRules("next_open", 0.0, 0.0, short_selling=True, grid=0.25, band=0.0)
    >>> to_grid(np, np.array([-1.7, -0.125, 0.1, 0.3, 0.375]), rules).tolist()
    [-1.0, -0.25, 0.0, 0.25, 0.5]
    """
    most = xp.floor((1.0 + _GRID_SLACK) / rules.grid)  # the largest multiple within 1
    multiple = xp.floor(xp.abs(target) / rules.grid * (1.0 + _GRID_SLACK) + 0.5)
    size = xp.minimum(xp.minimum(multiple, most) * rules.grid, 1.0)
    signed = xp.sign(target) * size + 0.0  # + 0.0 turns -0.0 into 0.0
    return xp.where(rules.short_selling, signed, xp.maximum(signed, 0.0))


def step(
    xp: Any, sleeve: Sleeve, target: Array, fill_price: Array, close: Array, rules: MarketRules
) -> tuple[Sleeve, BarResult]:
    """One bar: fill the target of the bar before, then mark at the close.

    With equity E = cash + units * P at the fill price P, weight w = units * P / E, target T and cost rate c, a trade
    of the signed fraction d of E costs c |d| E. The position is T of what is left when

        w + d = T (1 - c |d|),   so   d = (T - w) / (1 + s T c)   with s = sign(d) = sign(T - w),

    for |T| c < 1. Hence a target of 1 spends all cash and no more (a borrow cost still due from a short that the same
    fill turned long is owed on top). In currency, without dividing by E, the trade is
    D = (T E - units P) / (1 + s T c).

    The sleeve trades when T differs from the target before, or when |w - T| > band > 0. The borrow cost
    `borrow_per_bar` * (value of the shares held short at the close before) is paid at the close, also when they are
    bought back at this fill. If equity is 0 or below at the fill (after its fee) or at the close, the sleeve is
    ruined: its position is closed at that price, nothing more is charged, and equity stays what it is.

    Args:
        xp: numpy or jax.numpy.
        sleeve: the account at the close of bar t, shape [...].
        target: signed fraction of equity asked for at the close of bar t; rounded by `to_grid`; broadcasts to [...].
        fill_price: price of bar t+1 at which the target is filled (`fill_prices`), currency, > 0.
        close: close of bar t+1, currency, > 0.
        rules: costs and limits.
    Returns: the account at the close of bar t+1, and what the bar did.
    """
    target = to_grid(xp, target, rules)
    alive = xp.logical_not(sleeve.ruined)
    held = sleeve.units * fill_price
    equity = sleeve.cash + held

    gap = target * equity - held
    drifted = (rules.band > 0) & (xp.abs(gap) > rules.band * equity)
    trades = alive & (equity > 0) & ((target != sleeve.target) | drifted)
    trade = xp.where(trades, gap / (1.0 + xp.sign(gap) * target * rules.cost_rate), 0.0)
    fee = rules.cost_rate * xp.abs(trade)
    solvent = alive & (equity - fee > 0)
    # held + trade is exactly 0 for a target of 0, so that a closed position leaves no dust.
    units = xp.where(solvent, xp.where(trades, (held + trade) / fill_price, sleeve.units), 0.0)
    cash = xp.where(solvent, sleeve.cash - trade, equity) - fee

    borrow = xp.where(solvent, rules.borrow_per_bar * sleeve.borrowed, 0.0)
    cash = cash - borrow
    value = units * close
    equity = cash + value
    ruined = sleeve.ruined | (equity <= 0)
    after = Sleeve(
        cash=xp.where(ruined, equity, cash),
        units=xp.where(ruined, 0.0, units),
        target=xp.where(ruined, 0.0, target),
        ruined=ruined,
        borrowed=xp.where(ruined, 0.0, xp.maximum(-value, 0.0)),
    )
    position = xp.where(ruined, 0.0, value) / xp.where(ruined, 1.0, equity)
    return after, BarResult(equity=equity, position=position, traded=xp.abs(trade), cost=fee + borrow, ruined=ruined)


@dataclass(frozen=True)
class Ledger:
    """The books of a simulated span; every field has the shape [T, ...] of the targets.

    Row t is bar t; row 0 is the flat start, with returns of 0. Returns are fractions of the equity one bar before
    (0 once that is not positive): net_return = gross_return - cost_return = equity[t] / equity[t-1] - 1.
    """

    equity: Floats  # currency, at the close
    cash: Floats  # currency, at the close
    units: Floats  # shares, at the close
    position: Floats  # signed fraction of equity, at the close
    target: Floats  # fraction of equity asked for at the close of t, filled at t+1; 0 in the last two rows
    traded: Floats  # notional filled during t, currency
    fill_equity: Floats  # equity at the fill price of t, before the trade; row 0 is the starting equity
    fee: Floats  # commission and slippage of the fill during t, currency
    cost: Floats  # fee and borrow cost of bar t, currency
    gross_return: Floats
    cost_return: Floats
    net_return: Floats
    ruined: NDArray[np.bool_]

    @property
    def traded_fraction(self) -> Floats:
        """Traded notional over equity at the fill, [T, ...]."""
        return np.divide(self.traded, self.fill_equity, out=np.zeros_like(self.traded), where=self.fill_equity > 0)

    def lane(self, index: int | tuple[int, ...]) -> Ledger:
        """The ledger of one lane, fields [T]; `index` counts along the axes after time."""
        where = (slice(None), *(index if isinstance(index, tuple) else (index,)))
        return Ledger(**{field.name: getattr(self, field.name)[where] for field in fields(self)})


def simulate(
    targets: ArrayLike, open: ArrayLike, close: ArrayLike, rules: MarketRules, equity: ArrayLike = 1.0
) -> Ledger:
    """The books of one symbol whose target of bar t is filled at bar t+1, from flat to flat.

    The target of bar T-2 is taken as 0, so that the sleeve is flat at the last close; that of bar T-1 is never
    filled.

    Args:
        targets: [T, ...] signed fractions of equity, asked for at the close of each bar; all finite.
        open, close: [T] or [T, ...] adjusted prices, > 0; [T] serves all lanes.
        rules: costs and limits; `fill` chooses the price of the fill.
        equity: starting equity, currency; a scalar or the shape of one bar [...].
    Raises: ValueError when a target is not finite, a price is not positive, or shapes do not fit.
    >>> rules = MarketRules("next_open", 0.0, 0.0, short_selling=True, grid=0.01, band=0.0)
    >>> ledger = simulate([1, 1, 0, 0], [10.0, 10.0, 11.0, 12.0], [10.0, 11.0, 12.0, 11.0], rules, equity=100.0)
    >>> ledger.equity.tolist(), ledger.units.tolist()
    ([100.0, 110.0, 120.0, 120.0], [0.0, 10.0, 10.0, 0.0])
    """
    asked = np.array(targets, dtype=np.float64)
    if asked.ndim == 0 or not np.isfinite(asked).all():
        raise ValueError("targets must have a time axis and be finite")
    asked = to_grid(np, asked, rules)
    asked[-2:] = 0.0
    closes = _prices(close, asked)
    fills = _prices(fill_prices(open, close, rules), asked)
    books = {name: np.zeros_like(asked) for name in ("equity", "cash", "units", "position", "traded", "cost")}
    ruined = np.zeros(asked.shape, dtype=bool)

    sleeve = start(np, np.broadcast_to(np.asarray(equity, dtype=np.float64), asked.shape[1:]))
    books["equity"][:1] = books["cash"][:1] = sleeve.cash
    for t in range(1, len(asked)):
        sleeve, bar = step(np, sleeve, asked[t - 1], fills[t], closes[t], rules)
        books["cash"][t], books["units"][t], ruined[t] = sleeve.cash, sleeve.units, sleeve.ruined
        books["equity"][t], books["position"][t] = bar.equity, bar.position
        books["traded"][t], books["cost"][t] = bar.traded, bar.cost
    return _ledger(books, asked, fills, ruined, rules)


def _prices(prices: ArrayLike, targets: Floats) -> Floats:
    """The prices as [T, ...] that broadcast against the targets."""
    array = np.asarray(prices, dtype=np.float64)
    if array.ndim == 0 or len(array) != len(targets) or array.ndim > targets.ndim:
        raise ValueError(f"prices of shape {array.shape} do not fit targets of shape {targets.shape}")
    if not (np.isfinite(array) & (array > 0)).all():
        raise ValueError("prices must be positive and finite")
    return array.reshape(array.shape + (1,) * (targets.ndim - array.ndim))


def _ledger(
    books: dict[str, Floats], target: Floats, fills: Floats, ruined: NDArray[np.bool_], rules: MarketRules
) -> Ledger:
    equity, cost = books["equity"], books["cost"]
    fill_equity = equity.copy()
    fill_equity[1:] = books["cash"][:-1] + books["units"][:-1] * fills[1:]
    net, charged = np.zeros_like(equity), np.zeros_like(equity)
    solvent = equity[:-1] > 0
    np.divide(equity[1:], equity[:-1], out=net[1:], where=solvent)
    net[1:] -= solvent
    np.divide(cost[1:], equity[:-1], out=charged[1:], where=solvent)
    return Ledger(
        **books,
        target=target,
        fill_equity=fill_equity,
        fee=rules.cost_rate * books["traded"],
        gross_return=net + charged,
        cost_return=charged,
        net_return=net,
        ruined=ruined,
    )
