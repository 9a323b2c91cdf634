"""The block `selection` of the configuration, and what each selection arm is made of."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, NamedTuple

from pydantic import Field

from outsample.config.block import Block, key

Arm = Literal[
    "defaults",
    "sharpe_only",
    "multi_metric",
    "multi_metric_filtered",
    "transfer",
    "ensemble",
    "enhanced",
    "enhanced_without_multi_metric",
    "enhanced_without_transfer",
    "enhanced_without_ensemble",
]

TRANSFER = "transfer"  # origin of the trials that start from pre-trained weights


class Recipe(NamedTuple):
    """What an arm chooses by, from what, and whether it takes the best or the mean of the best."""

    score: Arm  # the arm whose score it ranks by
    transfer: bool = False  # from the trials with pre-trained weights, not from those of the search
    ensemble: bool = False  # the mean of the best `selection.ensemble.size`


RECIPES: dict[str, Recipe] = {
    "defaults": Recipe("sharpe_only"),
    "sharpe_only": Recipe("sharpe_only"),
    "multi_metric": Recipe("multi_metric"),
    "multi_metric_filtered": Recipe("multi_metric_filtered"),
    "transfer": Recipe("sharpe_only", transfer=True),
    "ensemble": Recipe("sharpe_only", ensemble=True),
    "enhanced": Recipe("multi_metric", transfer=True, ensemble=True),
    "enhanced_without_multi_metric": Recipe("sharpe_only", transfer=True, ensemble=True),
    "enhanced_without_transfer": Recipe("multi_metric", ensemble=True),
    "enhanced_without_ensemble": Recipe("multi_metric", transfer=True),
}


def arms_of(transfer: Collection[str]) -> list[str]:
    """The arms that can be had, with these symbols to pre-train on or none.

    >>> arms_of([])
    ['defaults', 'sharpe_only', 'multi_metric', 'multi_metric_filtered', 'ensemble', 'enhanced_without_transfer']
    """
    return [arm for arm, recipe in RECIPES.items() if transfer or not recipe.transfer]


class MultiMetric(Block):
    """Weights of the multi-metric score."""

    sharpe: float = key(0.4, "Weight of the Sharpe ratio.", "1")
    profit: float = key(0.3, "Weight of profit over starting equity.", "1")
    win_rate: float = key(0.2, "Weight of the share of winning trades.", "1")
    max_drawdown: float = key(-0.1, "Weight of the maximum drawdown.", "1")


class Ensemble(Block):
    """The arms that take the mean of several trials."""

    size: int = key(3, "Trials whose targets are averaged: the best ones; all, where there are fewer.", "1", ge=2)


class Selection(Block):
    """Which arm chooses the strategy that goes to the vault."""

    arm: Arm = key("sharpe_only", "Arm whose choice is evaluated.", "-")
    multi_metric: MultiMetric = Field(
        MultiMetric(), description="Weights of the multi-metric arms.", json_schema_extra={"unit": "-"}
    )
    ensemble: Ensemble = Field(
        Ensemble(), description="The arms that take the mean of several trials.", json_schema_extra={"unit": "-"}
    )
