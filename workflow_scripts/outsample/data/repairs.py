"""Repairs of bars: named rules, none of which runs unless it is asked for, and the log of every value they change.

No repair fills a value from another bar. Applying a split multiplies the bars before it by a ratio that was known
only later, as adj_close does: it changes the unit of the past, not what was known in it, for features do not change
when all prices are scaled.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from outsample.config.validation import BarRules
from outsample.data import price_patterns as patterns
from outsample.data.calendar import OBSERVED, days_in, sessions_between
from outsample.data.dates import first_days
from outsample.data.price_patterns import Split
from outsample.data.symbol_bars import PRICES, SymbolBars

VALUES = [*PRICES, "volume", "adj_close"]
LOG = ["symbol", "order", "date", "rule", "column", "before", "after"]


@dataclass(frozen=True)
class Repair:
    """A repair: `mend` gives the bars that should stand in the place of those it is given.

    `early` ones run before the first checks, on bars that may hold anything; the others on bars that passed the checks
    which are errors always.
    """

    name: str
    what: str
    early: bool
    mend: Callable[[SymbolBars, Mapping[datetime.date, float]], pd.DataFrame]


def _merge_duplicates(bars: SymbolBars, splits: Mapping[datetime.date, float]) -> pd.DataFrame:
    return bars.frame[~bars.frame.duplicated(["date", *VALUES])]


def _drop_null(bars: SymbolBars, splits: Mapping[datetime.date, float]) -> pd.DataFrame:
    whole = np.logical_and.reduce([np.isfinite(bars[column]) for column in (*PRICES, "volume")])
    return bars.frame[whole]


def _drop_outside(bars: SymbolBars, splits: Mapping[datetime.date, float]) -> pd.DataFrame:
    days = bars.dates.astype("datetime64[D]")
    if bars.calendar.name == OBSERVED or np.isnat(days).any() or len(days) == 0:
        return bars.frame
    return bars.frame[days_in(days, sessions_between(bars.calendar.name, days.min(), days.max()))]


def _rescale(bars: SymbolBars, splits: Mapping[datetime.date, float]) -> pd.DataFrame:
    factor = np.ones(len(bars))
    for error in patterns.unit_errors(bars):
        if error.returns:
            factor[error.start : error.end] /= error.factor
    return _scaled(bars.frame, factor, [*PRICES, "adj_close"])


def _apply_splits(bars: SymbolBars, splits: Mapping[datetime.date, float]) -> pd.DataFrame:
    first = {day: int(np.searchsorted(bars.dates, np.datetime64(day, "us"))) for day in sorted(splits)}
    found = [Split(row, splits[day]) for day, row in first.items() if 0 < row < len(bars)]
    mended = _split(bars.frame, found)
    adjusted = bars["adj_close"].copy()
    for split in found:
        step = np.log(bars["adj_close"][split.row] / bars["adj_close"][split.row - 1])
        if abs(step + np.log(split.ratio)) < abs(step):  # adj_close has the split too
            adjusted[: split.row] /= split.ratio
    return mended.assign(adj_close=adjusted)


def _apply_known_splits(bars: SymbolBars, splits: Mapping[datetime.date, float]) -> pd.DataFrame:
    return _split(bars.frame, patterns.splits_in_factor(bars))


def _split(frame: pd.DataFrame, splits: list[Split]) -> pd.DataFrame:
    ratio = np.ones(len(frame))
    for split in splits:
        ratio[: split.row] *= split.ratio
    return _scaled(_scaled(frame, 1 / ratio, list(PRICES)), ratio, ["volume"])


def _scaled(frame: pd.DataFrame, factor: NDArray[np.float64], columns: list[str]) -> pd.DataFrame:
    return frame.assign(**{column: frame[column].to_numpy() * factor for column in columns})


def _cut_wicks(bars: SymbolBars, splits: Mapping[datetime.date, float]) -> pd.DataFrame:
    low, high = patterns.false_wicks(bars)
    body = np.stack([bars["open"], bars["close"]])
    return bars.frame.assign(
        low=np.where(low, body.min(axis=0), bars["low"]), high=np.where(high, body.max(axis=0), bars["high"])
    )


REPAIRS = (
    Repair("merge_duplicate_bars", "Of bars with one date and equal values, keeps the first.", True, _merge_duplicates),
    Repair("drop_null_rows", "Drops bars that lack a price or the volume.", True, _drop_null),
    Repair("drop_bars_outside_sessions", "Drops bars on days without a session.", True, _drop_outside),
    Repair("rescale_unit_error", "Divides prices that are 100 or 1000 times those on both sides.", False, _rescale),
    Repair(
        "apply_splits",
        "Divides prices before each split of validation.splits by its ratio, and multiplies volume.",
        False,
        _apply_splits,
    ),
    Repair(
        "apply_splits_by_adj_close",
        "The same for each split that adj_close takes out and close has; adj_close stays.",
        False,
        _apply_known_splits,
    ),
    Repair("drop_false_wicks", "Cuts a false high or low to the bar's own open and close.", False, _cut_wicks),
)


@dataclass
class Repairs:
    """The repairs that were asked for, and what they changed of the symbols so far."""

    rules: BarRules
    summary: list[dict[str, Any]] = field(default_factory=list)

    def mend(self, bars: SymbolBars, symbol: str, early: bool, log: list[pd.DataFrame]) -> pd.DataFrame:
        """The rows of a symbol after the early, or the other, repairs; what they changed is added to `log`."""
        for repair in REPAIRS:
            if repair.early != early or repair.name not in self.rules.repairs:
                continue
            frame = repair.mend(bars, self.rules.splits.get(symbol, {}))
            changes = _changes(bars.frame, frame).assign(rule=repair.name)
            log.append(changes)
            dropped = len(frame) < len(bars)
            self.summary.append(_entry(repair.name, symbol, changes, dropped))
            bars = SymbolBars(frame.reset_index(drop=True), bars.market, bars.calendar, bars.limits, bars.simulated)
        return bars.frame


def repair_log(symbol: str, changes: list[pd.DataFrame]) -> pd.DataFrame:
    """Rows of the table `repairs`, in the order in which the values were changed."""
    empty = pd.DataFrame({column: [] for column in ("row", "date", "column", "before", "after", "rule")})
    table = pd.concat(changes, ignore_index=True) if changes else empty
    return table.assign(symbol=symbol, order=np.arange(len(table)))[LOG]


def _changes(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Each value that differs, and each value of a row that is gone; the index tells which rows are left."""
    kept = before.index.isin(after.index)
    parts = []
    for place, column in enumerate(VALUES):
        old = before[column].to_numpy()
        new = np.full(len(before), np.nan)
        new[kept] = after[column].to_numpy()
        same = (old == new) | (np.isnan(old) & np.isnan(new))
        rows = np.flatnonzero(~kept | ~same)
        part = {"row": rows, "place": place, "date": before["date"].to_numpy()[rows], "column": column}
        parts.append(pd.DataFrame(part | {"before": old[rows], "after": new[rows]}))
    return pd.concat(parts, ignore_index=True).sort_values(["row", "place"], ignore_index=True).drop(columns="place")


def _entry(rule: str, symbol: str, changes: pd.DataFrame, dropped: bool) -> dict[str, Any]:
    """An entry of `repairs` in the document `quality`."""
    rows = changes.drop_duplicates("row")
    if rows.empty:
        detail = "nothing to repair"
    elif dropped:
        detail = f"{first_days(rows['date'].to_numpy())} dropped"
    else:
        values = zip(*(changes.head(3)[c] for c in ("column", "before", "after")), strict=True)
        shown = [f"{column} {_shown(before)} -> {_shown(after)}" for column, before, after in values]
        detail = f"{first_days(rows['date'].to_numpy())}; the first values: {', '.join(shown)}"
    return {"rule": rule, "symbol": symbol, "bars": len(rows), "values": len(changes), "detail": detail}


def _shown(value: float) -> str:
    return "none" if np.isnan(value) else f"{value:.7g}"
