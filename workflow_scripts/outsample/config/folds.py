"""The block `folds` of the configuration."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import model_validator

from outsample.config.block import Block, key, refusal

MOST_FOLDS = 100
MOST_SPLITS = 1000


class Folds(Block):
    """How the development span is divided into folds, and the inner folds of the gate."""

    scheme: Literal["anchored", "rolling", "purged_kfold", "combinatorial_purged"] = key(
        "anchored",
        "Walk-forward, where train spans start at the first date (anchored) or are all as long as the first one "
        "(rolling); or all other blocks are trained on, with one block tested (purged_kfold) or every choice of "
        "n_test_folds of them (combinatorial_purged).",
        "-",
    )
    n_folds: int = key(5, "Walk-forward folds K; otherwise the blocks of the span.", "1", ge=2, le=MOST_FOLDS)
    n_test_folds: int = key(2, "Blocks that are tested together; of combinatorial_purged alone.", "1", ge=2)
    min_train: float = key(
        0.4,
        "Share of the development dates in the first train span, of a rolling scheme in each; of walk-forward alone.",
        "1",
        gt=0,
        lt=1,
    )
    inner_folds: int = key(4, "Blocks of each train span, each validated by a model that has not seen it.", "1", ge=2)
    scaling: Literal["standard", "robust", "min_max", "quantile_rank"] = key(
        "standard",
        "Scaling of the features, fitted on each train span: by mean and standard deviation, by median and "
        "interquartile range, or from -1 to 1 by value or by rank (clipped beyond the train values).",
        "-",
    )
    reward_horizon: int = key(1, "Bars over which a reward is measured.", "bars", ge=1)
    embargo: int | None = key(
        None, "Bars left out where training follows a tested block; null is the longest look-back.", "bars", ge=0
    )

    @property
    def walks_forward(self) -> bool:
        """Whether every fold trains on bars before its test alone, so that earlier folds precede later ones."""
        return self.scheme in ("anchored", "rolling")

    @property
    def splits(self) -> int:
        """How many splits there are, each a fold of the tables: what every trial and seed is trained on."""
        return math.comb(self.n_folds, self.n_test_folds) if self.scheme == "combinatorial_purged" else self.n_folds

    @property
    def numbers_of_folds(self) -> list[int]:
        """Every n_folds that the other keys allow."""
        if self.scheme != "combinatorial_purged":
            return list(range(2, MOST_FOLDS + 1))
        least, most = self.n_test_folds + 1, MOST_FOLDS
        return [k for k in range(least, most + 1) if math.comb(k, self.n_test_folds) <= MOST_SPLITS]

    @model_validator(mode="after")
    def _some_blocks_train(self) -> Folds:
        if self.scheme != "combinatorial_purged":
            return self
        if self.n_test_folds >= self.n_folds:
            lower = f"set it to at most {self.n_folds - 1}, or " if self.n_folds > 2 else ""
            raise refusal(
                "n_test_folds",
                f"{self.n_test_folds} is not below folds.n_folds {self.n_folds}, which leaves no block to train on; "
                f"{lower}raise folds.n_folds",
            )
        if self.splits > MOST_SPLITS:
            raise refusal(
                "n_test_folds",
                f"{self.n_test_folds} of {self.n_folds} blocks make {self.splits:,} splits, each trained by every "
                f"trial and seed, and at most {MOST_SPLITS:,} are; lower it, or lower folds.n_folds",
            )
        return self
