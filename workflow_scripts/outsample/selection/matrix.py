"""The trial matrix: a float64 replay of every lane's out-of-fold targets, each tested block from flat to flat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from outsample.errors import SchemaError
from outsample.market.accounting import Ledger, MarketRules, fill_prices, simulate
from outsample.market.metrics import METRICS, compute_metrics
from outsample.market.panel import Panel
from outsample.market.portfolio import Portfolio, portfolio_equity
from outsample.market.trades import round_trips
from outsample.selection.paths import blocks_tested

_LANE = ["trial", "fold", "seed"]
_NUMBERS = ("target", "position", "gross_return", "cost", "net_return", "buy_and_hold_return", "value")
_TYPES = dict.fromkeys(_LANE, "int32") | dict.fromkeys(_NUMBERS, "float64") | {"date": "datetime64[us]"}
_MATRIX = ["symbol", "agent", *_LANE, "date", "target", "position", "gross_return", "cost", "net_return"]
_PORTFOLIOS = ["agent", *_LANE, "date", "net_return", "cost", "buy_and_hold_return"]
_SCORES = ["agent", *_LANE, "metric", "value"]


class Accounts(NamedTuple):
    """The trial matrix of one agent, its portfolios and their scores, as the tables of these names."""

    matrix: pd.DataFrame
    portfolios: pd.DataFrame
    scores: pd.DataFrame


@dataclass(frozen=True)
class _Span:
    """One symbol's rows of one tested block, with the ledgers of all lanes and of buy and hold, the last lane."""

    symbol: str
    dates: NDArray[np.datetime64]  # [T]
    ledger: Ledger  # fields [T, lanes + 1]
    fills_raw: NDArray[np.float64]  # [T], currency


def account(
    targets: pd.DataFrame,
    panel: Panel,
    rules: MarketRules,
    agent: str,
    periods_per_year: float,
    risk_free_rate: float = 0.0,
    starting_equity: float = 1.0,
    lanes: pd.DataFrame | None = None,
) -> Accounts:
    """Replay out-of-fold targets: one sleeve of 1/M of the starting equity for each of the panel's M symbols.

    A target of the close of row t is filled at row t+1 of its symbol; the last rows of a tested block close the
    position, so that no fold owes anything to the next, and the blocks of a combinatorial split nothing to each other
    (the metrics of such a split are of its blocks one after the other). A symbol without rows in a fold stays in cash
    there. Buy and hold of the same sleeves runs through the same market on the same rows.

    A trial of which a lane broke down is accounted on no fold, since trials are compared over all folds and seeds: it
    is left out of the matrix and the portfolios, and every score of its lanes is undefined.

    Args:
        targets: table "targets": ungated, of one agent; in each fold all lanes have the same rows of a symbol.
        panel: the development rows, to whose rows within a symbol the column `row` points.
        rules: costs and limits.
        agent: name of the agent.
        periods_per_year: bars a year.
        risk_free_rate: per year.
        starting_equity: of all sleeves together, currency; with whole shares it must be the experiment's.
        lanes: table "lanes" of the same lanes, which says what broke down; None where nothing did.
    Returns: tables "matrix", "portfolios" and "scores" (every metric of `market.metrics` for each trial, fold, seed).
    Raises: SchemaError where the lanes of a fold differ in their rows, rows have gaps, or are not in the panel.
    """
    broken = _broken_scores(lanes, agent) if lanes is not None else _empty(_SCORES)
    targets = targets[~targets["trial"].isin(broken["trial"])]
    if targets.empty and len(broken):
        return Accounts(_empty(_MATRIX), _empty(_PORTFOLIOS), broken)
    strange = sorted(set(targets["symbol"]) - set(panel.symbols))
    if strange or targets.empty:
        what = f"holds {strange[0]}, of which there are no bars" if strange else "is empty"
        raise SchemaError(f"The table targets {what}: delete the file and train the trials again.")
    parts: list[Accounts] = []
    sleeve_equity = starting_equity / len(panel.symbols)
    for of_fold, blocks in _folds(targets, panel):
        keys = of_fold[_LANE].drop_duplicates().sort_values(_LANE, ignore_index=True)
        replayed = [list(_replay(block, keys, panel, rules, sleeve_equity)) for block in blocks]
        spans = [span for of_block in replayed for span in of_block]
        portfolios = [portfolio_equity(_sleeves(of_block, panel.symbols, sleeve_equity)) for of_block in replayed]
        parts.append(
            Accounts(
                pd.concat([_matrix_rows(span, keys, agent) for span in spans], ignore_index=True),
                pd.concat([_portfolio_rows(of_block, keys, agent) for of_block in portfolios], ignore_index=True),
                _score_rows(portfolios, spans, keys, agent, periods_per_year, risk_free_rate),
            )
        )
    matrix, joined, scores = (pd.concat(tables, ignore_index=True) for tables in zip(*parts, strict=True))
    return Accounts(matrix, joined, pd.concat([scores, broken], ignore_index=True))


def _folds(targets: pd.DataFrame, panel: Panel) -> Iterator[tuple[pd.DataFrame, list[pd.DataFrame]]]:
    """The targets of each fold, and of each of the blocks that it tests."""
    offset = targets["symbol"].map(dict(zip(panel.symbols, panel.offsets[:-1].tolist(), strict=True)))
    row = np.clip(offset.to_numpy() + targets["row"].to_numpy(), 0, len(panel.dates) - 1)  # `_replay` refuses others
    block = pd.Series(blocks_tested(targets["fold"], panel.dates[row]), index=targets.index)
    for fold in sorted(targets["fold"].unique()):
        of_fold = targets[targets["fold"] == fold]
        own = block[of_fold.index]
        yield of_fold, [of_fold[own == number] for number in sorted(own.unique())]


def _broken_scores(lanes: pd.DataFrame, agent: str) -> pd.DataFrame:
    """Every metric, undefined, of all lanes of the trials of which one broke down."""
    of_broken = lanes["trial"].isin(lanes.loc[lanes["failure"] != "", "trial"])
    rows = lanes.loc[of_broken, _LANE].merge(pd.DataFrame({"metric": list(METRICS)}), how="cross")
    return rows.assign(agent=agent, value=np.nan)[_SCORES]


def _empty(columns: list[str]) -> pd.DataFrame:
    """A table without rows, whose columns have their types."""
    return pd.DataFrame({name: pd.Series(dtype=_TYPES.get(name, "str")) for name in columns})


def _replay(
    of_fold: pd.DataFrame, lanes: pd.DataFrame, panel: Panel, rules: MarketRules, equity: float
) -> Iterator[_Span]:
    for index, symbol in enumerate(panel.symbols):
        of_symbol = of_fold[of_fold["symbol"] == symbol].sort_values([*_LANE, "row"])
        if len(of_symbol) == 0:
            continue
        where = f"Fold {of_symbol['fold'].iloc[0]} of {symbol} in the table targets"
        counts = of_symbol.groupby(_LANE, sort=True).size().to_numpy()
        if len(counts) != len(lanes) or (counts != counts[0]).any():
            raise SchemaError(f"{where} has lanes of different rows: delete the file and train the trials again.")
        rows = of_symbol["row"].to_numpy().reshape(len(lanes), -1)
        span = panel.rows(index)
        consecutive = (rows == np.arange(rows[0, 0], rows[0, 0] + rows.shape[1])).all()
        if not consecutive or rows[0, 0] < 0 or rows[0, -1] >= span.stop - span.start:
            raise SchemaError(f"{where} points to rows that the bars do not have: train the trials again.")
        where_rows = slice(span.start + int(rows[0, 0]), span.start + int(rows[0, -1]) + 1)
        asked = of_symbol["target"].to_numpy().reshape(len(lanes), -1).T
        open_, close, factor = panel.open[where_rows], panel.close[where_rows], panel.factor[where_rows]
        held = np.ones((len(asked), 1))
        yield _Span(
            symbol,
            panel.dates[where_rows],
            simulate(np.concatenate([asked, held], axis=1), open_, close, rules, equity, factor),
            fill_prices(open_, close, rules) / factor,
        )


def _sleeves(
    spans: list[_Span], symbols: tuple[str, ...], equity: float
) -> dict[str, tuple[NDArray[np.datetime64], Ledger]]:
    """The sleeves by symbol; one without rows is a single idle bar, which keeps its cash in the portfolio."""
    sleeves = {span.symbol: (span.dates, span.ledger) for span in spans}
    first = min(span.dates[0] for span in spans)
    width = spans[0].ledger.equity.shape[1]
    rules = MarketRules("next_close", 0.0, 0.0, short_selling=False, grid=1.0, band=0.0)
    idle = simulate(np.zeros((1, width)), np.ones(1), np.ones(1), rules, equity)
    return {symbol: sleeves.get(symbol, (np.array([first]), idle)) for symbol in symbols}


def _matrix_rows(span: _Span, lanes: pd.DataFrame, agent: str) -> pd.DataFrame:
    n, ledger = len(lanes), span.ledger
    return pd.DataFrame(
        {
            "symbol": span.symbol,
            "agent": agent,
            **_repeated(lanes, len(span.dates)),
            "date": np.tile(span.dates, n),
            "target": ledger.target[:, :n].T.ravel(),
            "position": ledger.position[:, :n].T.ravel(),
            "gross_return": ledger.gross_return[:, :n].T.ravel(),
            "cost": ledger.cost_return[:, :n].T.ravel(),
            "net_return": ledger.net_return[:, :n].T.ravel(),
        }
    )


def _portfolio_rows(portfolio: Portfolio, lanes: pd.DataFrame, agent: str) -> pd.DataFrame:
    n = len(lanes)
    return pd.DataFrame(
        {
            "agent": agent,
            **_repeated(lanes, len(portfolio.dates)),
            "date": np.tile(portfolio.dates, n),
            "net_return": portfolio.net_return[:, :n].T.ravel(),
            "cost": portfolio.cost_return[:, :n].T.ravel(),
            "buy_and_hold_return": np.tile(portfolio.net_return[:, n], n),
        }
    )


def _repeated(lanes: pd.DataFrame, times: int) -> dict[str, NDArray[np.int32]]:
    return {name: np.repeat(lanes[name].to_numpy(dtype=np.int32), times) for name in _LANE}


def _score_rows(
    portfolios: Sequence[Portfolio],
    spans: list[_Span],
    lanes: pd.DataFrame,
    agent: str,
    periods_per_year: float,
    risk_free_rate: float,
) -> pd.DataFrame:
    """The metrics of each lane, of its tested blocks one after the other."""

    def joined(name: str) -> NDArray[np.float64]:
        return np.concatenate([getattr(portfolio, name) for portfolio in portfolios])

    names = ("net_return", "position", "traded_fraction", "gross_position")
    net, position, traded, gross = (joined(name) for name in names)
    rows = []
    for lane, (trial, fold, seed) in enumerate(lanes[_LANE].itertuples(index=False)):
        trips = [round_trips(span.ledger.lane(lane), span.dates, span.fills_raw, span.symbol) for span in spans]
        values = compute_metrics(
            net[:, lane],
            position[:, lane],
            traded[:, lane],
            pd.concat(trips, ignore_index=True),
            float(sum(portfolio.cost[:, lane].sum() for portfolio in portfolios)),
            periods_per_year,
            risk_free_rate,
            gross[:, lane],
        )
        rows += [(agent, trial, fold, seed, metric, value) for metric, value in values.items()]
    scores = pd.DataFrame(rows, columns=["agent", *_LANE, "metric", "value"])
    return scores.astype(dict.fromkeys(_LANE, np.int32))
