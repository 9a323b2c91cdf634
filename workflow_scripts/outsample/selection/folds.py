"""The metrics of each trial over its folds in four summaries: mean, median, worst fold, interquartile mean."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import trim_mean

from outsample.market.metrics import METRICS


def summarise_folds(scores: pd.DataFrame) -> pd.DataFrame:
    """Each metric of each trial over its folds; the value of a fold is the mean over its seeds.

    Seeds and folds on which a metric is undefined (a portfolio that stayed flat has no Sharpe ratio) are left out, and
    `folds` says how many are left. The worst fold is that of the least value, or of the largest where less is better;
    metrics of which neither is better are not summarised.

    Args: scores: table "scores", of every round and agent.
    Returns: table "fold_metrics".
    >>> keys = {"agent": "ppo", "trial": 0, "seed": 0, "metric": "sharpe"}
    >>> scores = pd.DataFrame([keys | {"fold": k, "value": v} for k, v in enumerate([1.0, 0.0, 2.0, 9.0])])
    >>> summarise_folds(scores)[["folds", "mean", "median", "worst", "iqm"]].to_numpy().tolist()
    [[4.0, 3.0, 1.5, 0.0, 1.5]]
    """
    keys = ["agent", "trial", "metric"]
    directed = {name: metric.better for name, metric in METRICS.items() if metric.better != "neither"}
    known = scores[scores["metric"].isin(list(directed))]
    wide = known.groupby([*keys, "fold"], sort=True)["value"].mean().unstack("fold")
    higher = wide.index.get_level_values("metric").map(directed).to_numpy() == "higher"
    table = pd.DataFrame(
        {
            "folds": wide.notna().sum(axis=1),
            "mean": wide.mean(axis=1),
            "median": wide.median(axis=1),
            "worst": np.where(higher, wide.min(axis=1), wide.max(axis=1)),
            "iqm": [_middle_mean(values[np.isfinite(values)]) for values in wide.to_numpy()],
        }
    )
    return table.reset_index().astype({"trial": "int32", "folds": "int64"})


def _middle_mean(values: NDArray[np.float64]) -> float:
    return float(trim_mean(values, 0.25)) if len(values) else float("nan")
