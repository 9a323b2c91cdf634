"""What the Bayes filter with the best hysteresis earns on the vault of a simulated experiment."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from outsample.config.data import SimulatedSource
from outsample.config.models import Market
from outsample.data.oracle import best_hysteresis, oracle_targets
from outsample.market.accounting import MarketRules, simulate


def oracle_log_return(folder: Path) -> float:
    """Net log return of the portfolio of sleeves over the vault, decided by a filter that knows the market.

    The filter has seen all bars before the vault and starts flat at its first bar, as the agent does. Its hysteresis
    is the best on other series of the same market.

    Args:
        folder: results of one simulated experiment.
    """
    settings = json.loads((folder / "config.json").read_text())["settings"]
    source, market = SimulatedSource(**settings["data"]["source"]), Market(**settings["market"])
    periods = json.loads((folder / "quality.json").read_text())["calendar"]["periods_per_year"]
    rules = MarketRules.from_settings(market, periods)
    threshold = best_hysteresis(source, lambda *bars: simulate(*bars, rules).equity[-1])
    bars = pd.read_parquet(folder / "validated_bars.parquet")
    first = pd.Timestamp(json.loads((folder / "split.json").read_text())["vault"]["first"])
    final = []
    for _, rows in bars.groupby("symbol"):
        vault = (rows["date"] >= first).to_numpy()
        targets = oracle_targets(source, rows["close"].to_numpy(), threshold)
        ledger = simulate(targets[vault], rows["open"].to_numpy()[vault], rows["close"].to_numpy()[vault], rules)
        final.append(ledger.equity[-1])
    return float(np.log(np.mean(final)))
