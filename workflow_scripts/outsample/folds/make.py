"""The table of folds: where each fold tests, validates and trains, as rows of each symbol."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from outsample.config.folds import Folds
from outsample.errors import ConfigError, DataError
from outsample.features.build import symbol_rows
from outsample.folds.purged import Purged
from outsample.folds.spans import SymbolDates
from outsample.folds.walk_forward import WalkForward
from outsample.io.schemas import TABLES

Plan = Purged | WalkForward


def make_folds(
    development: pd.DataFrame, folds: Folds, look_back: int, others: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Cut the development span into purged folds and the inner folds of what each trains on.

    Folds are cut on the union of the dates of all symbols, as `outsample.folds.walk_forward` or
    `outsample.folds.purged` prints them. Training ends purge = reward_horizon + 1 (fill delay) bars before a test; of
    the schemes that train after a test as well, it goes on a purge and an embargo after it. Each inner fold validates
    one block of what is left and trains on the rest, less the purge before the block, and the purge and the embargo
    after it. A symbol without rows in a part has no line there. Source: Lopez de Prado (2018), chapters 7 and 12.

    Args:
        development: table `development`, sorted by symbol and date.
        folds: scheme, numbers and gaps; an `embargo` of None is `look_back`.
        look_back: longest look-back of a feature, in bars.
        others: rows of other symbols before the vault, sorted likewise. They are divided instead, at the dates at which
            the development rows are, and none of them is tested: weights are pre-trained on them.
    Returns: table `folds`.
    Raises:
        ConfigError: an embargo below the look-back, in a scheme that trains after a test.
        DataError: the span is too short (the largest number of folds that fits is named), or no symbol has a row to
            train on.
    """
    if not folds.walks_forward and folds.embargo is not None and folds.embargo < look_back:
        raise ConfigError(
            f"folds.embargo {folds.embargo} is below the longest look-back of a feature, {look_back} bars: with "
            f"folds.scheme {folds.scheme} training follows a tested block, whose bars such a feature still sees; set "
            f"folds.embargo to null or to at least {look_back}."
        )
    dates = np.unique(development["date"].to_numpy())
    plan = _require_room(len(dates), folds, look_back)
    divided = development if others is None else others
    every = divided["date"].to_numpy()
    lines: list[dict[str, Any]] = []
    for symbol, rows in symbol_rows(divided):
        row_at = np.append(np.searchsorted(every[rows], dates), rows.stop - rows.start)
        own = SymbolDates(every[rows], row_at)
        for part in plan.parts(own):
            if part.part == "test" and others is not None:
                continue
            keys = {"fold": part.fold, "inner": part.inner, "part": part.part, "symbol": symbol}
            for block, (start, end) in enumerate([(start, end) for start, end in part.spans if start < end]):
                where = {"block": block, "start": start, "end": end}
                lines.append(keys | where | {"first_date": own.dates[start], "last_date": own.dates[end - 1]})
    looser = "raise folds.min_train or lower folds.embargo" if folds.walks_forward else "lower folds.inner_folds"
    if others is None:
        return _checked(lines, folds, "data.symbols", f"that start earlier, or {looser}")
    first, last = (pd.Timestamp(date).date() for date in dates[[0, -1]])
    return _checked(lines, folds, "data.transfer", f"with bars from {first} to {last}")


def _plan(dates: int, n_folds: int, folds: Folds, look_back: int) -> Plan:
    kind = WalkForward if folds.walks_forward else Purged
    return kind.of(dates, n_folds, folds, look_back)


def _dates_that_fit(dates: int, folds: Folds, look_back: int) -> int:
    """A number of dates for the folds asked, one less of which would not do; more than `dates`, which do not."""
    low, high = dates, 2 * dates
    while _plan(high, folds.n_folds, folds, look_back).lack() is not None:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if _plan(middle, folds.n_folds, folds, look_back).lack() is None:
            high = middle
        else:
            low = middle
    return high


def _require_room(dates: int, folds: Folds, look_back: int) -> Plan:
    plan = _plan(dates, folds.n_folds, folds, look_back)
    lack = plan.lack()
    if lack is None:
        return plan
    fits = [k for k in folds.numbers_of_folds if k <= dates and _plan(dates, k, folds, look_back).lack() is None]
    if fits:
        nearest = min(fits, key=lambda k: abs(k - folds.n_folds))
        advice = f"the largest number of folds that fits is {fits[-1]}" + (
            f", and the nearest {nearest}" if nearest != fits[-1] else ""
        )
    else:
        advice = (
            f"the largest number of folds that fits is 0; give {_dates_that_fit(dates, folds, look_back)} dates of "
            f"development, or lower {'folds.embargo or ' * folds.walks_forward}folds.inner_folds"
        )
    raise DataError(
        f"The development span of {dates} dates is too short for folds.n_folds {folds.n_folds}: {lack}; {advice}."
    )


def _checked(lines: list[dict[str, Any]], folds: Folds, key: str, wanted: str) -> pd.DataFrame:
    """The lines as table `folds`, once every part has a row of some symbol; `wanted` says which to give."""
    found = {(line["fold"], line["inner"], line["part"]) for line in lines}
    for fold in range(-1, folds.splits):
        for inner in range(folds.inner_folds):
            for part in ("train", "validate"):
                if (fold, inner, part) not in found:
                    raise DataError(
                        f"No symbol of {key} has a bar in part {part} of fold {fold}, inner fold {inner}; give symbols "
                        f"{wanted}."
                    )
    schema = TABLES["folds"]
    types = {name: kind for name, kind in schema.columns.items() if kind.startswith("int")}
    frame = pd.DataFrame(lines, columns=list(schema.columns)).astype(types)
    return frame.sort_values(list(schema.keys), kind="stable", ignore_index=True)
