"""Every metric on a handful of bars, worked out by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from outsample.market.accounting import MarketRules, simulate
from outsample.market.metrics import (
    METRICS,
    combine_activities,
    compute_metrics,
    describe_activity,
    max_drawdown,
    sharpe_ratio,
    sortino_ratio,
)
from outsample.market.trades import round_trips

NO_TRADES = pd.DataFrame({"profit": [], "bars": []})
UNDEFINED_WHEN_FLAT = {"sharpe", "sortino", "calmar", "win_rate", "profit_factor", "holds"}


def metrics(returns, trades=NO_TRADES, **changes):
    zero = np.zeros(len(returns))
    arguments = {"position": zero, "traded_fraction": zero, "cost_paid": 0.0, "periods_per_year": 4.0} | changes
    return compute_metrics(returns, trades_frame=trades, **arguments)


def test_the_metrics_of_four_bars():
    # Equity 1.1, 0.99, 1.188, 1.188: mean 0.05; deviations .05, -.15, .15, -.05: variance .05 / 3.
    trades = pd.DataFrame({"profit": [3.0, -1.0, 0.0, 1.0], "bars": [1, 2, 3, 6]})
    found = metrics(
        [0.1, -0.1, 0.2, 0.0], trades, position=[0.5, -1.0, 0.5, 0.0], traded_fraction=[0, 0.5, 1.5, 1.0], cost_paid=7.5
    )
    deviation = math.sqrt(0.05 / 3)
    expected = {
        "total_return": 0.188,
        "cagr": 0.188,  # four bars are one year
        "volatility": 2 * deviation,
        "sharpe": 0.05 / deviation * 2,
        "sortino": 0.05 / math.sqrt(0.01 / 4) * 2,
        "calmar": 0.188 / 0.1,
        "max_drawdown": 0.1,
        "value_at_risk": 0.1,
        "conditional_value_at_risk": 0.1,
        "win_rate": 0.5,
        "profit_factor": 4.0,
        "exposure": 0.5,
        "net_exposure": 0.0,
        "turnover": 3.0,
        "trades": 4.0,
        "cost_paid": 7.5,
        "holds": 3.0,
    }
    assert list(found) == list(METRICS) == list(expected)
    assert found == pytest.approx(expected)


def test_a_flat_agent_has_no_ratios():
    found = metrics([0.0] * 10)
    assert {name for name, value in found.items() if math.isnan(value)} == UNDEFINED_WHEN_FLAT
    defined = [found[name] for name in METRICS if name not in UNDEFINED_WHEN_FLAT]
    assert defined == [0.0] * len(defined)
    assert not np.signbit(defined).any()


def test_constant_returns_have_no_sharpe_ratio():
    equity = 1.001 ** np.arange(200)
    noisy = equity[1:] / equity[:-1] - 1
    assert noisy.std() > 0
    found = metrics(noisy)
    assert math.isnan(found["sharpe"])
    assert math.isnan(found["sortino"])
    assert math.isnan(found["calmar"])


def test_the_risk_free_rate_is_subtracted_per_bar():
    # 8 % a year is 2 % a bar of four: mean excess 0.03; below it only -0.1, by 0.12, and 0, by 0.02.
    returns = [0.1, -0.1, 0.2, 0.0]
    assert sharpe_ratio(returns, 4, 0.08) == pytest.approx(0.03 / math.sqrt(0.05 / 3) * 2)
    assert sortino_ratio(returns, 4, 0.08) == pytest.approx(0.03 / math.sqrt((0.12**2 + 0.02**2) / 4) * 2)
    assert metrics(returns, risk_free_rate=0.08)["sharpe"] == sharpe_ratio(returns, 4, 0.08)


def test_cagr_counts_bars_and_ends_at_minus_one_in_ruin():
    assert metrics([0.21, 0.0], periods_per_year=1.0)["cagr"] == pytest.approx(0.1)
    assert metrics([0.1, -2.0, 0.0])["cagr"] == -1.0
    assert math.isnan(metrics([1e6, 0.0], periods_per_year=1000.0)["cagr"])


def test_drawdown_counts_from_the_start_and_may_exceed_one():
    assert max_drawdown([-0.2, 0.1]) == pytest.approx(0.2)
    assert max_drawdown([1.0, -1.5, 0.0]) == pytest.approx(1.5)
    assert max_drawdown([0.1, 0.1]) == 0
    assert max_drawdown([]) == 0


def test_value_at_risk_is_a_return_that_occurred():
    returns = np.arange(-70, 70) / 1000  # 140 bars: the quantile is the 7th smallest
    found = metrics(returns)
    assert found["value_at_risk"] == pytest.approx(0.064)
    assert found["conditional_value_at_risk"] == pytest.approx(0.067)


def test_ties_at_the_quantile_all_count():
    found = metrics([-0.1, -0.2, -0.1, -0.1] + [0.0] * 26)  # 30 bars: the 2nd smallest is -0.1
    assert found["value_at_risk"] == pytest.approx(0.1)
    assert found["conditional_value_at_risk"] == pytest.approx(0.5 / 4)


def test_the_profit_factor_needs_a_losing_trade():
    found = metrics([0.1, 0.0], pd.DataFrame({"profit": [1.0, 2.0], "bars": [1, 1]}))
    assert math.isnan(found["profit_factor"])
    assert found["win_rate"] == 1


def test_a_portfolio_is_exposed_by_the_sum_of_its_sleeves():
    found = metrics([0.0, 0.0], position=[0.0, 0.5], gross_position=[1.0, 0.5])
    assert (found["exposure"], found["net_exposure"]) == (0.75, 0.25)


def test_one_bar_has_no_deviation():
    found = metrics([0.1])
    assert math.isnan(found["volatility"])
    assert math.isnan(found["sharpe"])


def test_ratios_work_on_many_series_at_once():
    returns = np.random.default_rng(1).normal(0.001, 0.01, (50, 3, 2))
    returns[:, 0, 0] = 0.0
    for function in (lambda r: sharpe_ratio(r, 252, 0.02), lambda r: sortino_ratio(r, 252), max_drawdown):
        together = function(returns)
        assert together.shape == (3, 2)
        assert_allclose(together[2, 1], function(returns[:, 2, 1]))
    assert np.isnan(sharpe_ratio(returns, 252)).sum() == 1
    assert np.isnan(sharpe_ratio(returns[:1], 252)).all()
    assert np.isnan(sortino_ratio(returns[:0], 252)).all()


def test_no_bars_are_refused():
    with pytest.raises(ValueError, match="at least one bar"):
        metrics([])


def test_every_metric_is_described():
    for name, metric in METRICS.items():
        assert metric.name == name
        assert metric.label
        assert metric.formula
        assert metric.unit
    assert {name for name, metric in METRICS.items() if metric.better == "lower"} == {
        "max_drawdown",
        "value_at_risk",
        "conditional_value_at_risk",
        "cost_paid",
    }


def activity(targets, price=None):
    price = np.full(len(targets), 10.0) if price is None else np.asarray(price, dtype=float)
    rules = MarketRules("next_open", 0.0, 0.0, short_selling=True, grid=0.01, band=0.0)
    ledger = simulate(targets, price, price, rules)
    days = np.datetime64("2020-01-01", "us") + np.arange(len(price)) * np.timedelta64(1, "D")
    return describe_activity(ledger.position, ledger.target, round_trips(ledger, days, price, "A"))


def test_activity_names_who_never_trades_and_who_holds():
    assert activity([0.0] * 50) == {"kind": "never trades", "trades": 0, "exposure": 0.0, "net_exposure": 0.0}
    assert activity([-1.0] * 50)["kind"] == "holds one position"
    assert activity([-1.0] * 50)["net_exposure"] == pytest.approx(-48 / 50)
    assert activity([1.0, -1.0] * 25)["kind"] == "trades"
    assert activity([0.5] * 25 + [1.0] * 25)["kind"] == "trades"
    assert activity([0.0] * 2 + [1.0] * 48)["kind"] == "holds one position"  # 46 of 48 bars
    assert activity([0.0] * 3 + [1.0] * 47)["kind"] == "trades"  # 45 of 48
    assert activity([-1.0] * 50, [10] * 5 + [30] * 45)["kind"] == "trades"  # ruined in bar 5
    assert activity([])["kind"] == "never trades"


def test_a_portfolio_trades_if_a_sleeve_does():
    never, holds, trades = activity([0.0] * 50), activity([1.0] * 50), activity([1.0, -1.0] * 25)
    assert combine_activities([never, never])["kind"] == "never trades"
    joined = combine_activities([never, holds])
    assert (joined["kind"], joined["trades"]) == ("holds one position", 1)
    assert joined["exposure"] == pytest.approx(24 / 50)
    assert combine_activities([holds, trades])["kind"] == "trades"
