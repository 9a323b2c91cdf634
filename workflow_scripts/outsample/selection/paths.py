"""Bars that several splits test: the blocks they share, the paths through them, and one series of each trial.

In a walk-forward or a k-fold each bar is tested once. Of the C(K, k) combinatorial splits of K blocks, C(K - 1, k - 1)
test each block. Path p takes in each block the p-th of the splits that test it, so that it tests every bar once and
there are as many paths as splits of a block. Where one series of a trial is asked for (the tests of the verdict, the
deflated Sharpe ratio, overfitting), a bar has the mean over the paths: what an equal share of the money in each earns.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from outsample.market.metrics import max_drawdown, sharpe_ratio

Array = NDArray[np.float64]


def blocks_tested(fold: ArrayLike, date: ArrayLike) -> NDArray[np.int64]:
    """Number of the block of each row: a run of dates that the same folds test; walk-forward has one a fold.

    Args: fold, date: [N] of every row that is tested, those of all splits; of one alone its blocks are not told apart.
    Returns: [N], from 0 in the order of time.
    >>> blocks_tested([0, 0, 0, 0, 1, 1, 1, 1], [1, 2, 3, 4, 3, 4, 5, 6])  # fold 0 tests 1-4, fold 1 tests 3-6
    array([0, 0, 1, 1, 1, 1, 2, 2])
    """
    days, at = np.unique(np.asarray(date), return_inverse=True)
    folds, which = np.unique(np.asarray(fold), return_inverse=True)
    tests = np.zeros((len(days), len(folds)), bool)
    tests[at, which] = True
    changes = (tests[1:] != tests[:-1]).any(axis=1)
    return np.concatenate([[0], np.cumsum(changes)])[at]


def mean_by_date(date: ArrayLike, values: Array) -> Array:
    """Mean of the rows of each date, in the order of time; the rows as they are where no date is there twice.

    >>> mean_by_date([2, 1, 2], np.array([1.0, 5.0, 3.0]))
    array([5., 2.])
    """
    days, at, counts = np.unique(np.asarray(date), return_inverse=True, return_counts=True)
    if len(days) == len(values):
        return values
    total = np.zeros((len(days), *values.shape[1:]))
    np.add.at(total, at, values)
    return np.asarray((total.T / counts).T)


def trial_returns(portfolios: pd.DataFrame) -> tuple[Array, Array]:
    """Out-of-fold returns of all trials, [T, N], the mean over their seeds, and of buy and hold, [T].

    Columns are ordered by agent and trial; rows by date, all folds one after the other. A bar that several splits test
    has the mean over them, which is that over the paths.

    Args: portfolios: tables "portfolios" of every round and agent.
    Raises: ValueError where the trials do not cover the same bars.
    """
    means = portfolios.groupby(["fold", "date", "agent", "trial"], sort=True)["net_return"].mean()
    wide = means.unstack(["agent", "trial"]).sort_index(axis=1)
    if wide.isna().to_numpy().any():
        raise ValueError("the trials do not cover the same bars")
    market = portfolios.groupby(["fold", "date"], sort=True)["buy_and_hold_return"].first()
    dates = wide.index.get_level_values("date").to_numpy()
    return mean_by_date(dates, wide.to_numpy()), mean_by_date(dates, market.to_numpy())


def path_metrics(portfolios: pd.DataFrame, periods_per_year: float, risk_free_rate: float = 0.0) -> pd.DataFrame:
    """What each trial earned on each path, the mean over its seeds; one path where each bar is tested once.

    Args:
        portfolios: tables "portfolios" of every round and agent.
        periods_per_year: bars a year.
        risk_free_rate: per year.
    Returns: table "paths".
    Reference: Lopez de Prado (2018), Advances in Financial Machine Learning, section 12.4.
    """
    keys = portfolios[["fold", "date"]].drop_duplicates()
    keys = keys.assign(block=blocks_tested(keys["fold"], keys["date"]))
    order = keys[["block", "fold"]].drop_duplicates().sort_values(["block", "fold"])
    order["path"] = order.groupby("block").cumcount()
    keys = keys.merge(order, on=["block", "fold"])
    means = portfolios.groupby(["agent", "trial", "fold", "date"], sort=True)["net_return"].mean().reset_index()
    found = means.merge(keys, on=["fold", "date"]).sort_values(["agent", "trial", "path", "date"])
    rows = []
    for (agent, trial, path), returns in found.groupby(["agent", "trial", "path"], sort=True)["net_return"]:
        net = returns.to_numpy()
        rows.append(
            {
                "agent": agent,
                "trial": trial,
                "path": path,
                "bars": len(net),
                "total_return": float(np.prod(1.0 + net) - 1.0),
                "sharpe": float(sharpe_ratio(net, periods_per_year, risk_free_rate)),
                "max_drawdown": float(max_drawdown(net)),
            }
        )
    columns = ["agent", "trial", "path", "bars", "total_return", "sharpe", "max_drawdown"]
    return pd.DataFrame(rows, columns=columns).astype({"trial": "int32", "path": "int32", "bars": "int64"})
