"""What the agent is compared with: simple rules, and random agents of the same exposure and turnover.

All of them are targets, one for the close of each vault bar, that run through the same market function as the agent's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from outsample.market.accounting import MarketRules, simulate
from outsample.market.hindsight import best_in_hindsight
from outsample.market.metrics import sharpe_ratio
from outsample.market.portfolio import portfolio_equity

Array = NDArray[np.float64]

# In display order; the agent itself comes first.
SERIES = ("agent", "buy_and_hold", "scaled_buy_and_hold", "sma_cross", "flat")

# No series but a bound, in the table of metrics only: nobody could have earned it.
HINDSIGHT = "best_in_hindsight"

_ELEMENTS_AT_ONCE = 1_000_000  # bars times random agents in memory at a time


@dataclass(frozen=True)
class VaultBars:
    """One symbol's bars of the vault, T of them, and the closes before it."""

    dates: NDArray[np.datetime64]  # [T]
    open: Array  # [T], adjusted
    close: Array  # [T], adjusted
    factor: Array  # [T]; raw price = adjusted price / factor
    closes_before: Array  # [W], adjusted closes of the warm-up bars


def scaled_buy_and_hold(position: Array) -> Array:
    """Buy and hold at the agent's mean exposure: one static target, traded once.

    The target is the mean of |position| with the sign of the mean position, so that an agent that is long half of
    the time is compared with one that is half invested all the time.

    Args:
        position: [T] the agent's position, signed fraction of equity.
    >>> scaled_buy_and_hold(np.array([0.0, 1.0, 1.0, -0.4])).tolist()
    [0.6, 0.6, 0.6, 0.6]
    """
    return np.full(len(position), float(np.sign(position.mean()) * np.abs(position).mean()))


def sma_cross(bars: VaultBars, fast: int, slow: int) -> Array:
    """Long where the fast simple moving average of the closes is above the slow one, else flat, [T].

    The warm-up bars are used; where fewer than `slow` closes are known the target is 0.

    Raises: ValueError unless 1 <= fast < slow.
    """
    if not 1 <= fast < slow:
        raise ValueError(f"fast {fast} must be at least 1 and below slow {slow}")
    closes = pd.Series(np.concatenate([bars.closes_before, bars.close]))
    above = closes.rolling(fast).mean() > closes.rolling(slow).mean()  # False where a mean is not known
    return above.to_numpy()[len(bars.closes_before) :].astype(np.float64)


def hindsight_returns(bars: Mapping[str, VaultBars], rules: MarketRules, actions: Sequence[float]) -> dict[str, float]:
    """Total return of the best sequence of targets of each symbol, and of the portfolio of these equal sleeves.

    Whole shares are left out of account: the bound is of divisible ones.

    Args:
        actions: the agent's targets, fractions of equity.
    Returns: symbol, or "portfolio", -> fraction of the equity at the start; NaN where no float can hold it.
    """
    divisible = replace(rules, whole_shares=False)
    best = {symbol: best_in_hindsight(b.open, b.close, divisible, actions).log_return for symbol, b in bars.items()}
    largest = np.log(np.finfo(np.float64).max)
    returns = {symbol: math.expm1(found) if found < largest else math.nan for symbol, found in best.items()}
    return {"portfolio": sum(returns.values()) / len(returns), **returns}


def random_targets(targets: Array, n_bars: int, draws: int, generator: np.random.Generator) -> Array:
    """Targets of random agents that hold what the agent held and change as often, but not when it did, [n_bars, draws].

    Each draw is a Markov chain over the agent's own target levels with the agent's own transition frequencies: the
    next target follows a random one of the bars that had the present level (after the last bar comes the first, so
    that the stationary distribution is exactly the agent's share of bars at each level, and the rate of each change
    is the agent's). A draw starts at a random bar.

    Args:
        targets: [T] the agent's targets, rounded to the grid, without those that the flat end forced.
        n_bars: length of the draws.
        draws: number of random agents.
        generator: source of randomness.
    """
    n = len(targets)
    levels, level_of = np.unique(targets, return_inverse=True)
    by_level = np.argsort(level_of, kind="stable")
    counts = np.bincount(level_of, minlength=len(levels))
    first = np.cumsum(counts) - counts
    drawn = np.empty((n_bars, draws), dtype=np.int64)
    drawn[0] = generator.integers(0, n, draws)
    for t in range(1, n_bars):
        level = level_of[drawn[t - 1]]
        bar = by_level[first[level] + (generator.random(draws) * counts[level]).astype(np.int64)]
        drawn[t] = (bar + 1) % n
    return np.asarray(targets[drawn])


def random_agents(
    targets: Mapping[str, Array],
    bars: Mapping[str, VaultBars],
    rules: MarketRules,
    equity: float,
    draws: int,
    seed: int,
    periods_per_year: float,
    risk_free_rate: float,
) -> pd.DataFrame:
    """Portfolios of random agents, drawn for each symbol by itself (see `random_targets`).

    Args:
        targets: symbol -> the agent's targets, without those that the flat end forced.
        bars: symbol -> its vault bars.
        rules: costs and limits.
        equity: starting equity of each sleeve, currency.
        draws: number of random agents.
        seed: seed of the draws.
        periods_per_year: bars a year.
        risk_free_rate: per year.
    Returns: table "random_agents".
    """
    longest = max(len(b.dates) for b in bars.values())
    width = max(1, _ELEMENTS_AT_ONCE // longest)
    parts = []
    for start in range(0, draws, width):
        size = min(width, draws - start)
        sleeves = {}
        for index, symbol in enumerate(bars):
            generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, start, index])))
            of_symbol = bars[symbol]
            drawn = random_targets(targets[symbol], len(of_symbol.dates), size, generator)
            ledger = simulate(drawn, of_symbol.open, of_symbol.close, rules, equity, of_symbol.factor)
            sleeves[symbol] = (of_symbol.dates, ledger)
        portfolio = portfolio_equity(sleeves)
        parts.append(
            pd.DataFrame(
                {
                    "draw": np.arange(start, start + size, dtype=np.int32),
                    "total_return": portfolio.equity[-1] / portfolio.equity[0] - 1.0,
                    "sharpe": sharpe_ratio(portfolio.net_return, periods_per_year, risk_free_rate),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def percentile(value: float, draws: Array) -> float:
    """Share of the draws below the value, in %; draws equal to it count half.

    NaN where the value is undefined, or the draws do not differ (an agent that holds one position has only copies).

    >>> percentile(2.0, np.array([1.0, 2.0, 3.0, 4.0]))
    37.5
    """
    known = draws[np.isfinite(draws)]
    if not np.isfinite(value) or len(known) == 0 or np.ptp(known) <= 1e-12:
        return float("nan")
    return float(100.0 * ((known < value).mean() + 0.5 * (known == value).mean()))
