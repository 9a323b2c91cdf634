"""The folds as people read them: what each learns from and tests, the bars left out between, and a drawing of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from outsample.folds.spans import Span

LEARNT, TESTED, NOTHING = "#2b83cb", "#d55e00", "#e3e6ea"
_LEFT, _WIDTH, _ROW, _BAR = 70, 900, 18, 12  # pixels


def longest_symbol(folds: pd.DataFrame) -> pd.DataFrame:
    """The lines of the symbol with most bars, which stands for all."""
    ends = folds.groupby("symbol")["end"].max()
    return folds[folds["symbol"] == ends.idxmax()]


def fold_table(folds: pd.DataFrame) -> pd.DataFrame:
    """One row a tested block of each fold: what the fold learns from, what it tests, and the bars left out between.

    Args: folds: table `folds`; the symbol with most bars stands for all.
    Returns: columns fold, block, train_first, train_last, train_rows, train_spans, left_before, test_first, test_last,
        test_rows, left_after; left_before and left_after are null where nothing is learnt on that side of the block, or
        another tested block touches it.
    """
    rows = longest_symbol(folds)
    found: list[dict[str, Any]] = []
    for fold in sorted(set(rows.loc[rows["part"] == "test", "fold"])):
        of_fold = rows[rows["fold"] == fold]
        tests, learnt = of_fold[of_fold["part"] == "test"], of_fold[of_fold["part"] != "test"]
        spans, tested = _joined(learnt), _joined(tests)
        for block, test in enumerate(tests.sort_values("start").to_dict("records")):
            first, end = next(span for span in tested if span[0] <= test["start"] < span[1])
            before = [first - last for _, last in spans if last <= first and first == test["start"]]
            after = [start - end for start, _ in spans if start >= end == test["end"]]
            found.append(
                {
                    "fold": int(fold),
                    "block": block,
                    "train_first": learnt["first_date"].min(),
                    "train_last": learnt["last_date"].max(),
                    "train_rows": sum(end - start for start, end in spans),
                    "train_spans": len(spans),
                    "left_before": min(before, default=None),
                    "test_first": test["first_date"],
                    "test_last": test["last_date"],
                    "test_rows": test["end"] - test["start"],
                    "left_after": min(after, default=None),
                }
            )
    return pd.DataFrame(found).astype({"left_before": "Int64", "left_after": "Int64"})


def _joined(lines: pd.DataFrame) -> list[Span]:
    """The rows of all lines as spans that do not touch, in order."""
    spans: list[Span] = []
    for start, end in sorted(zip(lines["start"].tolist(), lines["end"].tolist(), strict=True)):
        if spans and start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], end))
        else:
            spans.append((start, end))
    return spans


def fold_chart(folds: pd.DataFrame) -> str:
    """A drawing (SVG) of what each fold learns from and tests, on the bars of the symbol with most of them.

    Args: folds: table `folds`.
    """
    rows = longest_symbol(folds)
    bars = int(rows["end"].max())
    numbers = sorted({int(fold) for fold in rows["fold"]}, key=lambda fold: (fold < 0, fold))
    drawn: list[str] = []
    for place, fold in enumerate(numbers):
        top = (place + 1) * _ROW
        of_fold = rows[rows["fold"] == fold]
        name = f"fold {fold}" if fold >= 0 else "final"
        drawn.append(f'<text x="{_LEFT - 8}" y="{top + _BAR - 2}" text-anchor="end">{name}</text>')
        drawn += _bars([(0, bars)], NOTHING, top, bars)
        drawn += _bars(_joined(of_fold[of_fold["part"] != "test"]), LEARNT, top, bars)
        drawn += _bars(_joined(of_fold[of_fold["part"] == "test"]), TESTED, top, bars)
    height, right = (len(numbers) + 3) * _ROW, _LEFT + _WIDTH
    below = (len(numbers) + 2) * _ROW
    first, last = (pd.Timestamp(day).date() for day in (rows["first_date"].min(), rows["last_date"].max()))
    drawn += [
        f'<text x="{_LEFT}" y="{_ROW - 5}">learnt from (blue), tested (orange), left out (grey)</text>',
        f'<text x="{_LEFT}" y="{below}">{first}</text>',
        f'<text x="{right}" y="{below}" text-anchor="end">{last}</text>',
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{right + 10}" height="{height}" '
            'font-family="sans-serif" font-size="12">',
            '<rect width="100%" height="100%" fill="#ffffff"/>',
            *drawn,
            "</svg>\n",
        ]
    )


def _bars(spans: Sequence[Span], color: str, top: int, bars: int) -> list[str]:
    """A bar for each span of rows, of `bars` rows across the whole width."""
    scale = _WIDTH / bars
    return [
        f'<rect x="{_LEFT + start * scale:.2f}" y="{top}" width="{(end - start) * scale:.2f}" height="{_BAR}" '
        f'fill="{color}"/>'
        for start, end in spans
    ]
