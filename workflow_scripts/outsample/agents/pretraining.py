"""Weights trained on other symbols, from which the lanes of the symbols that are traded start.

A lane of (fold, seed) starts from a run of the same fold and seed on the other symbols, with the configured settings of
the agent, whose inner-fold models keep to the same dates. Scalers are those of the symbols that are traded: what one
network has learnt to read means the same to the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from outsample.agents.attempts import Starts, Watch, attempt, unstopped
from outsample.agents.studio import Lane, Studio, check_lanes, name_of
from outsample.errors import TrainingError
from outsample.market.panel import Panel


@dataclass(frozen=True)
class Pretraining:
    """What weights are pre-trained on, and how."""

    panel: Panel  # of other symbols, before the vault
    folds: pd.DataFrame  # table `folds` of theirs, without tests
    params: Mapping[str, Any]  # every field of the agent's config block, as configured


def pretrain(
    studio: Studio, pretraining: Pretraining, keys: Sequence[tuple[int, int]], watch: Watch, final: bool = False
) -> Starts:
    """Train each network of an agent on the other symbols; nothing stops early, for nothing is validated.

    Args:
        studio: of the symbols that are traded.
        pretraining: the other symbols, and the settings of the agent.
        keys: (fold, seed) of each run.
        watch: as in `outsample.agents.lanes.train_lanes`.
        final: whether a breakdown of the settings themselves ends all.
    Raises:
        TrainingError: the bars cannot be trained on; it says that they are those of the pre-training.
        BrokenLaneError: where `final`.
    """
    others = Studio.open(studio.agent, pretraining.panel, pretraining.folds, studio.scalers, studio.rules)
    params = dict(pretraining.params) | {"patience": 0}
    params["alternatives"] = [dict(change) | {"patience": 0} for change in pretraining.params["alternatives"]]
    lanes = [Lane(0, fold, seed, params, before=studio.agent) for fold, seed in sorted(set(keys))]
    try:
        checked = check_lanes(others, lanes)
    except TrainingError as error:
        raise TrainingError(f"On the symbols of data.transfer: {error}") from error
    fits, places = attempt(others, checked, watch, final=final, hand_on=True)
    known: dict[Any, Any] = {}
    for lane, tried in checked:
        for variant, settings in enumerate(tried):
            name = name_of(lane, variant)
            place = f"pre-training, {places.get(name) or places.get(name_of(lane))}"
            found = fits[name].trained.weights if name in fits else place
            known.setdefault((lane.fold, lane.seed, unstopped(others.program(settings))), found)
    return Starts(known)
