"""The cheapest control, without training: the targets of all trials, shifted in time against the bars.

A shifted target knows nothing of the bars that it meets, and holds and turns over as much as before. It is accounted
anew, and the tests of all trials are asked again whether any has skill.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from outsample.control.surrogates import generator_of
from outsample.evaluation.verdict import BLOCK
from outsample.market.accounting import MarketRules, simulate
from outsample.market.panel import Panel
from outsample.market.portfolio import portfolio_equity
from outsample.selection.paths import blocks_tested, mean_by_date, trial_returns
from outsample.selection.statistics import hedge, superior_predictive_ability

_LANE = ["agent", "trial", "seed"]
_LANES_AT_ONCE = 2000
_LEAST = 0.1  # share of a block; after a shift of a few bars a target still meets what it was made for
Floats = NDArray[np.float64]


class _Span(NamedTuple):
    """One symbol's rows of one tested block."""

    dates: NDArray[np.datetime64]  # [T]
    open: Floats  # [T]
    close: Floats  # [T]
    targets: Floats  # [T, lanes]


def shift_targets(
    matrix: pd.DataFrame,
    portfolios: pd.DataFrame,
    panel: Panel,
    rules: MarketRules,
    shifts: int,
    seed: int,
    resamples: int,
) -> pd.DataFrame:
    """The tests of all trials after circular shifts of all targets within each tested block, the same for all symbols.

    Args:
        matrix: tables "matrix" of all agents and rounds together.
        portfolios: tables "portfolios" of the same.
        panel: the development bars.
        rules: costs and limits; whole shares are left out of account.
        shifts: how many, each by a random share of the block, from a tenth to nine tenths.
        seed: of the shifts.
        resamples: of the tests, as in the verdict.
    Returns: table `shifted_targets`.
    """
    columns = {"number": "int32", "p_trials_hedged": "float64", "p_trials_raw": "float64"}
    if not shifts or matrix.empty:
        return pd.DataFrame(columns=list(columns)).astype(columns)
    keys = matrix[_LANE].drop_duplicates().sort_values(_LANE, ignore_index=True)
    trial_of = keys.groupby(["agent", "trial"], sort=True).ngroup().to_numpy()
    block = blocks_tested(matrix["fold"], matrix["date"])
    folds = [_spans(rows, panel) for _, rows in matrix.groupby([matrix["fold"], block], sort=True)]
    dates = np.concatenate([np.unique(np.concatenate([s.dates for s in spans.values()])) for spans in folds])
    _, market = trial_returns(portfolios)
    shares = generator_of(seed, 0, purpose=3).uniform(_LEAST, 1 - _LEAST, shifts)
    rows = []
    with threadpool_limits(1, user_api="blas"):
        for number, net in enumerate(_replayed(folds, shares, panel, rules, len(keys))):
            each = np.stack([net[:, trial_of == trial].mean(axis=1) for trial in range(trial_of.max() + 1)], axis=1)
            trials = mean_by_date(dates, each)
            hedged = superior_predictive_ability(hedge(trials, market)[0], BLOCK, 0, resamples)
            raw = superior_predictive_ability(trials, BLOCK, 0, resamples)
            rows.append({"number": number, "p_trials_hedged": hedged, "p_trials_raw": raw})
    return pd.DataFrame(rows).astype(columns)


def _spans(of_fold: pd.DataFrame, panel: Panel) -> dict[str, _Span]:
    spans = {}
    for symbol, of_symbol in of_fold.groupby("symbol", sort=True):
        wide = of_symbol.pivot(index="date", columns=_LANE, values="target").sort_index(axis=1)
        own = panel.rows(panel.symbols.index(str(symbol)))
        dates = wide.index.to_numpy().astype("datetime64[us]")
        first = own.start + int(np.searchsorted(panel.dates[own], dates[0]))
        rows = slice(first, first + len(dates))
        spans[str(symbol)] = _Span(dates, panel.open[rows], panel.close[rows], wide.to_numpy())
    return spans


def _replayed(
    folds: list[dict[str, _Span]], shares: Floats, panel: Panel, rules: MarketRules, lanes: int
) -> Iterator[Floats]:
    """Net portfolio returns [T of all tested blocks, lanes] of each shift."""
    divisible = MarketRules(**{**vars(rules), "whole_shares": False})
    width = max(_LANES_AT_ONCE // lanes, 1)
    for first in range(0, len(shares), width):
        some = shares[first : first + width]
        parts = [_fold_returns(spans, some, panel, divisible) for spans in folds]
        yield from np.concatenate(parts).reshape(-1, len(some), lanes).swapaxes(0, 1)


def _fold_returns(spans: dict[str, _Span], shares: Floats, panel: Panel, rules: MarketRules) -> Floats:
    """Net portfolio returns [T, shifts * lanes] of one block; a symbol without rows there keeps its cash."""
    sleeves = {}
    for symbol, span in spans.items():
        bars = len(span.dates) - 2  # the last two targets are the flat end
        by = np.round(shares * bars).astype(int)
        shifted = [np.concatenate([np.roll(span.targets[:bars], k, axis=0), np.zeros_like(span.targets[bars:])])
                   for k in by]  # fmt: skip
        sleeves[symbol] = (span.dates, simulate(np.concatenate(shifted, axis=1), span.open, span.close, rules))
    first = min(dates[0] for dates, _ in sleeves.values())
    shape = next(iter(sleeves.values()))[1].equity.shape[1:]
    idle = simulate(np.zeros((1, *shape)), np.ones(1), np.ones(1), rules)
    every = {symbol: sleeves.get(symbol, (np.array([first]), idle)) for symbol in panel.symbols}
    return portfolio_equity(every).net_return
