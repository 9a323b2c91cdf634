"""What a sampler is told of a trial, and the trial as Optuna knows it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import optuna
from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

DIRECTIONS = {
    1: [StudyDirection.MAXIMIZE],
    2: [StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE],
}  # of one score; of return and drawdown


class Told(NamedTuple):
    """A trial that was scored."""

    params: Mapping[str, Any]  # every setting of the agent
    score: float | tuple[float, float] | None  # or the two objectives, return and drawdown; None where undefined
    stopped: int | None = None  # the rung at which it was stopped; None where it was trained to its end

    @property
    def values(self) -> list[float] | None:
        """What is told as the outcome; None of a trial without a score, which is told as failed."""
        if self.score is None:
            return None
        values = list(self.score) if isinstance(self.score, tuple) else [self.score]
        return values if all(map(math.isfinite, values)) else None


def inside(params: Mapping[str, Any], distributions: Mapping[str, BaseDistribution]) -> dict[str, Any]:
    """Those parameters that lie within their dimension; the configured settings may lie outside of one."""
    return {name: params[name] for name, d in distributions.items() if d._contains(d.to_internal_repr(params[name]))}


def frozen(told: Told, distributions: Mapping[str, BaseDistribution]) -> FrozenTrial:
    """The trial: complete, failed, or pruned with its score at the rung where it was stopped.

    Args: distributions: of the parameters that Optuna shall know, all of which lie within them.
    """
    state, values = TrialState.COMPLETE, told.values
    at_rungs: dict[int, float] = {}
    if values is None:
        state = TrialState.FAIL
    elif told.stopped is not None:
        state = TrialState.PRUNED if len(values) == 1 else TrialState.FAIL  # Optuna prunes by one score only
        at_rungs = {told.stopped: values[0]} if len(values) == 1 else {}
    return optuna.trial.create_trial(
        state=state,
        values=values if state == TrialState.COMPLETE else None,
        params={name: told.params[name] for name in distributions},
        distributions=dict(distributions),
        intermediate_values=at_rungs,
    )
