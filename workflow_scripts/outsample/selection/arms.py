"""Selection arms: each is a pure function of the scores of the trial matrix, so that choosing trains nothing again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from outsample.config.models import MultiMetric
from outsample.errors import TrainingError

ARMS = ("sharpe_only", "multi_metric")


def select(arm: str, scores: pd.DataFrame, trials: Sequence[Mapping[str, Any]], weights: MultiMetric) -> dict[str, Any]:
    """Choose the trial with the best score of one arm.

    The score of a trial is the mean over folds of the mean over seeds of the score of one out-of-fold portfolio:
    its Sharpe ratio (`sharpe_only`), or the weighted sum of Sharpe ratio, profit over starting equity, win rate and
    maximum drawdown (`multi_metric`). An undefined part (a portfolio that stayed flat) counts as 0, but a trial whose
    Sharpe ratio is undefined on every fold and seed has no score and ranks behind. A trial of which a lane broke down
    has no score, ranks last and is never chosen. Ties go to the agent that is first
    by name, then to the lowest trial number.

    Args:
        arm: one of `ARMS`.
        scores: table "scores", of every round and agent.
        trials: one mapping a trial with keys agent, trial, params; each has scores.
        weights: weights of the `multi_metric` arm.
    Returns: document "selection".
    Raises:
        ValueError: unknown arm.
        TrainingError: a trial without scores, none at all, or none that has not broken down.
    Reference: the weights are those of the original study.
    """
    if arm not in ARMS:
        raise ValueError(f"{arm} is no selection arm; the arms are {', '.join(ARMS)}")
    if not trials:
        raise TrainingError("There is no trial to select from: ask for at least one trial in search.trials_per_round.")
    means = trial_scores(arm, scores, weights)
    params = {(str(t["agent"]), int(t["trial"])): t["params"] for t in trials}
    without = sorted(set(params) - set(means.index))
    if without:
        agent, trial = without[0]
        raise TrainingError(f"Trial {trial} of {agent} has no scores: delete its scores file and run again.")
    broken = broken_trials(scores)
    ranked = sorted(
        params, key=lambda key: (key in broken, -means[key] if math.isfinite(means[key]) else math.inf, key)
    )
    best = ranked[0]
    if best in broken:
        lower = " or ".join(name for name in ("learning_rate", "reward_scale") if name in params[best])
        raise TrainingError(
            f"Every trial broke down ({len(ranked)} of {len(ranked)} have a lane whose parameters or losses are not "
            f"finite), so there is none to choose: lower {lower} in agents.{best[0]} and search.space.{best[0]}."
        )
    return {
        "arm": arm,
        "agent": best[0],
        "trial": best[1],
        "params": dict(params[best]),
        "score": _number(means[best]),
        "ranking": [{"agent": a, "trial": t, "score": _number(means[(a, t)])} for a, t in ranked],
    }


def trial_scores(arm: str, scores: pd.DataFrame, weights: MultiMetric) -> pd.Series[float]:
    """Score of each (agent, trial) in one arm; NaN where the Sharpe ratio is undefined on every fold and seed.

    Args: as in `select`.
    """
    wide = scores.pivot(index=["agent", "trial", "fold", "seed"], columns="metric", values="value")
    defined = wide["sharpe"].notna().groupby(level=["agent", "trial"]).any()
    parts = wide.fillna(0.0)
    lane = parts["sharpe"]
    if arm == "multi_metric":
        lane = (
            weights.sharpe * parts["sharpe"]
            + weights.profit * parts["total_return"]
            + weights.win_rate * parts["win_rate"]
            + weights.max_drawdown * parts["max_drawdown"]
        )
    folds = lane.groupby(level=["agent", "trial", "fold"]).mean()
    return folds.groupby(level=["agent", "trial"]).mean().where(defined)


def broken_trials(scores: pd.DataFrame) -> set[tuple[str, int]]:
    """(agent, trial) of every trial of which a lane broke down: alone among all scores their total return is undefined.

    Args: scores: table "scores".
    """
    broken = scores[(scores["metric"] == "total_return") & scores["value"].isna()]
    return {(str(agent), int(trial)) for agent, trial in zip(broken["agent"], broken["trial"], strict=True)}


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
