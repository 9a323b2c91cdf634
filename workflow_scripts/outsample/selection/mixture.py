"""The mean of several trials' targets, out of fold, through the same market as every trial of the matrix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from outsample.market.accounting import MarketRules
from outsample.market.panel import Panel
from outsample.selection.arms import Key
from outsample.selection.matrix import account


class Mixtures:
    """Replays of the mean targets of any trials of a matrix; nothing is trained."""

    def __init__(
        self,
        matrix_of: Callable[[Key, int], pd.DataFrame],
        panel: Panel,
        rules: MarketRules,
        periods_per_year: float,
        starting_equity: float = 1.0,
    ) -> None:
        """Remember where targets come from.

        Args:
            matrix_of: the rows of the trial matrix of one trial and fold; asked for those alone that are averaged, for
                the whole matrix need not fit into memory.
            panel: the development rows.
            rules, periods_per_year, starting_equity: as in `outsample.selection.matrix.account`.
        """
        self._matrix_of = matrix_of
        self._panel, self._market = panel, (rules, periods_per_year, starting_equity)
        self.returns = cache(self._returns)

    def _returns(self, fold: int, members: tuple[Key, ...]) -> NDArray[np.float64]:
        """Net returns [T, S] of the portfolio that asks for the mean of the members' targets, seed by seed.

        A mean is rounded to the market's grid, as every target is. Of one member they are its own returns.

        Args:
            fold: of the matrix.
            members: trials, in any order.
        """
        rules, periods, equity = self._market
        mean = mean_targets([self._matrix_of(member, fold) for member in members])
        places = [
            np.searchsorted(self._panel.dates[self._panel.rows(index)], rows["date"].to_numpy())
            for index, rows in ((self._panel.symbols.index(symbol), rows) for symbol, rows in mean.groupby("symbol"))
        ]
        targets = mean.assign(trial=0, fold=fold, row=np.concatenate(places)).drop(columns="date")
        portfolios = account(targets, self._panel, rules, "mixture", periods, starting_equity=equity).portfolios
        return portfolios.pivot(index="date", columns="seed", values="net_return").sort_index().to_numpy()


def mean_targets(members: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The mean target of each symbol, date and seed, in their order.

    Args: members: rows of the trial matrix, of one trial and fold each.

    >>> rows = pd.DataFrame({"symbol": "A", "seed": 0, "date": pd.to_datetime(["2020-01-02"]), "target": [1.0]})
    >>> mean_targets([rows, rows.assign(target=0.0), rows.assign(target=-1.0)])["target"].tolist()
    [0.0]
    """
    keys = ["symbol", "seed", "date"]
    return pd.concat(members).groupby(keys, sort=True)["target"].mean().reset_index()
