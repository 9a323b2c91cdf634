"""How a target becomes a fill, costs and equity: one definition for the trainer and for every number reported.

`step` is written with array operations only, so that it runs on NumPy float64 (trial matrix, evaluation, paper) and
inside a `lax.scan` of jax.numpy float32 (training). `simulate` is its float64 loop over a whole span.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:  # the paper broker runs where there is no Pydantic
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
    grid: (
        float | None
    )  # targets are multiples of it, fraction of equity; None, in training only, takes them as they are
    band: float  # drift from an unchanged target that triggers a trade, fraction of equity; 0 is never
    whole_shares: bool = False  # positions are whole raw shares, rounded towards 0; never traced

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
            whole_shares=market.whole_shares,
        )


class Sleeve(NamedTuple):
    """The account of one symbol at the close of a bar; every field is an array of the same shape [...]."""

    cash: Array  # currency
    units: Array  # shares of the adjusted price (raw shares / factor), negative when short
    target: Array  # the last filled target, fraction of equity; 0 once ruined
    ruined: Array  # bool: equity fell to 0 or below; the sleeve never trades again
    borrowed: Array  # value of the shares held short, currency >= 0: the borrow cost of the next bar is due on it


class BarResult(NamedTuple):
    """What one bar did to a sleeve; every field is an array of the sleeve's shape."""

    equity: Array  # currency, at the close
    position: Array  # signed fraction of equity, at the close; 0 once ruined
    placed: Array  # signed value of the position at the fill price, after the fill and before the close, currency
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

    Where the grid is None the target itself: rounding and limits have no gradient, so who trains by the gradient of
    the account asks for allowed targets and goes without.
    Halves round away from zero, in float32 as in float64: a relative 1e-6 below a half counts as a half. The function
    leaves its own results unchanged for grids of 1e-5 or more.

    Args:
        target: signed fraction of equity, any shape; finite.
    >>> rules = MarketRules("next_open", 0.0, 0.0, short_selling=True, grid=0.25, band=0.0)
    >>> to_grid(np, np.array([-1.7, -0.125, 0.1, 0.3, 0.375]), rules).tolist()
    [-1.0, -0.25, 0.0, 0.25, 0.5]
    """
    if rules.grid is None:
        return target
    most = xp.floor((1.0 + _GRID_SLACK) / rules.grid)  # the largest multiple within 1
    multiple = xp.floor(xp.abs(target) / rules.grid * (1.0 + _GRID_SLACK) + 0.5)
    size = xp.minimum(xp.minimum(multiple, most) * rules.grid, 1.0)
    signed = xp.sign(target) * size + 0.0  # + 0.0 turns -0.0 into 0.0
    return xp.where(rules.short_selling, signed, xp.maximum(signed, 0.0))


def step(
    xp: Any, sleeve: Sleeve, target: Array, fill_price: Array, close: Array, rules: MarketRules, factor: Array = 1.0
) -> tuple[Sleeve, BarResult]:
    """One bar: fill the target of the bar before, then mark at the close.

    With equity E = cash + units * P at the fill price P, weight w = units * P / E, target T and cost rate c, a trade
    of the signed fraction d of E costs c |d| E. The position is T of what is left when

        w + d = T (1 - c |d|),   so   d = (T - w) / (1 + s T c)   with s = sign(d) = sign(T - w),

    for |T| c < 1. Hence a target of 1 spends all cash and no more (a borrow cost still due from a short that the same
    fill turned long is owed on top). In currency, without dividing by E, the trade is
    D = (T E - units P) / (1 + s T c).

    With `whole_shares` the position of w + d is then rounded towards 0 to whole shares of the raw price (adjusted
    price / factor), and the trade and its cost are those of the rounded position: it is never larger than asked, less
    than one share smaller, and target 1 keeps its cash from going below 0. A position that is closed is closed whole,
    the fraction of a share included that reinvested dividends (a rise of the factor since its fill) have added to it.

    The sleeve trades when T differs from the target before, or when |w - T| > band > 0; with `whole_shares` the drift
    counts only where the rounded trade exceeds the band as well, for what rounding leaves is no drift. The borrow cost
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
        factor: of bar t+1, raw price = adjusted price / factor; used with `whole_shares` only.
    Returns: the account at the close of bar t+1, and what the bar did.
    """
    target = to_grid(xp, target, rules)
    alive = xp.logical_not(sleeve.ruined)
    held = sleeve.units * fill_price
    equity = sleeve.cash + held

    gap = target * equity - held
    sized = gap / (1.0 + xp.sign(gap) * target * rules.cost_rate)
    drifted = (rules.band > 0) & (xp.abs(gap) > rules.band * equity)
    if rules.whole_shares:
        whole_units = xp.trunc((held + sized) / fill_price * factor) / factor + 0.0  # + 0.0 turns -0.0 into 0.0
        sized = whole_units * fill_price - held
        drifted = drifted & (xp.abs(sized) > rules.band * equity)
    trades = alive & (equity > 0) & ((target != sleeve.target) | drifted)
    trade = xp.where(trades, sized, 0.0)
    fee = rules.cost_rate * xp.abs(trade)
    solvent = alive & (equity - fee > 0)
    # held + trade is exactly 0 for a target of 0, so that a closed position leaves no dust.
    filled = whole_units if rules.whole_shares else (held + trade) / fill_price
    units = xp.where(solvent, xp.where(trades, filled, sleeve.units), 0.0)
    sought = whole_units * fill_price if rules.whole_shares else target * (equity - fee)
    placed = xp.where(solvent, xp.where(trades, sought, held), 0.0)
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
    return after, BarResult(
        equity=equity, position=position, placed=placed, traded=xp.abs(trade), cost=fee + borrow, ruined=ruined
    )


@dataclass(frozen=True)
class Ledger:
    """The books of a simulated span; every field has the shape [T, ...] of the targets.

    Row t is bar t; row 0 is the flat start, with returns of 0. Returns are fractions of the equity one bar before
    (0 once that is not positive): net_return = gross_return - cost_return = equity[t] / equity[t-1] - 1.
    """

    equity: Floats  # currency, at the close
    cash: Floats  # currency, at the close
    units: Floats  # shares of the adjusted price, at the close
    shares: Floats  # raw shares, at the close: units * factor; with whole_shares whole at the bars of their fills
    position: Floats  # signed fraction of equity, at the close
    target: Floats  # fraction of equity asked for at the close of t, filled at t+1; 0 in the last two rows
    placed: Floats  # signed value of the position at the fill price of t, after the fill, currency
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
    targets: ArrayLike,
    open: ArrayLike,
    close: ArrayLike,
    rules: MarketRules,
    equity: ArrayLike = 1.0,
    factor: ArrayLike = 1.0,
) -> Ledger:
    """The books of one symbol whose target of bar t is filled at bar t+1, from flat to flat.

    The target of bar T-2 is taken as 0, so that the sleeve is flat at the last close; that of bar T-1 is never
    filled.

    Args:
        targets: [T, ...] signed fractions of equity, asked for at the close of each bar; all finite.
        open, close: [T] or [T, ...] adjusted prices, > 0; [T] serves all lanes.
        rules: costs and limits; `fill` chooses the price of the fill.
        equity: starting equity, currency; a scalar or the shape of one bar [...].
        factor: raw price = adjusted price / factor; a scalar, [T] or [T, ...]; whole shares are those of bar t+1.
    Raises: ValueError when a target is not finite, a price or a factor is not positive, or shapes do not fit.
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
    factors = _prices(np.full(len(asked), factor) if np.ndim(factor) == 0 else factor, asked, "factors")
    sleeve = start(np, np.broadcast_to(np.asarray(equity, dtype=np.float64), asked.shape[1:]))
    books = Books(asked.shape, sleeve)
    for t in range(1, len(asked)):
        sleeve, bar = step(np, sleeve, asked[t - 1], fills[t], closes[t], rules, factors[t])
        books.enter(t, sleeve, bar)
    return books.ledger(asked, fills, factors, rules)


class Books:
    """A ledger in the making: one entry a bar, for `simulate` and for the paper broker."""

    def __init__(self, shape: tuple[int, ...], sleeve: Sleeve) -> None:
        """Open the books of a span of the shape [T, ...] with a flat sleeve at the close of its first bar."""
        names = ("equity", "cash", "units", "position", "placed", "traded", "cost")
        self._rows: dict[str, Floats] = {name: np.zeros(shape) for name in names}
        self._ruined = np.zeros(shape, dtype=bool)
        self._rows["equity"][:1] = self._rows["cash"][:1] = sleeve.cash

    def enter(self, t: int, sleeve: Sleeve, bar: BarResult) -> None:
        """Enter what `step` gave for bar t."""
        rows = self._rows
        rows["cash"][t], rows["units"][t], self._ruined[t] = sleeve.cash, sleeve.units, sleeve.ruined
        rows["equity"][t], rows["position"][t] = bar.equity, bar.position
        rows["placed"][t], rows["traded"][t], rows["cost"][t] = bar.placed, bar.traded, bar.cost

    def ledger(self, target: Floats, fills: Floats, factors: Floats, rules: MarketRules) -> Ledger:
        """The ledger of the entries, with what follows from them.

        Args:
            target: [T, ...] asked for at each close, 0 in the last two rows.
            fills: [T, ...] price at which the bar fills, currency.
            factors: [T, ...] raw price = adjusted price / factor.
            rules: costs and limits.
        """
        return ledger_of(self._rows, target, fills, self._ruined, rules, factors)


def _prices(prices: ArrayLike, targets: Floats, what: str = "prices") -> Floats:
    """The prices as [T, ...] that broadcast against the targets."""
    array = np.asarray(prices, dtype=np.float64)
    if array.ndim == 0 or len(array) != len(targets) or array.ndim > targets.ndim:
        raise ValueError(f"{what} of shape {array.shape} do not fit targets of shape {targets.shape}")
    if not (np.isfinite(array) & (array > 0)).all():
        raise ValueError(f"{what} must be positive and finite")
    return array.reshape(array.shape + (1,) * (targets.ndim - array.ndim))


def ledger_of(
    books: Mapping[str, Floats],
    target: Floats,
    fills: Floats,
    ruined: NDArray[np.bool_],
    rules: MarketRules,
    factor: ArrayLike = 1.0,
) -> Ledger:
    """The ledger of what `step` gave bar by bar; row 0 is the flat start.

    Args:
        books: [T, ...] equity, position, placed, traded and cost of each BarResult, cash and units of each Sleeve.
        target: [T, ...] as asked for at each close, on the grid; 0 in the last two rows.
        fills: fill prices; they and `factor` broadcast against the books.
        ruined: [T, ...] of each Sleeve.
    """
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
        shares=books["units"] * np.asarray(factor, dtype=np.float64),
        target=target,
        fill_equity=fill_equity,
        fee=rules.cost_rate * books["traded"],
        gross_return=net + charged,
        cost_return=charged,
        net_return=net,
        ruined=ruined,
    )
