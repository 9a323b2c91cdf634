"""Spans of the union of all symbols' dates, the rows that a symbol has there, and how far they keep from a test."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FILL_DELAY = 1  # bars from a decision to its fill, under next_open as under next_close
MIN_SPAN = 2  # dates of a tested or validated span: a decision and its fill

Span = tuple[int, int]
"""A half-open range [start, end): of positions on the union of dates, or of rows of a symbol."""


class Part(NamedTuple):
    """Rows of one symbol in one part of a fold; inner is -1 in a test."""

    fold: int
    inner: int
    part: str
    spans: list[Span]


@dataclass(frozen=True)
class SymbolDates:
    """Where one symbol's rows lie on the union of dates."""

    dates: NDArray[np.datetime64]  # [rows]
    row_at: NDArray[np.int64]  # [union dates + 1]: its first row on or after each position of the union

    def rows(self, start: int, end: int) -> Span:
        """Its rows [start, end) within positions [start, end) of the union."""
        return int(self.row_at[start]), int(self.row_at[end])

    def train_end(self, tested: int, purge: int) -> int:
        """End of its rows whose reward is known before position `tested`.

        The purge counts the symbol's own bars, never fewer than as many dates of the union: where its bars have gaps
        (a stock beside a market that never closes) its reward spans more dates. A symbol outside the union, to
        pre-train on, may have more bars than that, and is cut by dates.
        """
        return max(min(int(self.row_at[tested]) - purge, int(self.row_at[max(tested - purge, 0)])), 0)

    def train_start(self, tested: int, purge: int, embargo: int) -> int:
        """First of its rows that lies purge + embargo own bars after a block which ended before position `tested`.

        Never fewer than as many dates of the union: a symbol outside the union may have more bars than that. Of a
        symbol whose first row follows the block an embargo of rows is left out as well, for the bars of its warm-up,
        which have no row, may lie in the block.
        """
        started, gap = int(self.row_at[tested]), purge + embargo
        by_date = int(self.row_at[min(tested + gap, len(self.row_at) - 1)])
        return max(started + gap if started else embargo, by_date)

    def around(self, judged: Sequence[Span], purge: int, embargo: int) -> list[Span]:
        """Its rows that may be trained on where these spans are judged: purged before, purged and embargoed after each.

        Args:
            judged: spans of the union, in the order of time; they may touch.
            purge, embargo: bars.
        >>> every = SymbolDates(np.arange(12).astype("datetime64[D]"), np.arange(13))
        >>> every.around([(4, 6)], purge=2, embargo=1)  # rows 2 and 3 are purged, rows 6, 7 and 8 left out
        [(0, 2), (9, 12)]
        """
        spans, start = [], 0
        for first, end in judged:
            spans.append((start, self.train_end(first, purge)))
            start = self.train_start(end, purge, embargo)
        return _not_empty([*spans, (start, len(self.dates))])


def equal_blocks(first: int, end: int, count: int) -> list[Span]:
    """The blocks of [first, end): equal, the last takes the remainder.

    >>> equal_blocks(0, 11, 3)
    [(0, 3), (3, 6), (6, 11)]
    """
    length = (end - first) // count
    edges = [first + number * length for number in range(count)] + [end]
    return list(itertools.pairwise(edges))


def common(some: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """What two lists of spans have in common, both in order.

    >>> common([(0, 5), (8, 12)], [(3, 10)])
    [(3, 5), (8, 10)]
    """
    return _not_empty([(max(a, c), min(b, d)) for a, b in some for c, d in others])


def _not_empty(spans: Sequence[Span]) -> list[Span]:
    return [(start, end) for start, end in spans if start < end]
