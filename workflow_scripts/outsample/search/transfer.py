"""The trials that start from pre-trained weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from outsample.config.selection import TRANSFER


def transfer_trials(first_round: Sequence[Mapping[str, Any]], rounds: int) -> list[dict[str, Any]]:
    """The trials of the first round again, with numbers after those of all rounds.

    No score of this search enters them, so that whoever chooses among them by the folds before a fold has not looked
    at it, unless the first round started from an earlier study.

    Args:
        first_round: trials of the document "suggestions" of round 0.
        rounds: of the search, each of as many trials.

    >>> transfer_trials([{"trial": 0, "origin": "defaults", "params": {"discount": 0.9}}], rounds=4)
    [{'trial': 4, 'origin': 'transfer', 'params': {'discount': 0.9}}]
    """
    before = rounds * len(first_round)
    return [
        {"trial": before + place, "origin": TRANSFER, "params": dict(trial["params"])}
        for place, trial in enumerate(first_round)
    ]
