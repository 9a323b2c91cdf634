"""Markets of known truth on which an agent is trained by the shipped procedure, and what it earns on fresh bars.

The procedure is that of a lane: the mean of the four inner-fold models decides the fresh bars, the gate judges the
validated ones. For the learning tests and for `benchmarks/learning.py`.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np
import pandas as pd
from tests.reference import agents_case

from outsample.agents.lanes import train_lanes
from outsample.agents.registry import get_agent
from outsample.agents.rollout import RUIN_RETURN
from outsample.agents.studio import Lane
from outsample.config.models import Gate
from outsample.data.oracle import bayes_filter, hysteresis_targets
from outsample.market.accounting import MarketRules, simulate
from outsample.market.hindsight import best_in_hindsight

RULES = MarketRules("next_open", cost_rate=6e-4, borrow_per_bar=0.0, short_selling=True, grid=0.01, band=0.0)
TRAIN = 2000
FRESH = 100_000  # bars after the training, the same of most markets: what trains an agent is compiled once for all
PERIODS = 252
# The market E1 of the pooling study: drift +-0.165 % a bar around 4 % a year, volatility 1 %, persistence 0.98, noise
# correlated at 0.3, states independent. The drift is the one that gives the Bayes filter its Sharpe ratio of 0.95.
E1_DRIFT, E1_MARKET, E1_PERSISTENCE, E1_CORRELATION, E1_SYMBOLS = 0.00165, 0.04 / PERIODS, 0.98, 0.3, 4
E1_LOOK_BACK = 40
SINE_PERIOD, SINE_AMPLITUDE = 20, 0.002


class Outcome(NamedTuple):
    """What the mean of the fold models decides on the fresh bars, before the gate, and the gate."""

    targets: np.ndarray  # [T, symbols]
    gate_open: bool


def train(agent, seed, log_returns, features=None, first=agents_case.LAGS, **changes) -> Outcome:
    """Train on TRAIN rows, from row `first`, of log returns [T, M], and decide all rows after; features [M][T, F]."""
    symbols = [f"S{m}" for m in range(log_returns.shape[1])]
    panel = agents_case.panel(dict(zip(symbols, log_returns.T, strict=True)))
    if features is not None:
        joined = np.concatenate(features)
        names = tuple(f"f{i:02}" for i in range(joined.shape[1]))
        panel = dataclasses.replace(panel, features=joined, feature_names=names)
    folds = agents_case.folds(panel, {0: (first + TRAIN, len(log_returns))}, first=first)
    params = get_agent(agent).SETTINGS().model_dump() | changes
    scalers = agents_case.scalers(panel, folds)
    result = train_lanes(agent, [Lane(0, 0, seed, params)], panel, folds, scalers, RULES, Gate())
    targets = result.targets.pivot(index="row", columns="symbol", values="target")[symbols].to_numpy()
    return Outcome(targets, bool(result.lanes["gate_open"].iloc[0]))


def replay(targets, log_returns):
    """The ledger of targets on bars whose open is the close before, as in `agents_case.panel`."""
    close = 100 * np.exp(np.cumsum(log_returns, axis=0))
    return simulate(targets, np.concatenate([close[:1], close[:-1]]), close, RULES)


def log_return(targets, log_returns):
    """Net log return a bar; ruin (a short held for thousands of bars may end in it) counts as in training."""
    ledger = replay(targets, log_returns)
    solvent = np.where(ledger.ruined, np.inf, ledger.equity)
    last = np.take_along_axis(solvent, np.isfinite(solvent).sum(0, keepdims=True) - 1, axis=0)[0]
    return (np.log(last) + RUIN_RETURN * ledger.ruined[-1]) / len(log_returns)


def two_state(agent, seed, fresh, drift=0.004, **changes) -> Outcome:
    """Trained on the two-state market drawn from the seed; `fresh` are the log returns [T] that it decides."""
    known = agents_case.planted(agents_case.LAGS + TRAIN, seed, drift=drift)
    return train(agent, seed, np.concatenate([known, fresh])[:, None], **changes)


def non_linear_market(bars, seed, drift=0.004, volatility=0.01):
    """Log returns [bars] whose drift has the sign of the product of the last two, and that sign for the next bar.

    No linear rule sees it: the sign is uncorrelated with either return.
    """
    noise = volatility * np.random.Generator(np.random.PCG64([seed, 11])).standard_normal(bars)
    log_returns, sign = np.zeros(bars), np.zeros(bars)
    for t in range(bars):
        log_returns[t] = noise[t] + drift * (sign[t - 1] if t else 0.0)
        sign[t] = np.sign(log_returns[t] * log_returns[t - 1]) if t else 0.0
    return log_returns, sign


def non_linear_share(agent, seed, fresh, sign, scored=None, **changes):
    """Share of following the known sign, on the first so many fresh bars or all, and whether the gate is open."""
    before, _ = non_linear_market(agents_case.LAGS + TRAIN, seed)
    outcome = train(agent, seed, np.concatenate([before, fresh])[:, None], **changes)
    earned, known = (log_return(targets[:scored], fresh[:scored]) for targets in (outcome.targets[:, 0], sign))
    return float(earned / known), outcome.gate_open


def filter_log_return(fresh):
    """Net log return a bar of the Bayes filter with the best hysteresis on the very bars."""
    belief = bayes_filter(fresh, drift=0.004, volatility=0.01, persistence=0.95)
    return log_return(hysteresis_targets(belief, np.arange(0, 0.4, 0.05)), fresh).max()


def sine_share(agent, seed, **changes) -> float:
    """Share of the best in hindsight, in log returns, on 2,000 bars of a noise-free sine after the training."""
    bars = np.arange(agents_case.LAGS + TRAIN + FRESH)
    log_price = np.log1p(SINE_AMPLITUDE * np.sin(2 * np.pi * bars / SINE_PERIOD))
    moves = np.diff(log_price, prepend=log_price[0])
    fresh = moves[agents_case.LAGS + TRAIN :][:TRAIN]
    targets = train(agent, seed, moves[:, None], **changes).targets[:TRAIN, 0]
    close = 100 * np.exp(np.cumsum(fresh))
    best = best_in_hindsight(np.r_[close[0], close[:-1]], close, RULES).log_return
    return log_return(targets, fresh) * len(fresh) / best


def e1_market(bars, seed):
    """Log returns [bars, symbols] of the market E1."""
    draw = np.random.Generator(np.random.PCG64([seed, 7]))
    flips = draw.random((bars, E1_SYMBOLS)) > E1_PERSISTENCE
    state = 1 - 2 * ((np.cumsum(flips, axis=0) + draw.integers(2, size=E1_SYMBOLS)) % 2)
    common, own = draw.standard_normal((bars, 1)), draw.standard_normal((bars, E1_SYMBOLS))
    noise = np.sqrt(E1_CORRELATION) * common + np.sqrt(1 - E1_CORRELATION) * own
    return E1_MARKET + E1_DRIFT * state + 0.01 * noise


def e1_features(log_returns):
    """Nine features [T, 9] of one symbol: four lags, means over 5 to 40 bars, the volatility of 20."""
    series = pd.Series(log_returns)
    means = [series.rolling(bars).mean() for bars in (5, 10, 20, 40)]
    columns = [*(series.shift(lag) for lag in range(4)), *means, series.rolling(20).std()]
    return np.nan_to_num(np.stack(columns, axis=1))


def pooled_sharpe(agent, seed, fresh_bars=20_000, **changes) -> float:
    """Mean Sharpe ratio a year of the four symbols of E1 on fresh bars; one policy learnt from them together."""
    known, fresh = e1_market(E1_LOOK_BACK + TRAIN, seed), e1_market(fresh_bars, 10_000 + seed)
    moves = np.concatenate([known, fresh])
    features = [e1_features(of_symbol) for of_symbol in moves.T]
    outcome = train(agent, seed, moves, features, first=E1_LOOK_BACK, **changes)
    return float(sharpe_ratios(outcome.targets, fresh).mean())


def memory_share(agent, seed, fresh_bars=4_000, **changes) -> float:
    """Share of what following the known sign earns on fresh bars, where only the return at hand is a feature.

    The drift of a bar is 0.4 % in the direction of the return three bars before it, so two bars must be remembered. One
    network is trained, without alternatives.
    """
    draw = np.random.Generator(np.random.PCG64([seed, 8]))
    moves = 0.01 * draw.standard_normal(3 + TRAIN + fresh_bars)
    for t in range(3, len(moves)):
        moves[t] += 0.004 * np.sign(moves[t - 3])
    changes = {"alternatives": []} | changes
    outcome = train(agent, seed, moves[:, None], [moves[:, None]], first=3, **changes)
    known, fresh = np.sign(moves[-fresh_bars - 2 : -2]), moves[-fresh_bars:]
    return float(log_return(outcome.targets[:, 0], fresh) / log_return(known, fresh))


def sharpe_ratios(targets, log_returns):
    """Sharpe ratio a year of every lane; targets [T, ...], log returns of their leading axes."""
    returns = replay(targets, log_returns).net_return
    return returns.mean(0) / returns.std(0) * np.sqrt(PERIODS)
