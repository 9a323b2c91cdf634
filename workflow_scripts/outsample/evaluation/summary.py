"""The few numbers of an evaluation by which two versions of a model are compared (`dvc metrics diff`)."""

from __future__ import annotations

from typing import Any

import pandas as pd


def summarise(metrics: pd.DataFrame, verdict: dict[str, Any]) -> dict[str, Any]:
    """The portfolio's metrics on the vault, with intervals, beside buy and hold, and the tests of the verdict.

    Args:
        metrics: table "metrics"; its units are those of `outsample.market.metrics.METRICS`.
        verdict: document "verdict".
    Returns: document "metrics_summary".
    """
    portfolio = metrics[metrics["symbol"] == "portfolio"].set_index(["series", "metric"])
    agent, benchmark = portfolio.loc["agent"], portfolio.loc["buy_and_hold"]
    bounded = agent[agent["lower"].notna()]
    return {
        "agent": agent["value"].to_dict(),
        "lower": bounded["lower"].to_dict(),
        "upper": bounded["upper"].to_dict(),
        "buy_and_hold": benchmark["value"].to_dict(),
        "tests": {name: value for name, value in verdict["tests"].items() if name.startswith("p_")},
        "verdict": {"level": verdict["level"], "look": verdict["look"]},
    }
