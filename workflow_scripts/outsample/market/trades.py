"""Round trips: what a sleeve did from flat (or a flip) to flat (or a flip), and what it earned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from outsample.market.accounting import Floats, Ledger

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class _Trips:
    """Which trip holds the position of each bar; trips are numbered in the order of their entries."""

    entries: Integers  # bar of each trip's first fill
    exits: Integers  # bar of its last fill, or of the ruin
    directions: Integers  # 1 long, -1 short
    before: Integers  # [T] trip that is open before the fill of the bar, -1 for none
    after: Integers  # [T] trip that is open after it


def round_trips(ledger: Ledger, dates: NDArray[np.datetime64], fill_prices_raw: ArrayLike, symbol: str) -> pd.DataFrame:
    """The round trips of one sleeve (table `trades`), in the order of their entries.

    A trip begins with the fill that takes the sleeve from flat, or from the other side, and ends with the fill that
    takes it to flat or to the other side; resizing in between belongs to it. Its profit is what the position gained,
    net of its fees and borrow costs; a flip's fee is divided by the notional that closes and the notional that opens.
    The profits add up to the last equity minus the first. A ruined sleeve's last trip ends at the price of its ruin.

    Args:
        ledger: one lane, fields [T], flat at the end or ruined.
        dates: [T] increasing.
        fill_prices_raw: [T] unadjusted prices at which targets of the bar before are filled, currency.
        symbol: name for the column `symbol`.
    Raises: ValueError when a ledger has lanes, or ends with an open position.
    """
    if ledger.units.ndim != 1:
        raise ValueError("round trips are those of one lane: use ledger.lane(index)")
    raw = np.asarray(fill_prices_raw, dtype=np.float64)
    held, placed = _position_values(ledger)
    trips = _find_trips(ledger, placed)
    gain_before = ledger.fill_equity - _one_before(ledger.equity)
    gain_after = ledger.equity - ledger.fill_equity + ledger.cost
    # The part of the fee that belongs to the trip which the fill ends.
    closing = np.where(trips.before != trips.after, np.abs(held), 0.0)
    share = np.divide(closing, closing + np.abs(placed), out=np.zeros_like(held), where=closing > 0)
    cost = _sum_by_trip(trips, ledger.fee * share + ledger.cost - ledger.fee, ledger.fee * (1.0 - share))
    # A trip that its exit's fill leaves open was ended by ruin at the close; its value moved as the price did.
    at_close = trips.after[trips.exits] == np.arange(len(trips.exits))
    moved = np.divide(gain_after, placed, out=np.zeros_like(placed), where=placed != 0)[trips.exits]
    return pd.DataFrame(
        {
            "symbol": pd.Series([symbol] * len(trips.entries), dtype="str"),
            "entry_date": dates[trips.entries],
            "exit_date": dates[trips.exits],
            "direction": trips.directions.astype(np.int32),
            "bars": trips.exits - trips.entries,
            "entry_price": raw[trips.entries],
            "exit_price": raw[trips.exits] * np.where(at_close, 1.0 + moved, 1.0),
            "profit": _sum_by_trip(trips, gain_before, gain_after) - cost,
            "cost": cost,
        }
    )


def _one_before(values: Floats) -> Floats:
    """The value one bar before; the first row stays."""
    return np.concatenate([values[:1], values[:-1]])


def _position_values(ledger: Ledger) -> tuple[Floats, Floats]:
    """Value of the position at the fill price before and after each fill, [T] currency; 0 in a ruined sleeve."""
    held = ledger.fill_equity - _one_before(ledger.cash)
    left = ledger.fill_equity - ledger.fee
    placed = np.where(ledger.traded > 0, ledger.placed, held)
    return held, np.where(left > 0, placed, 0.0)


def _find_trips(ledger: Ledger, placed: Floats) -> _Trips:
    side_before = np.sign(_one_before(ledger.units)).astype(np.int64)
    # Shares tell the side exactly while the sleeve lives; where a close ruins it, they are gone by the end of the bar.
    ruined_now = ledger.ruined & ~np.concatenate([[False], ledger.ruined[:-1]])
    side_after = np.where(ruined_now, np.sign(placed), np.sign(ledger.units)).astype(np.int64)
    turned = side_after != side_before
    opens = turned & (side_after != 0)
    by_fill = turned & (side_before != 0)
    by_ruin = ruined_now & (side_after != 0)
    entries = np.flatnonzero(opens)
    exits = np.repeat(np.arange(len(turned)), by_fill.astype(np.int64) + by_ruin)  # a bar may flip and ruin
    if len(entries) != len(exits):
        raise ValueError("the ledger ends with an open position: simulate() ends flat")
    number = np.cumsum(opens) - 1
    return _Trips(
        entries=entries,
        exits=exits,
        directions=side_after[entries],
        before=np.where(side_before != 0, number - opens, -1),
        after=np.where(side_after != 0, number, -1),
    )


def _sum_by_trip(trips: _Trips, before: Floats, after: Floats) -> Floats:
    """Amounts [T] before and after each fill, added up for each trip."""
    total = np.zeros(len(trips.entries))
    for trip, amount in ((trips.before, before), (trips.after, after)):
        np.add.at(total, trip[trip >= 0], amount[trip >= 0])
    return total
