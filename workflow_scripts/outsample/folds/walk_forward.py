"""Walk-forward folds of the development span, anchored or rolling, and in each train span the inner folds of the gate.

Of 12 dates with 2 folds, min_train 0.5, 2 inner folds, reward_horizon 1 (so purge 2) and embargo 0, printed as
positions (the outer train span of a fold is the union of its validated blocks):

    fold  0           test      8  9
    fold  0, inner 0  validate  0  1  2        train  5
    fold  0, inner 1  validate  3  4  5        train  0
    fold  1           test     10 11
    fold  1, inner 0  validate  0  1  2  3     train  6  7
    fold  1, inner 1  validate  4  5  6  7     train  0  1
    fold -1, inner 0  validate  0  1  2  3  4  5      train  8  9 10 11
    fold -1, inner 1  validate  6  7  8  9 10 11      train  0  1  2  3

With scheme rolling every train span is as long as the first one and ends where the anchored one does; so does that of
the final policy, fold -1, at the end of the development span:

    fold  0           test      8  9
    fold  0, inner 0  validate  0  1  2        train  5
    fold  0, inner 1  validate  3  4  5        train  0
    fold  1           test     10 11
    fold  1, inner 0  validate  2  3  4        train  7
    fold  1, inner 1  validate  5  6  7        train  2
    fold -1, inner 0  validate  6  7  8        train 11
    fold -1, inner 1  validate  9 10 11        train  6
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from outsample.config.models import Folds
from outsample.errors import DataError
from outsample.features.build import symbol_rows
from outsample.io.schemas import TABLES

FILL_DELAY = 1  # bars from a decision to its fill, under next_open as under next_close
MIN_SPAN = 2  # dates of a tested or validated span: a decision and its fill


@dataclass(frozen=True)
class Layout:
    """Lengths on the union of dates: the first train span, each test span but the last, the gaps, the inner folds."""

    dates: int
    n_folds: int
    first_train: int
    test: int
    purge: int
    embargo: int
    inner: int
    rolling: bool

    @classmethod
    def of(cls, dates: int, n_folds: int, folds: Folds, look_back: int) -> Layout:
        first_train = math.floor(dates * folds.min_train + 0.5)
        purge = folds.reward_horizon + FILL_DELAY
        embargo = look_back if folds.embargo is None else folds.embargo
        test = (dates - first_train - purge) // n_folds
        return cls(dates, n_folds, first_train, test, purge, embargo, folds.inner_folds, folds.scheme == "rolling")

    def lack(self) -> str | None:
        """What is too short to be used, or None where everything fits; the first train span is the shortest."""
        if self.test < MIN_SPAN:
            return f"a test span would have {max(self.test, 0)} dates, at least {MIN_SPAN} are needed"
        for number, (start, end) in enumerate(self.blocks(0, self.first_train)):
            if end - start < MIN_SPAN:
                return f"a validated block would have {end - start} dates, at least {MIN_SPAN} are needed"
            before = max(start - self.purge, 0)
            after = max(self.first_train - end - self.purge - self.embargo, 0)
            if before + after < 1:
                return (
                    f"inner fold {number} of the first train span of {self.first_train} dates keeps no date "
                    f"to train on once the purge of {self.purge} and the embargo of {self.embargo} are taken"
                )
        return None

    def blocks(self, first: int, end: int) -> list[tuple[int, int]]:
        """The validated blocks [start, end) of a train span [first, end): equal, the last takes the remainder."""
        length = (end - first) // self.inner
        edges = [first + number * length for number in range(self.inner)] + [end]
        return list(itertools.pairwise(edges))

    def train_first(self, end: int) -> int:
        """First date of the train span that ends before position `end`."""
        return end - self.first_train if self.rolling else 0

    def outer(self) -> list[tuple[int, int]]:
        """Test spans [start, end): contiguous, equal, the last takes the remainder and ends with the development."""
        from skfolio.model_selection import WalkForward  # 3 s to import, for this rule alone

        cutter = WalkForward(
            test_size=self.test,
            train_size=self.first_train,
            purged_size=self.purge,
            expand_train=not self.rolling,
        )
        usable = self.first_train + self.purge + self.n_folds * self.test
        spans = [(int(test[0]), int(test[-1]) + 1) for _, test in cutter.split(np.empty((usable, 1)))]
        # WalkForward can drop a remainder or make a short fold of it, but not give it to the last fold.
        return [*spans[:-1], (spans[-1][0], self.dates)]


@dataclass(frozen=True)
class SymbolDates:
    """Where one symbol's rows lie on the union of dates."""

    dates: NDArray[np.datetime64]  # [rows]
    row_at: NDArray[np.int64]  # [union dates + 1]: its first row on or after each position of the union

    def rows(self, start: int, end: int) -> tuple[int, int]:
        """Its rows [start, end) within positions [start, end) of the union."""
        return int(self.row_at[start]), int(self.row_at[end])

    def train_end(self, tested: int, purge: int) -> int:
        """End of its rows whose reward is known before position `tested`.

        The purge counts the symbol's own bars, never fewer than as many dates of the union: where its bars have gaps
        (a stock beside a market that never closes) its reward spans more dates. A symbol outside the union, to
        pre-train on, may have more bars than that, and is cut by dates.
        """
        return max(min(int(self.row_at[tested]) - purge, int(self.row_at[max(tested - purge, 0)])), 0)

    def train_start(self, tested: int, gap: int) -> int:
        """First of its rows that lies `gap` own bars after a block which ended before position `tested`.

        A symbol that starts after the block has no own bars to count from, so the gap counts dates of the union; so it
        does for a symbol outside the union that has more bars.
        """
        started, by_date = int(self.row_at[tested]), int(self.row_at[min(tested + gap, len(self.row_at) - 1)])
        return max(started + gap, by_date) if started else by_date


def _inner_parts(
    layout: Layout, symbol: SymbolDates, span: int, limit: int
) -> Iterator[tuple[int, str, list[tuple[int, int]]]]:
    """The inner folds of one symbol in the train span of the union that ends at `span`, its rows cut off at `limit`.

    Written here, not taken from skfolio: CombinatorialPurgedCV holds out two blocks or more, and counts its purge in
    rows of one table, not in the rows of each symbol.
    """
    gap = layout.purge + layout.embargo
    opening = layout.train_first(span)
    own_first, _ = symbol.rows(opening, span)
    for inner, (start, end) in enumerate(layout.blocks(opening, span)):
        first, last = symbol.rows(start, end)
        before = (own_first, symbol.train_end(start, layout.purge))
        after = (symbol.train_start(end, gap), limit)
        yield inner, "train", [before, after]
        yield inner, "validate", [(first, min(last, limit))]


def _dates_that_fit(dates: int, folds: Folds, look_back: int) -> int:
    """A number of dates for the folds asked, one less of which would not do; more than `dates`, which do not."""
    low, high = dates, 2 * dates
    while Layout.of(high, folds.n_folds, folds, look_back).lack() is not None:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if Layout.of(middle, folds.n_folds, folds, look_back).lack() is None:
            high = middle
        else:
            low = middle
    return high


def _require_room(dates: int, folds: Folds, look_back: int) -> Layout:
    layout = Layout.of(dates, folds.n_folds, folds, look_back)
    lack = layout.lack()
    if lack is None:
        return layout
    fits = [k for k in range(2, folds.n_folds) if Layout.of(dates, k, folds, look_back).lack() is None]
    if fits:
        advice = f"the largest number of folds that fits is {fits[-1]}"
    else:
        advice = (
            f"the largest number of folds that fits is 0; give {_dates_that_fit(dates, folds, look_back)} dates of "
            "development, or lower folds.embargo or folds.inner_folds"
        )
    raise DataError(
        f"The development span of {dates} dates is too short for folds.n_folds {folds.n_folds}: {lack}; {advice}."
    )


def make_folds(
    development: pd.DataFrame, folds: Folds, look_back: int, others: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Cut the development span into purged walk-forward folds and the inner folds of each train span.

    Folds are cut on the union of the dates of all symbols. The train span of a fold starts at the first date, or with
    scheme rolling as many dates before its end as the first one has, and ends purge = reward_horizon + 1 (fill delay)
    bars before its test span. Each inner fold validates one block of it and
    trains on the rest, less the purge before the block, and the purge and the embargo after it. A symbol without rows
    in a part has no line there. Source: Lopez de Prado (2018), chapter 7.

    Args:
        development: table `development`, sorted by symbol and date.
        folds: numbers and gaps; an `embargo` of None is `look_back`.
        look_back: longest look-back of a feature, in bars.
        others: rows of other symbols before the vault, sorted likewise. They are divided instead, at the dates at which
            the development rows are, and none of them is tested: weights are pre-trained on them.
    Returns: table `folds`.
    Raises: DataError where the span is too short (the largest number of folds that fits is named), or where no symbol
        has a row to train on.
    """
    dates = np.unique(development["date"].to_numpy())
    layout = _require_room(len(dates), folds, look_back)
    divided = development if others is None else others
    every = divided["date"].to_numpy()
    symbols = {}
    for symbol, rows in symbol_rows(divided):
        row_at = np.append(np.searchsorted(every[rows], dates), rows.stop - rows.start)
        symbols[symbol] = SymbolDates(every[rows], row_at)
    lines: list[dict[str, Any]] = []

    def add(fold: int, inner: int, part: str, symbol: str, blocks: list[tuple[int, int]]) -> None:
        for block, (start, end) in enumerate([(start, end) for start, end in blocks if start < end]):
            own = symbols[symbol].dates
            keys = {"fold": fold, "inner": inner, "part": part, "symbol": symbol, "block": block}
            lines.append(keys | {"start": start, "end": end, "first_date": own[start], "last_date": own[end - 1]})

    for fold, (start, end) in enumerate(layout.outer()):
        for symbol, own in symbols.items():
            if others is None:
                add(fold, -1, "test", symbol, [own.rows(start, end)])
            limit = own.train_end(start, layout.purge)
            for inner, part, blocks in _inner_parts(layout, own, start - layout.purge, limit):
                add(fold, inner, part, symbol, blocks)
    for symbol, own in symbols.items():
        for inner, part, blocks in _inner_parts(layout, own, len(dates), len(own.dates)):
            add(-1, inner, part, symbol, blocks)
    return _checked(lines, folds, "data.symbols" if others is None else "data.transfer")


def _checked(lines: list[dict[str, Any]], folds: Folds, key: str) -> pd.DataFrame:
    """The lines as table `folds`, once every part is found to have a row of some symbol."""
    found = {(line["fold"], line["inner"], line["part"]) for line in lines}
    for fold in range(-1, folds.n_folds):
        for inner in range(folds.inner_folds):
            for part in ("train", "validate"):
                if (fold, inner, part) not in found:
                    raise DataError(
                        f"No symbol of {key} has a bar in part {part} of fold {fold}, inner fold {inner}; give symbols "
                        "that start earlier, or raise folds.min_train or lower folds.embargo."
                    )
    schema = TABLES["folds"]
    types = {name: kind for name, kind in schema.columns.items() if kind.startswith("int")}
    frame = pd.DataFrame(lines, columns=list(schema.columns)).astype(types)
    return frame.sort_values(list(schema.keys), kind="stable", ignore_index=True)
