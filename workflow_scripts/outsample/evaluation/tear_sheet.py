"""The vault seen more closely: rolling Sharpe ratio, months, distribution of returns, worst drawdowns, actions taken.

Everything is a function of the table `returns`; nothing here enters the verdict.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from outsample.market.metrics import NOISE_FLOOR

COMPARED = ("agent", "buy_and_hold")  # series that are shown side by side
LEAST_WINDOW = 20  # bars; a Sharpe ratio of fewer says nothing
MOST_QUANTILES = 99
BINS = 40
WORST = 5  # drawdowns of each series

Array = NDArray[np.float64]


class TearSheet(NamedTuple):
    """The tables of these names in `outsample.io.schemas`."""

    rolling: pd.DataFrame
    months: pd.DataFrame
    histogram: pd.DataFrame
    quantiles: pd.DataFrame
    drawdowns: pd.DataFrame
    actions: pd.DataFrame


def tear_sheet(
    returns: pd.DataFrame, periods_per_year: float, risk_free_rate: float = 0.0, confidence: float = 0.95
) -> TearSheet:
    """The tables of the portfolio of the agent and of buy and hold, and of the agent's actions by symbol.

    Args:
        returns: table "returns".
        periods_per_year: bars a year.
        risk_free_rate: fraction per year.
        confidence: of the rolling band.
    """
    whole = returns[returns["symbol"] == "portfolio"].sort_values("date")
    books = {series: whole[whole["series"] == series].reset_index(drop=True) for series in COMPARED}
    return TearSheet(
        rolling=_stacked(books, lambda book: rolling(book, periods_per_year, risk_free_rate, confidence)),
        months=_stacked(books, months),
        histogram=histogram({series: book["net_return"].to_numpy() for series, book in books.items()}),
        quantiles=_stacked(books, quantiles),
        drawdowns=_stacked(books, drawdowns),
        actions=actions(returns[returns["series"] == "agent"]),
    )


def _stacked(books: dict[str, pd.DataFrame], table_of) -> pd.DataFrame:  # type: ignore[no-untyped-def]
    return pd.concat([table_of(book).assign(series=series) for series, book in books.items()], ignore_index=True)


def window_of(bars: int, periods_per_year: float) -> int:
    """Bars of the rolling window: half a year, at most half of the bars, at least `LEAST_WINDOW`.

    >>> window_of(1000, 252.0), window_of(100, 252.0), window_of(30, 252.0)
    (126, 50, 20)
    """
    return max(LEAST_WINDOW, min(round(periods_per_year / 2), bars // 2))


def rolling(book: pd.DataFrame, periods_per_year: float, risk_free_rate: float, confidence: float) -> pd.DataFrame:
    """Sharpe ratio, its band and the mean absolute position of each full window that ends at a bar.

    The band is S +- z sqrt((1 + s^2 / 2) / n) sqrt(bars per year), with s the ratio per bar and n the window: that of
    independent normal returns, an outline and no test. Ratio and band are undefined where the returns do not vary.

    Args: book: columns date, net_return and position, one row a bar.
    Returns: columns date, window, sharpe, lower, upper, exposure; no rows where there are fewer bars than the window.
    Reference: Lo (2002), The Statistics of Sharpe Ratios, eq. 9.
    """
    window = window_of(len(book), periods_per_year)
    if len(book) < window:
        return pd.DataFrame({name: [] for name in ("date", "window", "sharpe", "lower", "upper", "exposure")})
    spans = book["net_return"].rolling(window)
    spread = spans.std()
    varies = spans.max() - spans.min() > NOISE_FLOOR  # exact, which a rolling deviation is not
    per_bar = ((spans.mean() - risk_free_rate / periods_per_year) / spread.where(varies)).to_numpy()
    wide = norm.ppf(0.5 + confidence / 2) * np.sqrt((1 + per_bar**2 / 2) / window)
    year = math.sqrt(periods_per_year)
    found = pd.DataFrame(
        {
            "date": book["date"],
            "window": window,
            "sharpe": per_bar * year,
            "lower": (per_bar - wide) * year,
            "upper": (per_bar + wide) * year,
            "exposure": book["position"].abs().rolling(window).mean(),
        }
    )
    return found.iloc[window - 1 :].reset_index(drop=True)


def months(book: pd.DataFrame) -> pd.DataFrame:
    """Return of each calendar month, the product of (1 + r) over its bars minus 1.

    Returns: columns year, month, bars, net_return.
    """
    date = pd.DatetimeIndex(book["date"])
    grown = (1 + book["net_return"]).groupby([date.year.rename("year"), date.month.rename("month")])
    found = grown.agg(["size", "prod"]).reset_index()
    return pd.DataFrame(
        {"year": found["year"], "month": found["month"], "bars": found["size"], "net_return": found["prod"] - 1}
    ).astype({"year": "int64", "month": "int64", "bars": "int64"})


def histogram(returns: dict[str, Array]) -> pd.DataFrame:
    """Bars of each series by return, in bins that all series share.

    Returns: columns series, left, right (fractions per bar; the last bin holds its right end), bars.
    """
    every = np.concatenate(list(returns.values()))
    edges = np.histogram_bin_edges(every, BINS)
    parts = [
        pd.DataFrame({"series": name, "left": edges[:-1], "right": edges[1:], "bars": np.histogram(r, edges)[0]})
        for name, r in returns.items()
    ]
    return pd.concat(parts, ignore_index=True).astype({"bars": "int64"})


def quantiles(book: pd.DataFrame) -> pd.DataFrame:
    """Quantiles of the returns beside those of a normal distribution of the same mean and standard deviation.

    Returns: columns place (from 1), probability (place - 1/2) / count, net_return, normal (fractions per bar).
    """
    r = book["net_return"].to_numpy()
    count = min(MOST_QUANTILES, len(r))
    place = np.arange(1, count + 1)
    probability = (place - 0.5) / count
    deviation = float(r.std(ddof=1)) if len(r) > 1 else 0.0
    return pd.DataFrame(
        {
            "place": place,
            "probability": probability,
            "net_return": np.quantile(r, probability),
            "normal": r.mean() + deviation * norm.ppf(probability),
        }
    )


def drawdowns(book: pd.DataFrame) -> pd.DataFrame:
    """The deepest falls of equity from a highest value to the bar at which that value is reached again.

    Args: book: columns date and equity.
    Returns: columns rank (1 is the deepest), depth (fraction of the highest value), peak, trough, recovered (null where
        it was not), bars_down (peak to trough), bars (peak to recovery, or to the last bar).
    """
    equity, dates = book["equity"].to_numpy(), book["date"].to_numpy()
    high = np.maximum.accumulate(equity)
    below = equity < high * (1 - NOISE_FLOOR)
    turns = np.flatnonzero(np.diff(np.r_[False, below, False]))
    found = []
    for start, end in zip(
        turns[::2].tolist(), turns[1::2].tolist(), strict=True
    ):  # bars below their high: [start, end)
        trough = start + int(np.argmin(equity[start:end]))
        found.append((1 - equity[trough] / high[trough], start - 1, trough, end if end < len(equity) else None))
    found.sort(key=lambda fall: (-fall[0], fall[1]))
    rows = [
        {
            "rank": rank,
            "depth": depth,
            "peak": dates[peak],
            "trough": dates[trough],
            "recovered": pd.NaT if end is None else dates[end],
            "bars_down": trough - peak,
            "bars": (len(equity) - 1 if end is None else end) - peak,
        }
        for rank, (depth, peak, trough, end) in enumerate(found[:WORST], start=1)
    ]
    columns = ["rank", "depth", "peak", "trough", "recovered", "bars_down", "bars"]
    table = pd.DataFrame(rows, columns=columns)
    stamps = dict.fromkeys(("peak", "trough", "recovered"), "datetime64[us]")
    return table.astype({"rank": "int64", "depth": "float64", "bars_down": "int64", "bars": "int64"} | stamps)


def actions(agent: pd.DataFrame) -> pd.DataFrame:
    """How often each target was asked for, by symbol, and the entropy of these shares.

    Args: agent: rows of table "returns" of the series agent; the portfolio is left out.
    Returns: columns symbol, target, bars, share, entropy (nats, - sum of share log share; 0 of one target only).
    """
    found = agent[agent["symbol"] != "portfolio"].groupby(["symbol", "target"], sort=True).size().rename("bars")
    table = found.reset_index()
    share = table["bars"] / table.groupby("symbol")["bars"].transform("sum")
    part = -share * np.log(share) + 0.0
    return table.assign(share=share, entropy=part.groupby(table["symbol"]).transform("sum")).astype({"bars": "int64"})


def daily_equity(returns: pd.DataFrame) -> pd.DataFrame:
    """Equity of every series' portfolio at the last bar of each day, for other programs: columns date and the series.

    Args: returns: table "returns".
    """
    whole = returns[returns["symbol"] == "portfolio"]
    wide = whole.pivot(index="date", columns="series", values="equity")
    daily = wide.groupby(pd.DatetimeIndex(wide.index).normalize()).last()
    return daily.rename_axis("date").reset_index().rename_axis(columns=None)
