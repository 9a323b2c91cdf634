"""PPO through the whole procedure (mean of the fold models, gate) on markets of known truth.

Where there is an edge it must earn most of what the Bayes filter of the hidden state with the best hysteresis earns
on fresh bars, net of costs; where there is none the gate must stay shut.
"""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from outsample.agents.lanes import Lane, train_lanes
from outsample.config.models import Gate, Ppo
from outsample.data.oracle import bayes_filter, hysteresis_targets
from outsample.market.accounting import MarketRules, simulate

_SPEC = importlib.util.spec_from_file_location("agents_case", Path(__file__).parents[1] / "reference/agents_case.py")
case = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(case)

RULES = MarketRules("next_open", cost_rate=6e-4, borrow_per_bar=0.0, short_selling=True, grid=0.01, band=0.0)
TRAIN, FRESH = 2010, 20_000
pytestmark = pytest.mark.slow


def _learn(market_seed, drift, fresh):
    panel = case.panel({"S": np.concatenate([case.planted(TRAIN, market_seed, drift=drift), fresh])})
    folds = case.folds(panel, {0: (TRAIN, TRAIN + len(fresh))})
    lane = Lane(trial=0, fold=0, seed=market_seed, params=Ppo().model_dump())
    result = train_lanes("ppo", [lane], panel, folds, case.scalers(panel, folds), RULES, Gate())
    targets = result.targets["target"].to_numpy() * bool(result.lanes["gate_open"].iloc[0])
    return targets, bool(result.lanes["gate_open"].iloc[0])


def _log_return_per_bar(targets, log_returns):
    close = 100 * np.exp(np.cumsum(log_returns))
    ledger = simulate(targets, np.r_[close[0], close[:-1]], close, RULES)
    return np.log(ledger.equity[-1]) / len(log_returns)


def test_a_planted_edge_is_found_on_fresh_bars():
    fresh = case.planted(FRESH, 999)
    belief = bayes_filter(fresh, drift=0.004, volatility=0.01, persistence=0.95)
    best = _log_return_per_bar(hysteresis_targets(belief, np.arange(0, 0.4, 0.05)), fresh).max()
    assert 0.0015 < best < 0.0023
    learned = [_learn(seed, 0.004, fresh) for seed in (0, 1, 2)]
    assert all(gate_open for _, gate_open in learned)
    scores = _log_return_per_bar(np.stack([targets for targets, _ in learned], axis=-1), fresh) / best
    assert scores.mean() >= 0.85, scores
    assert scores.min() >= 0.7, scores


def test_a_random_walk_keeps_the_gate_shut():
    fresh = case.planted(100, 999, drift=0.0)
    opened = [_learn(seed, 0.0, fresh)[1] for seed in range(8)]
    assert sum(opened) <= 2, opened
