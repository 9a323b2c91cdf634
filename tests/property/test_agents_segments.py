"""Segments: whatever the blocks, every decision is covered and no segment leaves its block."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outsample.agents.segments import segments_needed, tile


@st.composite
def spans(draw):
    lengths = draw(st.lists(st.integers(1, 60), min_size=1, max_size=6))
    gaps = draw(st.lists(st.integers(0, 9), min_size=len(lengths), max_size=len(lengths)))
    blocks, row = [], 0
    for length, gap in zip(lengths, gaps, strict=True):
        blocks.append((row + gap, row + gap + length))
        row += gap + length
    return blocks, draw(st.integers(1, 25)), draw(st.integers(0, 10))


@given(spans())
def test_tiles_cover_every_decision_and_stay_inside(case):
    blocks, segment, extra = case
    decisions = {row for start, end in blocks for row in range(start, end - 1)}
    count = segments_needed(blocks, segment) + extra
    if not decisions:
        with pytest.raises(ValueError, match="cannot cover"):
            tile(blocks, segment, count)
        return
    tiles = tile(blocks, segment, count)
    assert len(tiles.start) == len(tiles.length) == count
    assert tiles.length.max() <= segment
    covered = {row for s, n in zip(tiles.start, tiles.length, strict=True) for row in range(s, s + n)}
    assert covered == decisions
    for s, n in zip(tiles.start, tiles.length, strict=True):
        assert n >= 1
        assert any(start <= s and s + n < end for start, end in blocks)  # row s + n fills and marks the last decision


def test_too_few_segments_are_refused():
    with pytest.raises(ValueError, match="cannot cover"):
        tile([(0, 11)], segment=4, count=2)


def test_surplus_goes_where_coverage_is_least():
    # 8 and 4 decisions; 2 + 1 segments of 4 are needed; the fourth and fifth go one to each by coverage (first wins).
    tiles = tile([(0, 9), (20, 25)], segment=4, count=5)
    assert np.array_equal(tiles.start, [0, 2, 4, 20, 20])
