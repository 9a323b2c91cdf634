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

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from outsample.config.folds import Folds
from outsample.folds.spans import FILL_DELAY, MIN_SPAN, Part, Span, SymbolDates, equal_blocks


@dataclass(frozen=True)
class WalkForward:
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
    def of(cls, dates: int, n_folds: int, folds: Folds, look_back: int) -> WalkForward:
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

    def blocks(self, first: int, end: int) -> list[Span]:
        """The validated blocks [start, end) of a train span [first, end): equal, the last takes the remainder."""
        return equal_blocks(first, end, self.inner)

    def train_first(self, end: int) -> int:
        """First date of the train span that ends before position `end`."""
        return end - self.first_train if self.rolling else 0

    @cached_property
    def outer(self) -> list[Span]:
        """Test spans [start, end): contiguous, equal, the last takes the remainder and ends with the development."""
        from skfolio.model_selection import WalkForward as Cutter  # 3 s to import, for this rule alone

        cutter = Cutter(
            test_size=self.test,
            train_size=self.first_train,
            purged_size=self.purge,
            expand_train=not self.rolling,
        )
        usable = self.first_train + self.purge + self.n_folds * self.test
        spans = [(int(test[0]), int(test[-1]) + 1) for _, test in cutter.split(np.empty((usable, 1)))]
        # It can drop a remainder or make a short fold of it, but not give it to the last fold.
        return [*spans[:-1], (spans[-1][0], self.dates)]

    def parts(self, own: SymbolDates) -> Iterator[Part]:
        """Every part of one symbol."""
        for fold, (start, end) in enumerate(self.outer):
            yield Part(fold, -1, "test", [own.rows(start, end)])
            yield from self._inner_parts(fold, own, start - self.purge, own.train_end(start, self.purge))
        yield from self._inner_parts(-1, own, self.dates, len(own.dates))

    def _inner_parts(self, fold: int, symbol: SymbolDates, span: int, limit: int) -> Iterator[Part]:
        """The inner folds of one symbol in the train span of the union that ends at `span`, its rows cut at `limit`.

        Written here, not taken from skfolio: CombinatorialPurgedCV holds out two blocks or more, and counts its purge
        in rows of one table, not in the rows of each symbol.
        """
        opening = self.train_first(span)
        # A symbol to pre-train on may have bars before the union: an anchored span begins with its first one.
        own_first = symbol.rows(opening, span)[0] if self.rolling else 0
        for inner, (start, end) in enumerate(self.blocks(opening, span)):
            first, last = symbol.rows(start, end)
            before = (own_first, symbol.train_end(start, self.purge))
            after = (symbol.train_start(end, self.purge, self.embargo), limit)
            yield Part(fold, inner, "train", [before, after])
            yield Part(fold, inner, "validate", [(first, min(last, limit))])
