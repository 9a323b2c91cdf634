"""What the chosen settings earn out of fold where one of them is a little lower or higher: no look at the vault."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from outsample.market.metrics import max_drawdown, sharpe_ratio
from outsample.selection.paths import mean_by_date

NUMBERS = ("total_return", "buy_and_hold_return", "sharpe", "max_drawdown")


def perturbed_table(
    portfolios: Mapping[str, pd.DataFrame], cost: float, periods_per_year: float, risk_free_rate: float
) -> pd.DataFrame:
    """One row a scenario: the mean over the seeds of what the portfolio of each earned, fold after fold.

    A bar that several splits test counts once, with the mean over them (`outsample.selection.paths`).

    Args:
        portfolios: scenario -> table "portfolios" of its one trial, in the order of the rows; empty where a lane broke
            down, whose numbers are undefined.
        cost: of a fill, basis points.
        periods_per_year, risk_free_rate: as in `outsample.evaluation.evaluate`.
    Returns: table "perturbed"; returns are fractions over all tested bars, Sharpe ratios per year.
    """
    rows = [
        {"place": place, "scenario": scenario, "cost": cost, **_numbers(table, periods_per_year, risk_free_rate)}
        for place, (scenario, table) in enumerate(portfolios.items())
    ]
    return pd.DataFrame(rows).astype({"place": "int32", "bars": "int64"} | dict.fromkeys(NUMBERS, "float64"))


def _numbers(table: pd.DataFrame, periods_per_year: float, risk_free_rate: float) -> dict[str, Any]:
    of_seeds: list[tuple[float, ...]] = []
    bars = 0
    for _, rows in table.sort_values(["fold", "date"], kind="stable").groupby("seed"):
        both = mean_by_date(rows["date"].to_numpy(), rows[["net_return", "buy_and_hold_return"]].to_numpy())
        agent, held = np.ascontiguousarray(both.T)
        bars = len(agent)
        of_seeds.append(
            (
                float(np.prod(1.0 + agent) - 1.0),
                float(np.prod(1.0 + held) - 1.0),
                float(sharpe_ratio(agent, periods_per_year, risk_free_rate)),
                float(max_drawdown(agent)),
            )
        )
    means = np.mean(of_seeds, axis=0) if of_seeds else np.full(len(NUMBERS), np.nan)
    return {"bars": bars} | dict(zip(NUMBERS, map(float, means), strict=True))
