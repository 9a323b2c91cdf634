"""The numbers by which versions are compared are those of the tables, and only those of the portfolio."""

import numpy as np
import pandas as pd

from outsample.evaluation.summary import summarise

VERDICT = {
    "level": "weak",
    "look": 3,
    "tests": {"p_flat": 0.1, "p_buy_and_hold": 0.4, "vault_bars": 10, "alpha": {"value": 1.0}},
}


def test_summary_takes_the_portfolio_of_the_agent_and_of_buy_and_hold():
    rows = [
        ("agent", "portfolio", "sharpe", 0.5, -0.1, 1.1),
        ("agent", "portfolio", "calmar", np.nan, np.nan, np.nan),
        ("agent", "AAA", "sharpe", 9.0, 8.0, 10.0),
        ("buy_and_hold", "portfolio", "sharpe", 0.7, 0.2, 1.2),
        ("flat", "portfolio", "sharpe", 4.0, 4.0, 4.0),
    ]
    metrics = pd.DataFrame(rows, columns=["series", "symbol", "metric", "value", "lower", "upper"])
    summary = summarise(metrics, VERDICT)
    assert summary["agent"]["sharpe"] == 0.5
    assert np.isnan(summary["agent"]["calmar"])
    assert (summary["lower"], summary["upper"]) == ({"sharpe": -0.1}, {"sharpe": 1.1})
    assert summary["buy_and_hold"] == {"sharpe": 0.7}
    assert summary["tests"] == {"p_flat": 0.1, "p_buy_and_hold": 0.4}
    assert summary["verdict"] == {"level": "weak", "look": 3}
