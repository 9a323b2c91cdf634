"""The policy of each training seed alone, on the vault: how much of the result is luck in the seeds.

Nothing is chosen by it: the policy that ships is the mean of all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from outsample.evaluation.benchmarks import VaultBars
from outsample.market.accounting import MarketRules, simulate
from outsample.market.portfolio import portfolio_equity

Array = NDArray[np.float64]
Targets = Sequence[Mapping[str, Array]]


def replay_seeds(
    targets: Targets, bars: Mapping[str, VaultBars], rules: MarketRules, starting_equity: float
) -> pd.DataFrame:
    """Table "seeds": the portfolio of each seed's policy, through the same market as the agent's.

    Args:
        targets: of each seed, symbol -> [T_m] its target at the close of each of the symbol's vault bars; may be empty.
        bars: the vault bars of each symbol.
        rules: costs and limits.
        starting_equity: of all sleeves together, currency.
    """
    if not targets:
        return pd.DataFrame({"seed": [], "date": [], "equity": []}).astype(
            {"seed": "int32", "date": "datetime64[us]", "equity": "float64"}
        )
    equity = starting_equity / len(bars)
    sleeves = {}
    for symbol, of_symbol in bars.items():
        asked = np.stack([np.asarray(of_seed[symbol], dtype=np.float64) for of_seed in targets], axis=1)
        sleeves[symbol] = (
            of_symbol.dates,
            simulate(asked, of_symbol.open, of_symbol.close, rules, equity, of_symbol.factor),
        )
    portfolio = portfolio_equity(sleeves)
    return pd.DataFrame(
        {
            "seed": np.repeat(np.arange(len(targets), dtype=np.int32), len(portfolio.dates)),
            "date": np.tile(portfolio.dates, len(targets)),
            "equity": portfolio.equity.T.ravel(),
        }
    )


def agreement(targets: Targets, equity: pd.DataFrame, starting_equity: float) -> dict[str, float]:
    """What the seeds earned, least and most, and how often they ask for the same; NaN where there is one seed or none.

    Args: as in `replay_seeds`; equity: what it returns.
    Returns: `seeds_least_return` and `seeds_most_return`, fractions over the vault, and `seeds_agreement`, the share of
        bars of all symbols at which every seed asks for the same target.
    """
    if len(targets) < 2:
        return dict.fromkeys(("seeds_least_return", "seeds_most_return", "seeds_agreement"), float("nan"))
    earned = equity.groupby("seed")["equity"].last() / starting_equity - 1
    same = [(np.stack([of_seed[symbol] for of_seed in targets]).std(axis=0) == 0) for symbol in targets[0]]
    return {
        "seeds_least_return": float(earned.min()),
        "seeds_most_return": float(earned.max()),
        "seeds_agreement": float(np.concatenate(same).mean()),
    }
