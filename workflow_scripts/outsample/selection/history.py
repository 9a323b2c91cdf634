"""The search as it went: each trial's score, the best so far, and how strongly the score follows each parameter."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from outsample.config.selection import TRANSFER
from outsample.selection.arms import Key

Array = NDArray[np.float64]

LEAST_TRIALS = 5  # with a score; of fewer no order can be told from chance
SHUFFLES = 999
SEED = 0


def search_history(
    suggestions: Sequence[Mapping[str, Any]],
    ranking: Sequence[Mapping[str, Any]],
    broken: Collection[Key],
    stopped: Collection[Key] = (),
) -> pd.DataFrame:
    """Every trial in the order in which its agent's search suggested it.

    Args:
        suggestions: documents "suggestions" of every agent and round.
        ranking: of a document "selection": agent, trial and score of each.
        broken: trials of which a lane broke down.
        stopped: trials that were stopped at a rung: they have the score that they had there, and are never the best,
            for they cannot be chosen.
    Returns: table "search_history".
    """
    scores = {(str(r["agent"]), int(r["trial"])): r["score"] for r in ranking}
    rows = [
        {
            "agent": document["agent"],
            "trial": trial["trial"],
            "round": document["round"],
            "origin": trial["origin"],
            "failed": (document["agent"], trial["trial"]) in broken,
            "score": scores.get((document["agent"], trial["trial"])),
        }
        for document in suggestions
        for trial in document["trials"]
    ]
    table = pd.DataFrame(rows).astype({"score": "float64", "trial": "int32", "round": "int32"})
    table = table.sort_values(["agent", "trial"], kind="stable", ignore_index=True)
    may_be_best = table["score"].mask(_among(table, stopped))
    best = may_be_best.groupby(table["agent"]).cummax()  # skips what is undefined, and leaves it undefined
    return table.assign(best=best.groupby(table["agent"]).ffill())


def _among(table: pd.DataFrame, keys: Collection[Key]) -> NDArray[np.bool_]:
    """Whether each row's trial is among these."""
    return np.array([key in keys for key in zip(table["agent"], table["trial"].tolist(), strict=True)], bool)


def parameter_importance(
    history: pd.DataFrame, suggestions: Sequence[Mapping[str, Any]], stopped: Collection[Key] = ()
) -> pd.DataFrame:
    """How strongly the score follows each parameter that was varied, by ranks, and how often chance does as well.

    Of numbers, strength is the absolute rank correlation (Spearman) and direction its sign; of anything else, strength
    is the square root of the share of the ranks' variance that lies between the values, without a direction. p is the
    share of shuffled scores that are followed as strongly, (1 + count) / (1 + 999). Parameters move together in a
    search, and each is looked at alone: a low p is a pointer, no proof. Left out are the trials of pre-trained weights,
    whose settings are those of the first round once more, and what was stopped at a rung, whose score is of a shorter
    training.

    Args:
        history: table "search_history".
        suggestions, stopped: as in `search_history`.
    Returns: table "parameter_importance"; no rows of an agent with fewer than 5 scored trials.
    Reference: Spearman (1904); Kendall (1948), Rank Correlation Methods, on ties.
    """
    params = {
        (document["agent"], trial["trial"]): trial["params"] for document in suggestions for trial in document["trials"]
    }
    rows = []
    history = history[(history["origin"] != TRANSFER) & ~_among(history, stopped)]
    for agent, of_agent in history.dropna(subset="score").groupby("agent", sort=True):
        if len(of_agent) < LEAST_TRIALS:
            continue
        given = [params[agent, int(trial)] for trial in of_agent["trial"]]
        score = rankdata(of_agent["score"].to_numpy())
        for name in sorted({name for p in given for name in p}):
            values = [p.get(name) for p in given]
            if len({repr(value) for value in values}) < 2:
                continue
            strength, direction, p_value = _follows(values, score)
            rows.append((agent, name, len(given), strength, direction, p_value))
    columns = ["agent", "parameter", "trials", "strength", "direction", "p_value"]
    table = pd.DataFrame(rows, columns=columns)
    return table.astype({"trials": "int64", "strength": "float64", "direction": "float64", "p_value": "float64"})


def _follows(values: Sequence[Any], score: Array) -> tuple[float, float, float]:
    """Strength, direction (NaN where there is none) and p-value."""
    numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)
    draw = np.random.Generator(np.random.PCG64(SEED))
    shuffled = np.stack([score, *(draw.permutation(score) for _ in range(SHUFFLES))])  # [1 + shuffles, N]
    centred = shuffled - shuffled.mean(axis=1, keepdims=True)
    total = (centred**2).sum(axis=1)
    if not total[0] > 0:
        return 0.0, math.nan, 1.0
    if numbers:
        rank = rankdata(np.asarray(values, dtype=np.float64))
        rank -= rank.mean()
        correlation = centred @ rank / np.sqrt(total * (rank**2).sum())
        strength, direction = np.abs(correlation), float(np.sign(correlation[0]))
    else:
        codes = np.unique([repr(value) for value in values], return_inverse=True)[1]
        between = sum(
            centred[:, codes == code].sum(axis=1) ** 2 / (codes == code).sum() for code in range(codes.max() + 1)
        )
        strength, direction = np.sqrt(between / total), math.nan
    as_strong = int((strength[1:] >= strength[0] - 1e-12).sum())
    return float(strength[0]), direction, (1 + as_strong) / (1 + SHUFFLES)
