"""The lanes of a round, and what of them rides in a shard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import pandas as pd

from outsample.agents.studio import Lane
from outsample.errors import ConfigError

T = TypeVar("T")


def runs_of(folds: pd.DataFrame, seeds: int) -> list[tuple[int, int]]:
    """(fold, seed) of every fold that has test rows, with every seed.

    Args: folds: table "folds"; seeds: seeds of each.
    """
    tested = sorted(folds.loc[folds["part"] == "test", "fold"].unique().tolist())
    return [(fold, seed) for fold in tested for seed in range(seeds)]


def lanes_of(trials: Sequence[Mapping[str, Any]], runs: Sequence[tuple[int, int]]) -> list[Lane]:
    """The lanes of trials: each on every (fold, seed).

    Args: trials: with keys trial and params; runs: as `runs_of` gives them.
    """
    return [Lane(trial["trial"], fold, seed, trial["params"]) for trial in trials for fold, seed in runs]


def shard_of(items: Sequence[T], scatteritem: str, what: str = "lanes", may_be_empty: bool = False) -> list[T]:
    """The items of one shard: every n-th from the i-th, for the scatter item i-of-n.

    Args: what: the items are, for the error.
    Raises: ConfigError where there are more shards than items and none may be empty.

    >>> shard_of("abcde", "2-of-3")
    ['b', 'e']
    """
    index, shards = (int(number) for number in scatteritem.split("-of-"))
    if shards > len(items) and not may_be_empty:
        raise ConfigError(
            f"The profile asks for {shards} shards (set-scatter: trials), but there are only {len(items)} {what}; set "
            f"trials={len(items)} or less."
        )
    return list(items[index - 1 :: shards])
