"""Selection arms: each is a pure function of the scores of the trial matrix, so that choosing trains nothing again."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any, get_args

import pandas as pd

from outsample.config.selection import RECIPES, TRANSFER, Arm, MultiMetric
from outsample.errors import TrainingError

ARMS = get_args(Arm)

Key = tuple[str, int]  # agent and trial


def select(
    arm: str,
    scores: pd.DataFrame,
    trials: Sequence[Mapping[str, Any]],
    weights: MultiMetric,
    size: int = 3,
    stopped: Collection[Key] = (),
) -> dict[str, Any]:
    """Choose a trial by one arm, or several whose targets are averaged.

    | arm | chooses |
    |---|---|
    | defaults | the configured settings of the first agent, without any search: what every other arm must beat |
    | sharpe_only | the trial with the best Sharpe ratio |
    | multi_metric | the best weighted sum of Sharpe ratio, profit over starting equity, win rate and maximum drawdown |
    | multi_metric_filtered | the same, over those folds alone whose Sharpe ratio and profit are not below 0 |
    | transfer | as sharpe_only, among the trials that start from pre-trained weights |
    | ensemble | the `size` best as sharpe_only ranks them |
    | enhanced | the `size` best as multi_metric ranks them, among those that start from pre-trained weights |
    | enhanced_without_... | the same without one: by sharpe_only, among the trials of the search, or the best alone |

    Arms without transfer choose among the trials of the search.
    The score of a trial is the mean over folds of the mean over seeds of the score of one out-of-fold portfolio. An
    undefined part (a portfolio that stayed flat) counts as 0, but a trial whose Sharpe ratio is undefined on every fold
    and seed has no score and ranks behind, as has one of which the filter leaves no fold. A trial of which a lane broke
    down has no score, ranks last and is never chosen; before it rank those that were stopped at a rung, with their
    score there, which are never chosen either: what they would have become is not known. Ties go to the agent that is
    first by name, then to the lowest trial number.

    Args:
        arm: one of `ARMS`.
        scores: table "scores", of every round and agent.
        trials: one mapping a trial with keys agent, trial, origin, params, those of the first agent first; each has
            scores.
        weights: weights of the multi-metric arms.
        size: trials that an arm with an ensemble averages; all, where fewer have not broken down.
        stopped: trials that were stopped at a rung.
    Returns: document "selection"; its ranking is of all trials by score, for `defaults` by Sharpe ratio.
    Raises:
        ValueError: unknown arm.
        TrainingError: a trial without scores, none at all that the arm may choose, or none that has not broken down or
            been stopped.
    Reference: weights and filter are those of the original study; the filter rewards trials that are good in few folds.
    """
    if not trials:
        raise TrainingError("There is no trial to select from: ask for at least one trial in search.trials_per_round.")
    means = trial_scores(arm, scores, weights)
    known = {key_of(t): t for t in trials}
    without = sorted(set(known) - set(means.index))
    if without:
        agent, trial = without[0]
        raise TrainingError(f"Trial {trial} of {agent} has no scores: delete its scores file and run again.")
    broken = broken_trials(scores)
    ranked = rank(means, list(known), broken, stopped)
    own = {key_of(t) for t in candidates(arm, trials)}
    best = [default_trial(trials)] if arm == "defaults" else [key for key in ranked if key in own]
    if not best:
        raise TrainingError(f"No trial has pre-trained weights, so {arm} has none to choose: set data.transfer.")
    if best[0] in broken:
        raise TrainingError(_broke_down(arm, best[0], known[best[0]]["params"], len(own)))
    if best[0] in stopped:
        raise TrainingError(
            "Every trial that went beyond its rung broke down, so there is none to choose: lower learning_rate in "
            f"agents.{best[0][0]} and search.space.{best[0][0]}."
        )
    whole = [key for key in best if key not in broken and key not in stopped]
    members = whole[: size if RECIPES[arm].ensemble else 1]
    agent, trial = members[0]
    return {
        "arm": arm,
        "agent": agent,
        "trial": trial,
        "params": dict(known[members[0]]["params"]),
        "score": _number(means[members[0]]),
        "members": [
            {"agent": a, "trial": t, "origin": known[(a, t)]["origin"], "params": dict(known[(a, t)]["params"])}
            for a, t in members
        ],
        "ranking": [{"agent": a, "trial": t, "score": _number(means[(a, t)])} for a, t in ranked],
    }


def key_of(trial: Mapping[str, Any]) -> Key:
    """Agent and number of a trial."""
    return str(trial["agent"]), int(trial["trial"])


def candidates(arm: str, trials: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The trials that an arm may choose: those with pre-trained weights, or those without."""
    return [trial for trial in trials if (trial["origin"] == TRANSFER) == RECIPES[arm].transfer]


def _broke_down(arm: str, best: Key, params: Mapping[str, Any], trials: int) -> str:
    lower = " or ".join(name for name in ("learning_rate", "reward_scale") if name in params)
    if arm == "defaults":
        return (
            f"The configured settings of {best[0]} broke down (parameters or losses that are not finite), and they are "
            f"what the arm defaults takes: lower {lower} in agents.{best[0]}, or set selection.arm to another."
        )
    return (
        f"Every trial broke down ({trials} of {trials} have a lane whose parameters or losses are not "
        f"finite), so there is none to choose: lower {lower} in agents.{best[0]} and search.space.{best[0]}."
    )


def weights_in(settings: Mapping[str, Any]) -> MultiMetric:
    """The weights of the multi-metric arms in a part of the settings; those of an arm that has none are the defaults.

    >>> weights_in({"selection": {"multi_metric": {"sharpe": 1.0}}}).sharpe
    1.0
    """
    return MultiMetric(**settings.get("selection", {}).get("multi_metric", {}))


def rank(
    means: pd.Series[float], candidates: Sequence[Key], broken: set[Key], stopped: Collection[Key] = ()
) -> list[Key]:
    """Candidates from best to worst; those without a score behind, then those that were stopped at a rung, those that
    broke down last, ties by name.

    Args:
        means: score of each (agent, trial), see `trial_scores`.
        candidates: of them, those that may be chosen.
        broken: trials of which a lane broke down.
        stopped: trials that were stopped at a rung.
    """
    return sorted(
        candidates,
        key=lambda key: (key in broken, key in stopped, -means[key] if math.isfinite(means[key]) else math.inf, key),
    )


def default_trial(trials: Sequence[Mapping[str, Any]]) -> Key:
    """The configured settings of the first agent.

    Args: trials: as in `select`.
    """
    first = next(t for t in trials if t["origin"] == "defaults")
    return key_of(first)


def trial_scores(arm: str, scores: pd.DataFrame, weights: MultiMetric) -> pd.Series[float]:
    """Score of each (agent, trial) in one arm; NaN where the Sharpe ratio is undefined on every fold and seed.

    Args and errors: as in `select`.
    """
    if arm not in ARMS:
        raise ValueError(f"{arm} is no selection arm; the arms are {', '.join(ARMS)}")
    wide = scores.pivot(index=["agent", "trial", "fold", "seed"], columns="metric", values="value")
    defined = wide["sharpe"].notna().groupby(level=["agent", "trial"]).any()
    parts = wide.fillna(0.0)
    lane = parts["sharpe"]
    score = RECIPES[arm].score
    if score != "sharpe_only":
        lane = (
            weights.sharpe * parts["sharpe"]
            + weights.profit * parts["total_return"]
            + weights.win_rate * parts["win_rate"]
            + weights.max_drawdown * parts["max_drawdown"]
        )
    fold = ["agent", "trial", "fold"]
    folds = lane.groupby(level=fold).mean()
    if score == "multi_metric_filtered":
        kept = parts.groupby(level=fold)[["sharpe", "total_return"]].mean().ge(0.0).all(axis=1)
        folds = folds.where(kept)
    return folds.groupby(level=["agent", "trial"]).mean().where(defined)


def broken_trials(scores: pd.DataFrame) -> set[tuple[str, int]]:
    """(agent, trial) of every trial of which a lane broke down: alone among all scores their total return is undefined.

    Args: scores: table "scores".
    """
    broken = scores[(scores["metric"] == "total_return") & scores["value"].isna()]
    return {(str(agent), int(trial)) for agent, trial in zip(broken["agent"], broken["trial"], strict=True)}


def check_failures(scores: pd.DataFrame, allowed: float) -> None:
    """Stop a search of which too many trials broke down.

    Args:
        scores: table "scores".
        allowed: largest share of the trials that may break down.
    Raises: TrainingError with how many did, the first of them, and what to do.
    """
    broken, trials = sorted(broken_trials(scores)), len(scores[["agent", "trial"]].drop_duplicates())
    if len(broken) > allowed * trials:
        agent, trial = broken[0]
        raise TrainingError(
            f"{len(broken)} of {trials} trials broke down, first trial {trial} of {agent}; search.max_failed allows "
            f"{allowed:.0%}: lower learning_rate in search.space.{agent}, or raise search.max_failed."
        )


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
