"""The lanes of a round, and which of them ride in a shard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from outsample.agents.studio import Lane
from outsample.errors import ConfigError


def lanes_of(trials: Sequence[Mapping[str, Any]], folds: pd.DataFrame, seeds: int) -> list[Lane]:
    """The lanes of trials: each on every fold that has test rows, with every seed.

    Args: trials: with keys trial and params; folds: table "folds"; seeds: seeds of each.
    """
    tested = sorted(folds.loc[folds["part"] == "test", "fold"].unique().tolist())
    return [Lane(t["trial"], fold, seed, t["params"]) for t in trials for fold in tested for seed in range(seeds)]


def shard_of(lanes: Sequence[Lane], scatteritem: str, may_be_empty: bool = False) -> list[Lane]:
    """Lanes of one shard: every n-th lane from the i-th, for the scatter item i-of-n.

    Raises: ConfigError where there are more shards than lanes and none may be empty.
    """
    index, shards = (int(number) for number in scatteritem.split("-of-"))
    if shards > len(lanes) and not may_be_empty:
        raise ConfigError(
            f"The profile asks for {shards} shards (set-scatter: trials), but the round has only {len(lanes)} lanes; "
            f"set trials={len(lanes)} or less."
        )
    return list(lanes[index - 1 :: shards])
