"""Surrogate markets with a planted edge of a known size: what the procedure should find.

The edge is a drift, in standard deviations of each symbol's own log returns, on top of the random walk with the
market's own swings (`random_signs`): +-d by a hidden state of each symbol that stays with probability 0.98, or d times
a sine of 40 bars. d is set so that who knows the edge has the wanted Sharpe ratio after costs: the Bayes filter with
hysteresis (`outsample.data.oracle`) on Gaussian noise of the same size, and the sign of the sine.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from outsample.control.surrogates import Moves, generator_of, turned_over
from outsample.data.oracle import bayes_filter, hysteresis_targets
from outsample.market.accounting import MarketRules, simulate
from outsample.market.metrics import sharpe_ratio

PERSISTENCE = 0.98
PERIOD = 40  # bars of the sine
_SERIES, _BARS = 16, 1000  # on which the size of the edge is found
_THRESHOLDS = tuple(np.arange(0.0, 0.5, 0.05).round(2).tolist())
_HALVINGS = 7

Floats = NDArray[np.float64]


def plant(
    bars: pd.DataFrame, edge: str, sharpe: float, number: int, seed: int, rules: MarketRules, periods: float
) -> pd.DataFrame:
    """One surrogate market with a planted edge; a pure function of its arguments.

    Args:
        bars: table `validated_bars`.
        edge: two_state or sine.
        sharpe: that of who knows the edges of all symbols, over all sleeves together, per year, after costs.
        number, seed: as in `outsample.control.surrogates.surrogate`.
        rules: costs and limits.
        periods: bars per year.
    Returns: table `validated_bars` with the same symbols and dates.
    """
    moves, generator = Moves.of(bars), generator_of(seed, number, purpose=1)
    dates, scale = len(moves.log), moves.scale
    each = sharpe_of_symbol(sharpe, scale)
    noise = turned_over(moves, generator)
    drift = np.empty((dates, len(scale)))
    for symbol, size in enumerate(scale):
        shape = states(dates, generator) if edge == "two_state" else sine(dates, generator)
        drift[:, symbol] = size * edge_size(edge, each, round(float(size), 4), rules, periods) * shape
    noise[:, :, 1:] += drift[:, :, None]  # after the open, where a decision is filled
    noise[:, :, 1] = np.maximum(noise[:, :, 1], noise[:, :, 0])
    noise[:, :, 2] = np.minimum(noise[:, :, 2], noise[:, :, 0])
    return moves.market(noise, moves.volume)


def sharpe_of_symbol(sharpe: float, scale: Floats) -> float:
    """Sharpe ratio of each symbol, of which equal sleeves have the wanted one together.

    With independent edges the returns of who knows them are uncorrelated, so S = S_1 sum(scale) / sqrt(sum(scale^2)).

    >>> sharpe_of_symbol(2.0, np.array([0.01, 0.01, 0.01, 0.01]))
    1.0
    """
    return float(sharpe * np.sqrt((scale**2).sum()) / scale.sum())


def states(bars: int, generator: np.random.Generator, series: int = 1) -> Floats:
    """Hidden states, +1 or -1, [bars] or [bars, series]."""
    flips = generator.random((bars, series)) >= PERSISTENCE
    flips[0] = generator.random(series) < 0.5
    drawn = 1.0 - 2.0 * (np.cumsum(flips, axis=0) % 2)
    return np.asarray(drawn[:, 0] if series == 1 else drawn, np.float64)


def sine(bars: int, generator: np.random.Generator) -> Floats:
    """A sine of `PERIOD` bars from a random phase, [bars]."""
    return np.asarray(np.sin(2 * np.pi * (np.arange(bars) / PERIOD + generator.random())))


@lru_cache(maxsize=256)
def edge_size(edge: str, sharpe: float, scale: float, rules: MarketRules, periods: float) -> float:
    """The drift d, in standard deviations of a bar, with which who knows the edge has this Sharpe ratio after costs.

    Args:
        scale: standard deviation of a bar's log return.
        Others as in `plant`, of one symbol.
    """
    if edge == "sine":  # mean of |sin| is 2 / pi; a position turns over by 2 twice a period
        return (sharpe / math.sqrt(periods) + 4 / PERIOD * rules.cost_rate / scale) * math.pi / 2
    low, high = 0.0, 0.05
    while oracle_sharpe(high, scale, rules, periods) < sharpe and high < 10:
        low, high = high, 2 * high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if oracle_sharpe(middle, scale, rules, periods) >= sharpe else (middle, high)
    return high


def oracle_sharpe(drift: float, scale: float, rules: MarketRules, periods: float) -> float:
    """Annual Sharpe ratio of the Bayes filter with its best hysteresis on two states of Gaussian noise, after costs.

    Args: drift: in standard deviations of a bar. Others as in `edge_size`.
    """
    generator = generator_of(0, 0, purpose=2)  # the same series for every drift, so that the ratio grows with it
    returns = drift * states(_BARS, generator, _SERIES) + generator.standard_normal((_BARS, _SERIES))
    close = np.exp(np.cumsum(scale * returns, axis=0))
    opened = np.concatenate([np.ones((1, _SERIES)), close[:-1]])
    targets = hysteresis_targets(bayes_filter(returns, max(drift, 1e-9), 1.0, PERSISTENCE), _THRESHOLDS)
    if not rules.short_selling:
        targets = np.maximum(targets, 0.0)
    shape = targets.shape
    opened, close = (np.broadcast_to(x[:, :, None], shape).reshape(_BARS, -1) for x in (opened, close))
    ledger = simulate(targets.reshape(_BARS, -1), opened, close, rules)
    joined = ledger.net_return.reshape(shape).swapaxes(0, 1).reshape(-1, shape[-1])
    found = sharpe_ratio(joined, periods)
    return float(np.nanmax(found)) if np.isfinite(found).any() else 0.0
