"""The level of the verdict alone, as `evaluate` finds it, without the tables beside it: for a control of many runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from outsample.config.models import Evaluation
from outsample.evaluation.evaluate import vault_bars
from outsample.evaluation.verdict import SkillTests, decide_level, run_tests
from outsample.market.accounting import MarketRules, fill_prices, simulate
from outsample.market.metrics import combine_activities, describe_activity, sharpe_ratio
from outsample.market.panel import Panel
from outsample.market.portfolio import portfolio_equity
from outsample.market.trades import round_trips
from outsample.selection.paths import trial_returns

Array = NDArray[np.float64]


class Judged(NamedTuple):
    """What the vault gave."""

    level: str
    tests: SkillTests
    kind: str  # what the agent did: "trades", "holds one position" or "never trades"
    dates: NDArray[np.datetime64]  # [T]
    net_return: Array  # [T] of the agent's portfolio
    buy_and_hold: Array  # [T] of the same sleeves
    total_return: float  # fraction
    sharpe: float  # per year; NaN where undefined


def judge(
    targets: Mapping[str, Array],
    panel: Panel,
    in_vault: NDArray[np.bool_],
    rules: MarketRules,
    periods_per_year: float,
    settings: Evaluation,
    portfolios: pd.DataFrame,
    look: int,
    risk_free_rate: float = 0.0,
    starting_equity: float = 1.0,
    further_trials: int = 0,
) -> Judged:
    """The verdict's level on the vault; args and errors as in `evaluate`, whose level and p-values it has."""
    with threadpool_limits(1, user_api="blas"):
        bars = vault_bars(panel, in_vault, targets)
        sleeves, activities = {}, []
        for symbol, own in bars.items():
            both = np.stack([np.asarray(targets[symbol], np.float64), np.ones(len(own.dates))], axis=1)
            ledger = simulate(both, own.open, own.close, rules, starting_equity / len(bars), own.factor)
            sleeves[symbol], agent = (own.dates, ledger), ledger.lane(0)
            trips = round_trips(agent, own.dates, fill_prices(own.open, own.close, rules) / own.factor, symbol)
            activities.append(describe_activity(agent.position, agent.target, trips))
        portfolio = portfolio_equity(sleeves)
        net, held = portfolio.net_return[:, 0], portfolio.net_return[:, 1]
        total = float(np.prod(1.0 + net) - 1.0)
        kind = combine_activities(activities)["kind"]
        trials, market = trial_returns(portfolios)
        tests = run_tests(trials, market, net, held, settings.resamples, settings.seed, further_trials)
        sharpe = float(sharpe_ratio(net, periods_per_year, risk_free_rate))
        level = decide_level(tests, kind, total, look)
        return Judged(level, tests, kind, portfolio.dates, net, held, total, sharpe)
