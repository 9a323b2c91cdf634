"""Successive halving of a round: which trials go on, and what the round is when its last rung is done.

What is scored at a rung is the trial as it stands there: its models, trained for a part of their updates, decide the
test rows of every fold, and the objective is computed of those out-of-fold returns as it is of any trial's, before the
gate. The choice among a lane's networks is made anew at each rung, on the validated rows, by the same rule.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from outsample.config.models import MultiMetric
from outsample.config.search import PARETO
from outsample.selection.arms import Key, broken_trials, rank, trial_scores
from outsample.selection.pareto import fronts, objectives_of

_TYPES = {"trial": "int32", "rung": "int32", "updates": "int64", "score": "float64", "drawdown": "float64"}


def rung_table(
    rung: int,
    agent: str,
    trials: Sequence[Mapping[str, Any]],
    scores: pd.DataFrame,
    curves: pd.DataFrame,
    objective: str,
    weights: MultiMetric,
    reduction_factor: int,
) -> pd.DataFrame:
    """Which trials of a round go on from a rung.

    The best n // reduction_factor^(rung + 1) of the round's n trials go on; the configured settings go on beside them,
    for every arm is compared with them. With two objectives the order is by front, then by return. A trial of which a
    lane broke down never goes on.

    Args:
        rung: number of the rung, from 0; not the last one.
        agent: whose round it is.
        trials: all trials of the round, with keys trial and origin.
        scores: table "scores" of the trials on this rung, as they stand.
        curves: table "curves" of the same.
        objective: arm, or pareto.
        weights: of the multi-metric arms.
        reduction_factor: of `outsample.config.search.Rungs`.
    Returns: table "rung".
    """
    broken = broken_trials(scores)
    values = pd.DataFrame({"score": _scores(objective, scores, weights), "drawdown": math.nan})
    order = list(rank(values["score"], list(values.index), broken))
    if objective == PARETO:
        both = objectives_of(scores)
        values = both.set_axis(["score", "drawdown"], axis=1)
        place = fronts(both).replace(0, len(both) + 1)
        order = sorted(order, key=lambda key: (key in broken, place[key], -_or_least(values["score"][key]), key))
    keep = len(trials) // reduction_factor ** (rung + 1)
    default = {(agent, int(trial["trial"])) for trial in trials if trial["origin"] == "defaults"}
    on = ({*order[:keep]} | (default & {*order})) - broken
    done = curves.groupby("trial")["update"].max() + 1
    rows = [
        {
            "agent": agent,
            "trial": trial,
            "rung": rung,
            "updates": int(done.get(trial, 0)),
            **{name: values[name][agent, trial] for name in ("score", "drawdown")},
            "goes_on": (agent, trial) in on,
        }
        for _, trial in sorted(order)
    ]
    return pd.DataFrame(rows).astype(_TYPES)


def _scores(objective: str, scores: pd.DataFrame, weights: MultiMetric) -> pd.Series[float]:
    return trial_scores("sharpe_only" if objective == PARETO else objective, scores, weights)


def _or_least(value: float) -> float:
    return value if math.isfinite(value) else -math.inf


def going_on(rung: pd.DataFrame) -> set[int]:
    """Numbers of the trials that go on from a rung. Args: rung: table "rung"."""
    return {int(trial) for trial in rung.loc[rung["goes_on"], "trial"]}


def stopped_trials(rungs: Iterable[pd.DataFrame]) -> dict[Key, int]:
    """The rung at which each trial was stopped, of those that were. Args: rungs: tables "rung", of any rounds."""
    return {
        (row["agent"], row["trial"]): row["rung"]
        for table in rungs
        for row in table[~table["goes_on"]].to_dict("records")
    }


def as_last_seen(rungs: Sequence[pd.DataFrame], lanes: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The rows of each trial on the last rung that it reached, in the order of the trials.

    Args:
        rungs: a table with a column trial (targets, lanes or curves) of each rung.
        lanes: table "lanes" of each rung, which says who was there: a lane that broke down has no targets.
    """
    if len(rungs) == 1:
        return rungs[0]
    parts = []
    for number, table in enumerate(rungs):
        later = {int(trial) for others in lanes[number + 1 :] for trial in others["trial"].unique()}
        parts.append(table[~table["trial"].isin(later)])
    keys = [name for name in ("trial", "fold", "seed") if name in rungs[0]]
    return pd.concat(parts, ignore_index=True).sort_values(keys, kind="stable", ignore_index=True)
