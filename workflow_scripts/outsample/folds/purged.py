"""Purged k-fold and combinatorial purged splits, which train on both sides of what they test.

The span is cut into K blocks. A split of `purged_kfold` tests one of them, a split of `combinatorial_purged` one choice
of several; it trains on the rest, less the purge before each tested block, and the purge and the embargo after it, for
a feature of the rows there still sees tested bars. What is left is cut into the inner folds of the gate, which keep the
same distance from each other. Of 12 dates with 3 blocks, 2 inner folds, reward_horizon 1 (so purge 2) and embargo 0,
printed as positions:

    fold  0           test      0  1  2  3
    fold  0, inner 0  validate  6  7  8            train  11
    fold  0, inner 1  validate  9 10 11            train  6
    fold  1           test      4  5  6  7
    fold  1, inner 0  validate  0  1               train  10 11
    fold  1, inner 1  validate 10 11               train  0  1
    fold  2           test      8  9 10 11
    fold  2, inner 0  validate  0  1  2            train  5
    fold  2, inner 1  validate  3  4  5            train  0

With 4 blocks of which 2 are tested, the rows that may be trained on (| where a gap lies between them):

    fold  0  test  0 1 2 | 3 4 5       train  8 9 10 11
    fold  1  test  0 1 2 | 6 7 8       train  11
    fold  2  test  0 1 2 | 9 10 11     train  5 6
    fold  3  test  3 4 5 | 6 7 8       train  0 | 11
    fold  4  test  3 4 5 | 9 10 11     train  0
    fold  5  test  6 7 8 | 9 10 11     train  0 1 2 3

The final policy, fold -1, tests nothing; its inner folds are those of an anchored train span.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from outsample.config.folds import Folds
from outsample.folds.spans import FILL_DELAY, MIN_SPAN, Part, Span, SymbolDates, common, equal_blocks


@dataclass(frozen=True)
class Purged:
    """The splits on the union of dates: its length, the blocks, the gaps, the inner folds."""

    dates: int
    n_folds: int
    tested: int  # blocks that a split tests
    purge: int
    embargo: int
    inner: int

    @classmethod
    def of(cls, dates: int, n_folds: int, folds: Folds, look_back: int) -> Purged:
        """The splits of so many dates; the numbers of `folds`, but for the number of folds."""
        tested = folds.n_test_folds if folds.scheme == "combinatorial_purged" else 1
        embargo = look_back if folds.embargo is None else folds.embargo
        return cls(dates, n_folds, tested, folds.reward_horizon + FILL_DELAY, embargo, folds.inner_folds)

    def lack(self) -> str | None:
        """What is too short to be used, or None where everything fits."""
        if self.n_folds <= self.tested:
            return "no block would be left to train on"
        if (length := self.dates // self.n_folds) < MIN_SPAN:
            return f"a tested block would have {length} dates, at least {MIN_SPAN} are needed"
        for split, tested in enumerate(self.outer):
            for inner, validated in enumerate(self._validated(tested)):
                longest = max((end - start for start, end in validated), default=0)
                if longest < MIN_SPAN:
                    return (
                        f"inner fold {inner} of fold {split} would validate {longest} dates in a row, at least "
                        f"{MIN_SPAN} are needed"
                    )
                if not self._every.around(sorted([*tested, *validated]), self.purge, self.embargo):
                    return (
                        f"inner fold {inner} of fold {split} keeps no date to train on once the purge of {self.purge} "
                        f"and the embargo of {self.embargo} are taken"
                    )
        return None

    @cached_property
    def outer(self) -> list[list[Span]]:
        """The tested blocks of each split, in the order of time."""
        if self.tested == 1:
            return [[block] for block in equal_blocks(0, self.dates, self.n_folds)]
        from skfolio.model_selection import CombinatorialPurgedCV  # 3 s to import, for this rule alone

        # It tests two blocks or more, and counts its gaps in rows of one table, not in the rows of each symbol: the
        # blocks and their choices are its own, the gaps are those of `SymbolDates.around`.
        cutter = CombinatorialPurgedCV(n_folds=self.n_folds, n_test_folds=self.tested)
        splits = cutter.split(np.empty((self.dates, 1)))
        return [[(int(block[0]), int(block[-1]) + 1) for block in blocks] for _, blocks in splits]

    @cached_property
    def _every(self) -> SymbolDates:
        """A symbol with a row on every date."""
        return SymbolDates(np.arange(self.dates).astype("datetime64[D]"), np.arange(self.dates + 1))

    def _validated(self, tested: list[Span]) -> list[list[Span]]:
        """The spans of the union that each inner fold validates: equal shares of what the tested blocks leave."""
        left = self._every.around(tested, self.purge, self.embargo)
        positions = np.concatenate([np.arange(0), *(np.arange(start, end) for start, end in left)])
        shares = [positions[start:end] for start, end in equal_blocks(0, len(positions), self.inner)]
        runs = [np.split(share, np.flatnonzero(np.diff(share) > 1) + 1) for share in shares]
        return [[(int(run[0]), int(run[-1]) + 1) for run in of_share if len(run)] for of_share in runs]

    def parts(self, own: SymbolDates) -> Iterator[Part]:
        """Every part of one symbol."""
        for split, tested in enumerate(self.outer):
            yield Part(split, -1, "test", [own.rows(*block) for block in tested])
            yield from self._inner_parts(split, tested, own)
        yield from self._inner_parts(-1, [], own)

    def _inner_parts(self, split: int, tested: list[Span], own: SymbolDates) -> Iterator[Part]:
        allowed = own.around(tested, self.purge, self.embargo)
        for inner, validated in enumerate(self._validated(tested)):
            judged = sorted([*tested, *validated])
            yield Part(split, inner, "train", own.around(judged, self.purge, self.embargo))
            yield Part(split, inner, "validate", common([own.rows(*span) for span in validated], allowed))
