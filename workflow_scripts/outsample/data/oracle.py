"""What can be earned on simulated bars by who knows the market but not its state: the Bayes filter with hysteresis.

The filter gives the probability that the state of the next bar is up; the position turns long above one threshold and
short below its mirror image, and stays as it is in between, which saves costs. The threshold is chosen on series of
its own, never on the series that is scored. Nothing here knows the accounting: it is passed in.
Source: J. D. Hamilton (1989), A new approach to the economic analysis of nonstationary time series, Econometrica 57.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from outsample.config.data import SimulatedSource
from outsample.data.simulated_source import simulate_bars

Floats = NDArray[np.float64]
# (targets [T, S, H], open [T, S, 1], close [T, S, 1]) -> equity at the end, from 1 at the start [S, H]
FinalEquity = Callable[[Floats, Floats, Floats], Floats]

THRESHOLDS = tuple(np.round(np.arange(0.0, 0.5, 0.02), 2).tolist())
TRAINING_SERIES = 64
TRAINING_BARS = 2500


def bayes_filter(returns: ArrayLike, drift: float, volatility: float, persistence: float) -> Floats:
    """Probability that the state of the next bar is up, given the returns up to this one.

        a_t = 2 drift return_t / volatility^2                    (log of the likelihood ratio of up to down)
        q_t = p_(t-1) / (p_(t-1) + (1 - p_(t-1)) exp(-a_t))      (state of bar t)
        p_t = persistence q_t + (1 - persistence) (1 - q_t)      (state of bar t+1), p before the first bar = 1/2

    Args:
        returns: log returns close to close [T, ...], of which row t is known at the close of t. Where it is not known
            (the first bar), 0 says nothing, for it is equally likely in both states.
        drift, volatility: log return per bar. persistence: probability that the state stays.
    Returns: p [T, ...].

    >>> bayes_filter([0.0, 0.01], drift=0.01, volatility=0.01, persistence=1.0).round(4)
    array([0.5   , 0.8808])
    """
    evidence = np.asarray(returns, dtype=np.float64) * (2 * drift / volatility**2)
    down_to_up = np.exp(-np.clip(evidence, -700, 700))
    p_up = np.empty_like(down_to_up)
    p = np.full(down_to_up.shape[1:], 0.5)
    for t in range(len(down_to_up)):
        q = p / (p + (1 - p) * down_to_up[t])
        p = 0.5 + (2 * persistence - 1) * (q - 0.5)  # as in the docstring, and exactly 1/2 where q is
        p_up[t] = p
    return p_up


def hysteresis_targets(p_up: ArrayLike, thresholds: Sequence[float]) -> Floats:
    """Targets of every threshold h: +1 where p > 1/2 + h, -1 where p < 1/2 - h, else as the bar before; flat at first.

    Args:
        p_up: probability that the next bar's state is up [T, ...], known at the close of t.
        thresholds: H distances from 1/2, each at least 0 and below 1/2.
    Returns: targets [T, ..., H] in {-1, 0, 1}, decided at the close of t.

    >>> hysteresis_targets([0.5, 0.9, 0.6, 0.4, 0.1], [0.0, 0.3]).T
    array([[ 0.,  1.,  1., -1., -1.],
           [ 0.,  1.,  1.,  1., -1.]])
    """
    lean = np.asarray(p_up, dtype=np.float64)[..., None] - 0.5
    band = np.asarray(thresholds, dtype=np.float64)
    signal = (lean > band).astype(np.float64) - (lean < -band)
    rows = np.arange(len(signal)).reshape(-1, *(1,) * (signal.ndim - 1))
    last = np.maximum.accumulate(np.where(signal != 0, rows, 0), axis=0)
    return np.take_along_axis(signal, last, axis=0)


def best_hysteresis(
    settings: SimulatedSource,
    final_equity: FinalEquity,
    thresholds: Sequence[float] = THRESHOLDS,
    training_series: int = TRAINING_SERIES,
    training_bars: int = TRAINING_BARS,
) -> float:
    """The threshold that earns most, net of costs, on fresh series of the same market.

    The training series have the settings' drift, volatility, persistence and seed, and names that no symbol can have,
    so that they share nothing with the bars of any symbol.

    Args:
        settings: the market.
        final_equity: the accounting, e.g. `lambda *bars: simulate(*bars, rules).equity[-1]` of `outsample.market`; see
            `FinalEquity`. A threshold is judged by the mean log of it, and one that is ever ruined (0 or less) is out.
        thresholds: H candidates; of equal ones the smallest wins.
        training_series, training_bars: how many series, and how long each.
    """
    market = settings.model_copy(update={"bars": training_bars})
    series = [simulate_bars(market, f"training series {i}") for i in range(training_series)]
    opens = np.column_stack([bars["open"].to_numpy() for bars in series])
    closes = np.column_stack([bars["close"].to_numpy() for bars in series])
    targets = hysteresis_targets(_filter_closes(market, closes), thresholds)
    equity = final_equity(targets, opens[..., None], closes[..., None])
    earned = np.log(equity, out=np.full_like(equity, -np.inf), where=equity > 0)
    return float(thresholds[int(np.argmax(earned.mean(axis=0)))])


def oracle_targets(settings: SimulatedSource, close: ArrayLike, threshold: float) -> Floats:
    """Targets of the Bayes filter with a given threshold on a series of closes.

    Args:
        settings: the market that the closes come from.
        close: closes [T, ...]. threshold: see `best_hysteresis`.
    Returns: targets [T, ...], decided at the close of t, to be filled at the open of t+1.
    """
    return hysteresis_targets(_filter_closes(settings, np.asarray(close, dtype=np.float64)), [threshold])[..., 0]


def _filter_closes(settings: SimulatedSource, closes: Floats) -> Floats:
    returns = np.zeros_like(closes)
    returns[1:] = np.diff(np.log(closes), axis=0)
    return bayes_filter(returns, settings.drift, settings.volatility, settings.persistence)
