"""Faults that prices show by their pattern: splits, errors of the unit, spikes, false wicks, runs of equal bars.

Each function says where a pattern is; `outsample.data.price_checks` makes findings of them, and
`outsample.data.repairs` mends some. All look at adjusted prices, for those are traded: a split that adj_close takes
out is no jump.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from outsample.data.symbol_bars import PRICES, SymbolBars

Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]

# New shares for old ones. None below 3:2: a jump of a quarter or less is as likely a crash.
_SPLITS = (1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0, 100.0)
RATIOS = np.array(sorted([*_SPLITS, *(1 / s for s in _SPLITS)]))
UNITS = (100.0, 1000.0)
UNIT_TOLERANCE = 0.3  # of a log change: what the market itself may have moved meanwhile
_AFTER, _BEFORE = 5, 20  # bars on both sides of a jump that tell whether it lasts, and whether it came calmly
_FLAT_WICK = 0.05


@dataclass(frozen=True)
class Split:
    """A jump of prices to 1 / ratio at a row, as by `ratio` new shares for one old."""

    row: int
    ratio: float


def splits_in_prices(bars: SymbolBars) -> list[Split]:
    """Jumps over night that are splits and no crashes.

    A jump is a split where (1) the gap from the close to the next open is near -log(ratio), (2) the whole bar is on
    the new level, (3) the next bars stay there, (4) they are no wilder than those before, and (5) where volume is
    known, so many more shares are traded that their worth stays the same. A crash fails (1), (4) or (5).
    """
    gaps, tolerance = bars.gaps, float(np.clip(4 * bars.usual_move, 0.02, 0.06))
    rows = np.flatnonzero(np.abs(gaps) > np.log(_SPLITS[0]) - tolerance)
    rows = rows[(rows >= 3) & (rows <= len(bars) - 3)]  # fewer bars on a side tell nothing
    units = [row for error in _unit_jumps(bars) if error.returns for row in (error.start, error.end)]
    rows = np.setdiff1d(rows, units)
    if len(rows) == 0:
        return []
    ratios = _nearest_ratio(-gaps[rows])
    near = np.abs(-gaps[rows] - np.log(ratios)) <= tolerance
    rows, ratios = rows[near], ratios[near]
    keep = _on_new_level(bars, rows, ratios) & _stays_calmly(bars, rows, ratios) & _worth_the_same(bars, rows)
    return [Split(int(r), float(q)) for r, q in zip(rows[keep], ratios[keep], strict=True)]


def splits_in_factor(bars: SymbolBars) -> list[Split]:
    """Splits that adj_close takes out and close still has: their ratio is in both, once up and once down."""
    if not bars.adjusted:
        return []
    steps = np.diff(np.log(bars.factor), prepend=np.log(bars.factor[0]))
    rows = np.flatnonzero(np.abs(steps) > np.log(_SPLITS[0]) - 0.02)
    ratios = _nearest_ratio(steps[rows])
    logs = np.log(ratios)
    taken_out = (np.abs(steps[rows] - logs) <= 0.02) & (np.abs(bars.returns[rows]) < np.abs(logs) / 2)
    return [Split(int(r), float(q)) for r, q in zip(rows[taken_out], ratios[taken_out], strict=True)]


def _nearest_ratio(logs: NDArray[np.float64]) -> NDArray[np.float64]:
    edges = (np.log(RATIOS[1:]) + np.log(RATIOS[:-1])) / 2
    return RATIOS[np.searchsorted(edges, logs)]


def _windows(values: NDArray[np.float64], rows: Rows, first: int, last: int) -> NDArray[np.float64]:
    """values[row + first .. row + last] of each row, NaN beyond the ends."""
    at = rows[:, None] + np.arange(first, last + 1)
    return np.where((at >= 0) & (at < len(values)), values[at.clip(0, len(values) - 1)], np.nan)


def _on_new_level(bars: SymbolBars, rows: Rows, ratios: NDArray[np.float64]) -> Mask:
    """The bar does not reach back half the way to the old level."""
    before, logs = np.log(bars["close"] * bars.factor)[rows - 1], np.log(ratios)
    nearest = np.where(logs > 0, np.log(bars["high"] * bars.factor)[rows], np.log(bars["low"] * bars.factor)[rows])
    return np.abs(nearest - before) > np.abs(logs) / 2


def _stays_calmly(bars: SymbolBars, rows: Rows, ratios: NDArray[np.float64]) -> Mask:
    closes = np.log(bars["close"] * bars.factor)
    after = np.nanmedian(_windows(closes, rows, 0, _AFTER - 1), axis=1)
    moved = after - np.nanmedian(_windows(closes, rows, -_AFTER, -1), axis=1)
    sizes = np.abs(bars.returns)
    own = np.abs(bars.returns[rows] - bars.gaps[rows])
    usual = np.nanmedian(_windows(sizes, rows, -_BEFORE, -1), axis=1) + 0.005
    wild = np.nanmean(np.column_stack([own, _windows(sizes, rows, 1, _AFTER - 1)]), axis=1)
    return (np.abs(moved + np.log(ratios)) < 0.15) & (wild < 3 * usual)


def _worth_the_same(bars: SymbolBars, rows: Rows) -> Mask:
    if not bars.volume_is_known:
        return np.ones(len(rows), bool)
    worth = bars["volume"] * bars["close"] * bars.factor
    before = np.nanmedian(_windows(worth, rows, -_BEFORE, -1), axis=1)
    after = np.nanmedian(_windows(worth, rows, 0, _AFTER - 1), axis=1)
    return (after >= before / 2) & (after <= before * 2)


@dataclass(frozen=True)
class UnitError:
    """Rows [start, end) whose prices are `factor` times those beside them; `end` is the last row of all where prices
    never come back, and then nobody knows which side is right."""

    start: int
    end: int
    factor: float
    returns: bool


def unit_errors(bars: SymbolBars) -> list[UnitError]:
    """Jumps of the close by about 100 or 1000 up or down, each with the jump back where there is one."""
    errors = _unit_jumps(bars)
    if all(error.returns for error in errors):
        return errors
    splits = {split.row for split in splits_in_prices(bars)}
    return [error for error in errors if error.returns or error.start not in splits]


def _unit_jumps(bars: SymbolBars) -> list[UnitError]:
    found: list[UnitError] = []
    opened: tuple[int, float] | None = None
    for row in np.flatnonzero(np.abs(bars.returns) > np.log(UNITS[0]) - UNIT_TOLERANCE):
        change = float(bars.returns[row])
        unit = next((u for u in UNITS if abs(abs(change) - np.log(u)) <= UNIT_TOLERANCE), None)
        if unit is None:
            continue
        factor = unit if change > 0 else 1 / unit
        if opened and np.isclose(opened[1] * factor, 1) and row - opened[0] < len(bars) / 2:
            found.append(UnitError(opened[0], int(row), opened[1], True))
            opened = None
            continue
        if opened:
            found.append(UnitError(opened[0], len(bars), opened[1], False))
        opened = (int(row), factor)
    if opened:
        found.append(UnitError(opened[0], len(bars), opened[1], False))
    return found


def spikes(bars: SymbolBars) -> Mask:
    """Bars that lie with all of low .. high far above, or far below, the bars on both their sides [T]."""
    found = np.zeros(len(bars), bool)
    if len(bars) < 3:
        return found
    high, low = bars["high"] * bars.factor, bars["low"] * bars.factor
    far = 1 + min(bars.limits.spike, max(0.1, 30 * bars.usual_move))
    above = low[1:-1] > far * np.maximum(high[:-2], high[2:])
    below = high[1:-1] * far < np.minimum(low[:-2], low[2:])
    found[1:-1] = above | below
    return found


def false_wicks(bars: SymbolBars) -> tuple[Mask, Mask]:
    """Bars whose low, and bars whose high, is far outside their own open and close and both neighbours [T]."""
    high, low = bars["high"] * bars.factor, bars["low"] * bars.factor
    body = np.stack([bars["open"], bars["close"]]) * bars.factor
    usual = float(np.median(np.log(high / low)))
    far = 1 + float(np.clip(np.expm1(bars.limits.wick * usual), _FLAT_WICK, 1.0))  # at most half or double
    floor, roof = body.min(axis=0), body.max(axis=0)
    np.minimum(floor[1:], low[:-1], out=floor[1:])
    np.minimum(floor[:-1], low[1:], out=floor[:-1])
    np.maximum(roof[1:], high[:-1], out=roof[1:])
    np.maximum(roof[:-1], high[1:], out=roof[:-1])
    return low * far < floor, high > far * roof


def equal_to_before(bars: SymbolBars) -> Mask:
    """Bars whose open, high, low and close are those of the bar before [T]."""
    same = np.logical_and.reduce([bars[c][1:] == bars[c][:-1] for c in PRICES])
    return np.concatenate([[False], same])


def long_runs(mask: Mask, least: int) -> Mask:
    """The part of a mask that is in runs of at least `least` [T].

    >>> long_runs(np.array([True, False, True, True]), 2)
    array([False, False,  True,  True])
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    kept = np.zeros(len(mask), bool)
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        if end - start >= least:
            kept[start:end] = True
    return kept
