"""The final policy of a selection: of its one trial, or the mean of the targets of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from outsample.agents.attempts import UNWATCHED, Watch
from outsample.agents.choice import level_of
from outsample.agents.gate import gate_bound, validated_returns
from outsample.agents.lanes import fit_member
from outsample.agents.policy import EnsemblePolicy, Policy
from outsample.agents.pretraining import Pretraining
from outsample.agents.studio import FINAL_FOLD, Studio
from outsample.config.models import Gate
from outsample.config.selection import TRANSFER
from outsample.market.accounting import MarketRules
from outsample.market.panel import Panel


def fit_selection(
    members: Sequence[Mapping[str, Any]],
    seeds: int,
    panel: Panel,
    folds: pd.DataFrame,
    scalers: pd.DataFrame,
    rules: MarketRules,
    gate: Gate,
    watch: Watch = UNWATCHED,
    transfer: Mapping[str, Pretraining] | None = None,
) -> Policy:
    """Train the final policy of each member, and take the mean of their targets where there are several.

    The gate of an ensemble judges the mean: on the validated rows each member is decided by its models that have not
    seen them, from the position that it holds alone. The gates of the members do not count; the level is divided by all
    networks that were tried for any of them.

    Args:
        members: of the document "selection", with keys agent, origin and params.
        transfer: agent -> on what the weights are pre-trained that members of origin "transfer" start from.
        Others, and errors, as in `outsample.agents.lanes.fit_final`.
    """
    fitted = []
    for number, member in enumerate(members):
        studio = Studio.open(member["agent"], panel, folds, scalers, rules)
        pretraining = (transfer or {})[member["agent"]] if member["origin"] == TRANSFER else None
        fitted.append(fit_member(studio, member["params"], seeds, gate, watch, number, pretraining))
    if len(fitted) == 1:
        return fitted[0].policy
    mean = np.stack([member.decided for member in fitted]).mean(axis=0, dtype=np.float64)
    returns = validated_returns(mean[:, None], list(studio.folds[FINAL_FOLD].validate), panel, rules)
    level = level_of(gate, sum(member.tried for member in fitted))
    bound = gate_bound(np.ascontiguousarray(returns[:, 0]), level)
    return EnsemblePolicy(tuple(member.policy for member in fitted), rules.grid, level.level, bound, bound > 0)
