"""The portfolio of an experiment: the sum of its sleeves, each a symbol's account of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from outsample.market.accounting import Floats, Ledger


@dataclass(frozen=True)
class Portfolio:
    """The sum of sleeves on the union of their dates; fields but `dates` have the shape [T, ...] of the lanes.

    Fractions are of the portfolio's equity: at the close (positions), one bar before (returns), at the fill (traded).
    """

    dates: NDArray[np.datetime64]  # [T]
    equity: Floats  # currency, at the close
    net_return: Floats  # gross_return - cost_return
    gross_return: Floats
    cost_return: Floats
    cost: Floats  # fees and borrow costs, currency
    target: Floats  # the sleeves' targets, weighted by their equity
    position: Floats  # sum of the sleeves' signed positions
    gross_position: Floats  # sum of their absolute positions
    traded_fraction: Floats  # traded notional of all sleeves


def portfolio_equity(sleeves: Mapping[str, tuple[NDArray[np.datetime64], Ledger]]) -> Portfolio:
    """The sum of the sleeves' books on the union of their dates.

    On a date without a bar of its symbol, a sleeve keeps its last equity and position (its starting equity, flat,
    before its first bar) and neither trades nor pays.

    Args:
        sleeves: symbol -> (dates [T_m], increasing; ledger [T_m, ...] of the same lanes for all symbols).
    Raises: ValueError without sleeves, or when dates do not fit a ledger.
    """
    if not sleeves:
        raise ValueError("a portfolio needs at least one sleeve")
    dates = np.unique(np.concatenate([days for days, _ in sleeves.values()]))
    shape = (len(dates), *next(iter(sleeves.values()))[1].equity.shape[1:])
    sums = {name: np.zeros(shape) for name in ("equity", "fill_equity", "asked", "value", "size", "traded", "cost")}
    for symbol, (days, ledger) in sleeves.items():
        if len(days) != len(ledger.equity) or not (days[1:] > days[:-1]).all():
            raise ValueError(f"the dates of {symbol} do not increase or do not fit its ledger")
        _add_sleeve(sums, dates, days, ledger)
    return _portfolio(dates, sums)


def _add_sleeve(
    sums: dict[str, Floats], dates: NDArray[np.datetime64], days: NDArray[np.datetime64], ledger: Ledger
) -> None:
    """Adds one sleeve's currency amounts to the sums on all dates."""
    last = np.searchsorted(days, dates, side="right") - 1
    # Before its first bar a sleeve is what row 0 says: flat, at its starting equity, asking for nothing.
    asking = (last >= 0).reshape((-1,) + (1,) * (ledger.equity.ndim - 1))
    row = np.maximum(last, 0)
    equity = ledger.equity[row]
    value = ledger.position[row] * equity
    sums["equity"] += equity
    sums["asked"] += np.where(asking, ledger.target[row] * equity, 0.0)
    sums["value"] += value
    sums["size"] += np.abs(value)
    on_bar = np.isin(dates, days, assume_unique=True)
    at_fill = equity.copy()  # the sleeve's equity when the others fill: its own fill on its bars, else its last close
    at_fill[on_bar] = ledger.fill_equity
    sums["fill_equity"] += at_fill
    sums["traded"][on_bar] += ledger.traded
    sums["cost"][on_bar] += ledger.cost


def _portfolio(dates: NDArray[np.datetime64], sums: dict[str, Floats]) -> Portfolio:
    equity = sums["equity"]
    before = np.concatenate([equity[:1], equity[:-1]])
    net = _fraction(equity - before, before)
    charged = _fraction(sums["cost"], before)
    return Portfolio(
        dates=dates,
        equity=equity,
        net_return=net,
        gross_return=net + charged,
        cost_return=charged,
        cost=sums["cost"],
        target=_fraction(sums["asked"], equity),
        position=_fraction(sums["value"], equity),
        gross_position=_fraction(sums["size"], equity),
        traded_fraction=_fraction(sums["traded"], sums["fill_equity"]),
    )


def _fraction(amount: Floats, equity: Floats) -> Floats:
    """amount / equity; 0 once equity is gone."""
    return np.divide(amount, equity, out=np.zeros_like(amount), where=equity > 0)
