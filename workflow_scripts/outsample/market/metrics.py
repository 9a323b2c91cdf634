"""The one table of metrics: names, formulas, units and directions, and the functions that compute them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

# Below this a deviation (fraction per bar) or a drawdown is rounding noise, and a ratio to it is undefined.
NOISE_FLOOR = 1e-12
# The tail of value at risk.
TAIL = 0.05
# A position that is held for at least this share of the bars is held throughout.
HELD_SHARE = 0.95


@dataclass(frozen=True)
class Metric:
    """One metric: how it is called, computed and read."""

    name: str
    label: str
    formula: str
    unit: str
    better: Literal["higher", "lower", "neither"]
    annualised: bool


_TABLE = (
    Metric("total_return", "Total return", "product of (1 + r) over the bars, minus 1", "fraction", "higher", False),
    Metric("cagr", "CAGR", "(1 + total return)^(bars per year / bars) - 1", "fraction per year", "higher", True),
    Metric("volatility", "Volatility", "std(r) sqrt(bars per year)", "fraction per year", "neither", True),
    Metric("sharpe", "Sharpe ratio", "mean(r - f) / std(r) sqrt(bars per year)", "1", "higher", True),
    Metric(
        "sortino",
        "Sortino ratio",
        "mean(r - f) / sqrt(mean(min(r - f, 0)^2)) sqrt(bars per year)",
        "1",
        "higher",
        True,
    ),
    Metric("calmar", "Calmar ratio", "CAGR / maximum drawdown", "1", "higher", True),
    Metric(
        "max_drawdown",
        "Maximum drawdown",
        "largest fall of equity from its highest value before, over that value",
        "fraction",
        "lower",
        False,
    ),
    Metric("value_at_risk", "Value at risk 95 %", "-q, q the 5 % quantile of r", "fraction per bar", "lower", False),
    Metric(
        "conditional_value_at_risk",
        "Conditional value at risk 95 %",
        "-mean(r where r <= q), q the 5 % quantile of r",
        "fraction per bar",
        "lower",
        False,
    ),
    Metric("win_rate", "Win rate", "round trips with profit above 0 / round trips", "fraction", "higher", False),
    Metric("profit_factor", "Profit factor", "sum of profits / sum of losses of round trips", "1", "higher", False),
    Metric("exposure", "Exposure", "mean(|position at the close|)", "fraction of equity", "neither", False),
    Metric("net_exposure", "Net exposure", "mean(position at the close)", "fraction of equity", "neither", False),
    Metric(
        "turnover",
        "Turnover",
        "sum(traded notional / equity at the fill) bars per year / bars",
        "equity per year",
        "neither",
        True,
    ),
    Metric("trades", "Trades", "number of round trips", "trades", "neither", False),
    Metric("cost_paid", "Cost paid", "commission, slippage and borrow cost", "currency", "lower", False),
    Metric("holds", "Mean holding time", "mean bars from entry to exit of a round trip", "bars", "neither", False),
)
# In display order. r: net return of a bar; f: risk-free rate / bars per year; std with n - 1.
METRICS: dict[str, Metric] = {metric.name: metric for metric in _TABLE}
# Those that need a benchmark; b: its net return of a bar.
BENCHMARK_METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("alpha", "Alpha to buy and hold", "mean(r - beta b) bars per year", "fraction per year", "higher", True),
        Metric("beta", "Beta to buy and hold", "cov(r, b) / var(b), b buy and hold's r", "1", "neither", False),
    )
}


def sharpe_ratio(returns: ArrayLike, periods_per_year: float, risk_free_rate: float = 0.0) -> Any:
    """Annualised Sharpe ratio, mean(r - f) / std(r) * sqrt(periods_per_year), with f = rate / periods_per_year.

    std is the sample standard deviation (n - 1). Undefined (NaN) where std is at most 1e-12, the rounding noise of a
    constant series, or where there are fewer than two bars.

    Args:
        returns: [T, ...] net returns, fraction per bar.
        periods_per_year: bars per year.
        risk_free_rate: fraction per year.
    Returns: [...], per square root of a year.
    Source: Sharpe (1994), The Sharpe Ratio.
    >>> round(float(sharpe_ratio([0.01, 0.03], 2.0)), 6)
    2.0
    """
    r = np.asarray(returns, dtype=np.float64)
    if len(r) < 2:
        return np.full(r.shape[1:], np.nan)[()]
    excess = r.mean(axis=0) - risk_free_rate / periods_per_year
    return _ratio(excess, r.std(axis=0, ddof=1)) * math.sqrt(periods_per_year)


def sortino_ratio(returns: ArrayLike, periods_per_year: float, risk_free_rate: float = 0.0) -> Any:
    """Annualised Sortino ratio: the Sharpe ratio with the downside deviation in place of the standard deviation.

    The downside deviation sqrt(mean(min(r - f, 0)^2)) is taken over all bars, those above f counting as 0. Undefined
    (NaN) where it is at most 1e-12, or without bars. Arguments and result as in `sharpe_ratio`.
    Source: Sortino and Price (1994), Performance Measurement in a Downside Risk Framework.
    """
    excess = np.asarray(returns, dtype=np.float64) - risk_free_rate / periods_per_year
    if len(excess) == 0:
        return np.full(excess.shape[1:], np.nan)[()]
    downside = np.sqrt((np.minimum(excess, 0.0) ** 2).mean(axis=0))
    return _ratio(excess.mean(axis=0), downside) * math.sqrt(periods_per_year)


def _ratio(numerator: Any, denominator: Any) -> Any:
    """numerator / denominator, NaN where the denominator is noise."""
    out = np.full(np.shape(denominator), np.nan)
    np.divide(numerator, denominator, out=out, where=np.asarray(denominator) > NOISE_FLOOR)
    return out[()]


def max_drawdown(returns: ArrayLike) -> Any:
    """Largest fall of equity from its highest value before, as a fraction of that value.

    max over t of 1 - E_t / max(E_0 .. E_t), with E_t the product of (1 + r) up to t and E_0 = 1 before the first bar.

    Args:
        returns: [T, ...] net returns, fraction per bar.
    Returns: [...], >= 0; above 1 where equity fell below 0.
    >>> round(float(max_drawdown([0.1, -0.5, 0.2, -0.1])), 6)
    0.5
    """
    r = np.asarray(returns, dtype=np.float64)
    equity = np.cumprod(1.0 + r, axis=0)
    peak = np.maximum(np.maximum.accumulate(equity, axis=0), 1.0)
    return (1.0 - equity / peak).max(axis=0, initial=0.0)


def compute_metrics(
    net_return: ArrayLike,
    position: ArrayLike,
    traded_fraction: ArrayLike,
    trades_frame: pd.DataFrame,
    cost_paid: float,
    periods_per_year: float,
    risk_free_rate: float = 0.0,
    gross_position: ArrayLike | None = None,
) -> dict[str, float]:
    """Every metric of METRICS for one series of bars, NaN where it is undefined.

    Every row is a bar, the flat first row of a ledger included. Sharpe, Sortino and Calmar are undefined where
    what they divide by is at most 1e-12, the win rate and the mean holding time without trades, the profit factor
    without losing trades.

    Args:
        net_return: [T] fraction of the equity one bar before.
        position: [T] signed fraction of equity at the close; of a portfolio, the sum over its sleeves.
        traded_fraction: [T] traded notional over equity at the fill.
        trades_frame: round trips (table `trades`) of all sleeves; columns profit and bars are read.
        cost_paid: currency.
        periods_per_year: bars per year.
        risk_free_rate: fraction per year.
        gross_position: [T] of a portfolio, the sum of the sleeves' absolute positions; None is |position|.
    Raises: ValueError without bars.
    """
    r = np.asarray(net_return, dtype=np.float64)
    if r.ndim != 1 or len(r) == 0:
        raise ValueError(f"net_return must be [T] with at least one bar, not {r.shape}")
    net = np.asarray(position, dtype=np.float64)
    gross = np.abs(net) if gross_position is None else np.asarray(gross_position, dtype=np.float64)
    growth = float(np.prod(1.0 + r))
    cagr = _cagr(growth, len(r), periods_per_year)
    drawdown = float(max_drawdown(r))
    values = {
        "total_return": growth - 1.0,
        "cagr": cagr,
        "volatility": float(r.std(ddof=1)) * math.sqrt(periods_per_year) if len(r) > 1 else math.nan,
        "sharpe": float(sharpe_ratio(r, periods_per_year, risk_free_rate)),
        "sortino": float(sortino_ratio(r, periods_per_year, risk_free_rate)),
        "calmar": cagr / drawdown if drawdown > NOISE_FLOOR else math.nan,
        "max_drawdown": drawdown,
        "exposure": float(gross.mean()),
        "net_exposure": float(net.mean()),
        "turnover": float(np.sum(traded_fraction)) * periods_per_year / len(r),
        "cost_paid": float(cost_paid),
    }
    values |= _tail_risk(r) | _trade_metrics(trades_frame)
    return {name: values[name] for name in METRICS}


def _cagr(growth: float, bars: int, periods_per_year: float) -> float:
    """Yearly growth; -1 once equity is gone, undefined where a few bars extrapolate beyond any float."""
    if growth <= 0:
        return -1.0
    exponent = math.log(growth) * periods_per_year / bars
    return math.expm1(exponent) if exponent < 700 else math.nan


def _tail_risk(r: NDArray[np.float64]) -> dict[str, float]:
    """Value at risk and its conditional mean: the quantile is the k-th smallest return, k = ceil(TAIL * n)."""
    k = math.ceil(TAIL * len(r))
    quantile = np.sort(r)[k - 1]
    return {
        "value_at_risk": 0.0 - float(quantile),
        "conditional_value_at_risk": 0.0 - float(r[r <= quantile].mean()),
    }


def _trade_metrics(trades: pd.DataFrame) -> dict[str, float]:
    profit = trades["profit"].to_numpy(dtype=np.float64)
    won, lost = float(profit[profit > 0].sum()), float(-profit[profit < 0].sum())
    return {
        "win_rate": float((profit > 0).mean()) if len(profit) else math.nan,
        "profit_factor": won / lost if lost > 0 else math.nan,
        "trades": float(len(profit)),
        "holds": float(trades["bars"].to_numpy(dtype=np.float64).mean()) if len(profit) else math.nan,
    }


def describe_activity(position: ArrayLike, target: ArrayLike, trades: pd.DataFrame) -> dict[str, Any]:
    """What one sleeve did, in one of three kinds.

    - "never trades": no round trip.
    - "holds one position": one round trip, at one target, over at least 95 % of the bars that can be held: those from
      the first fill to the bar before the flat end.
    - "trades": anything else.

    Args:
        position: [T] signed fraction of equity at the close (`Ledger.position`).
        target: [T] target at the close (`Ledger.target`, whose last two rows are the flat end).
        trades: the sleeve's round trips (table `trades`).
    Returns: kind; trades; exposure (mean |position|); net_exposure (mean position).
    """
    held = np.asarray(position, dtype=np.float64)
    asked = np.asarray(target, dtype=np.float64)[:-2]
    levels = np.unique(asked[asked != 0])
    throughout = len(trades) == 1 and len(levels) == 1 and float((held[1:-1] != 0).mean()) >= HELD_SHARE
    kind = "never trades" if len(trades) == 0 else "holds one position" if throughout else "trades"
    return {
        "kind": kind,
        "trades": len(trades),
        "exposure": float(np.abs(held).mean()) if len(held) else 0.0,
        "net_exposure": float(held.mean()) if len(held) else 0.0,
    }


def combine_activities(activities: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What a portfolio of equal sleeves did: it trades if a sleeve does, else it holds if a sleeve does.

    Exposures are the means over the sleeves, trades their sum.
    """
    kinds = {activity["kind"] for activity in activities}
    return {
        "kind": next((kind for kind in ("trades", "holds one position") if kind in kinds), "never trades"),
        "trades": sum(activity["trades"] for activity in activities),
        "exposure": float(np.mean([activity["exposure"] for activity in activities])),
        "net_exposure": float(np.mean([activity["net_exposure"] for activity in activities])),
    }
