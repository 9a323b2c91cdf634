"""Rollout segments: the train blocks of a span, tiled by a fixed number of segments of a fixed length."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Block = tuple[int, int]
"""A half-open range [start, end) of rows of a panel, all of one symbol."""


class Segments(NamedTuple):
    """Where rollouts run: segment g takes decisions at rows start[g] .. start[g] + length[g] - 1.

    Its last decision is filled and marked at row start[g] + length[g], which is still inside the block.
    """

    start: NDArray[np.int32]  # [G]
    length: NDArray[np.int32]  # [G]


def _decisions(block: Block) -> int:
    """Bars of a block at which a decision can still be filled inside the block."""
    return max(block[1] - block[0] - 1, 0)


def segments_needed(blocks: Sequence[Block], segment: int) -> int:
    """Number of segments of `segment` decisions that cover every decision of the blocks.

    >>> segments_needed([(0, 11), (20, 24), (30, 31)], segment=4)  # 10, 3 and 0 decisions
    4
    """
    return sum(math.ceil(_decisions(block) / segment) for block in blocks)


def tile(blocks: Sequence[Block], segment: int, count: int) -> Segments:
    """Cover the decisions of the blocks by exactly `count` segments of at most `segment` decisions.

    Each block gets the fewest segments that cover it; what is left over goes one by one to the block that is covered
    least. The segments of a block are evenly spaced and overlap; a block shorter than a segment gets shortened
    segments. A block of one row holds no decision that could be filled and is left out.

    Args:
        blocks: row ranges of the train span.
        segment: decisions of a full segment.
        count: segments G, at least `segments_needed(blocks, segment)`.

    >>> tile([(0, 11), (20, 24)], segment=4, count=4)  # doctest: +NORMALIZE_WHITESPACE
    Segments(start=array([ 0,  3,  6, 20], dtype=int32), length=array([4, 4, 4, 3], dtype=int32))
    """
    usable = [block for block in blocks if _decisions(block) > 0]
    decisions = np.array([_decisions(block) for block in usable])
    counts = -(-decisions // segment)
    if not usable or counts.sum() > count:
        raise ValueError(f"{count} segments of {segment} cannot cover blocks {list(blocks)}")
    lengths = np.minimum(decisions, segment)
    for _ in range(count - int(counts.sum())):
        counts[np.argmin(counts * lengths / decisions)] += 1
    starts = [
        block[0] + np.round(np.linspace(0, d - length, n)).astype(int)
        for block, d, length, n in zip(usable, decisions, lengths, counts, strict=True)
    ]
    return Segments(np.concatenate(starts).astype(np.int32), np.repeat(lengths, counts).astype(np.int32))
