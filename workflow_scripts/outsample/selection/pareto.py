"""Two objectives at once: which trials no other beats in both total return and maximum drawdown."""

from __future__ import annotations

import numpy as np
import pandas as pd

from outsample.selection.arms import Key, broken_trials

OBJECTIVES = ("total_return", "max_drawdown")  # the larger the better, the smaller the better


def objectives_of(scores: pd.DataFrame) -> pd.DataFrame:
    """The two objectives of each (agent, trial): means over folds of means over seeds.

    They are undefined (NaN) where a lane broke down, and where the trial stayed flat on every fold and seed: it would
    stand on every front, for nothing falls less than what does not move.

    Args: scores: table "scores".
    Returns: index (agent, trial), columns total_return and max_drawdown, fractions.
    """
    trial = ["agent", "trial"]
    wide = scores.pivot(index=[*trial, "fold", "seed"], columns="metric", values="value")
    traded = wide["sharpe"].notna().groupby(level=trial).any()
    means = wide[list(OBJECTIVES)].groupby(level=[*trial, "fold"]).mean().groupby(level=trial).mean()
    broken = means.index.isin(list(broken_trials(scores)))
    return means.where(traded & ~broken)


def fronts(objectives: pd.DataFrame) -> pd.Series[int]:
    """Number of the front of each row, from 1; 0 where its objectives are undefined.

    Front 1 holds the rows that no other dominates (has as much return and as little drawdown, and more or less of one),
    front 2 those that only rows of front 1 dominate, and so on.

    Args: objectives: as `objectives_of` gives them.
    Reference: Deb et al. (2002), A fast and elitist multiobjective genetic algorithm: NSGA-II, section III A.

    >>> rows = pd.DataFrame({"total_return": [0.2, 0.1, 0.1, np.nan], "max_drawdown": [0.2, 0.1, 0.2, np.nan]})
    >>> fronts(rows).tolist()
    [1, 1, 2, 0]
    """
    gain, loss = (objectives[name].to_numpy() for name in OBJECTIVES)
    left = np.isfinite(gain) & np.isfinite(loss)
    no_worse = (gain[:, None] >= gain) & (loss[:, None] <= loss)
    dominates = no_worse & ((gain[:, None] > gain) | (loss[:, None] < loss))
    number, front = np.zeros(len(gain), dtype=np.int64), 0
    while left.any():
        front += 1
        best = left & ~(dominates & left[:, None]).any(axis=0)
        number[best] = front
        left = left & ~best
    return pd.Series(number, index=objectives.index)


def pareto_table(scores: pd.DataFrame, stopped: set[Key]) -> pd.DataFrame:
    """Every trial that was trained to its end and traded, with its objectives and its front.

    Args:
        scores: table "scores", of every round and agent.
        stopped: trials that were stopped at a rung.
    Returns: table "pareto".
    """
    found = objectives_of(scores)
    found = found[[key not in stopped for key in found.index]].dropna()
    return found.assign(front=fronts(found).astype("int32")).reset_index().astype({"trial": "int32"})
