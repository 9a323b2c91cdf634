"""What a sampler is told of the trials so far: a function of their scores and of the rungs at which they stopped."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from outsample.config.models import MultiMetric
from outsample.config.search import PARETO
from outsample.search.told import Told
from outsample.selection.arms import Key, check_failures, trial_scores
from outsample.selection.pareto import OBJECTIVES, objectives_of


def told_scores(
    objective: str,
    agent: str,
    trials: Sequence[Mapping[str, Any]],
    scores: pd.DataFrame,
    weights: MultiMetric,
    max_failed: float = 1.0,
    stopped: Mapping[Key, int] | None = None,
) -> list[Told]:
    """What a sampler is told of each trial: settings, score (None where undefined), and where it was stopped.

    Args:
        objective: arm whose score is maximised; or pareto, of total return and maximum drawdown.
        agent: whose trials these are.
        trials: in the order of their suggestion, with keys trial and params.
        scores: table "scores" of the rounds before.
        weights: of the multi-metric arms.
        max_failed: as in `check_failures`, whose error it raises.
        stopped: the rung at which a trial was stopped (`outsample.selection.rungs.stopped_trials`).
    """
    check_failures(scores, max_failed)
    found = (
        objectives_of(scores)[list(OBJECTIVES)].apply(tuple, axis=1)
        if objective == PARETO
        else trial_scores(objective, scores, weights)
    )
    return [
        Told(trial["params"], _score(found[key]), (stopped or {}).get(key))
        for trial in trials
        for key in [(agent, int(trial["trial"]))]
    ]


def _score(value: Any) -> float | tuple[float, float] | None:
    """The value, or None where it, or one of its parts, is undefined."""
    if isinstance(value, tuple):
        return (float(value[0]), float(value[1])) if all(map(math.isfinite, value)) else None
    return float(value) if math.isfinite(value) else None
