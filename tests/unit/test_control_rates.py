"""Rates and their intervals, the runs of a control, the shifted targets, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import betaincinv

from outsample.config.control import NullControl
from outsample.config.layers import load
from outsample.config.models import Settings
from outsample.control.control import Run, runs_of, settings_of
from outsample.control.rates import rate, summarise_control
from outsample.control.shifts import shift_targets
from outsample.errors import ConfigError
from outsample.io import empty_table
from outsample.market.accounting import MarketRules
from outsample.market.panel import Panel
from outsample.selection.matrix import account

RULES = MarketRules("next_open", 0.0, 0.0, short_selling=True, grid=0.01, band=0.0)


@pytest.mark.parametrize(("count", "total"), [(0, 20), (3, 20), (20, 20)])
def test_interval_is_that_of_clopper_and_pearson(count, total):
    """Quantiles of the beta distribution, with 0 and 1 at the ends; of 0 in n the upper end is 1 - 0.025^(1/n)."""
    found = rate(count, total)
    lower = betaincinv(count, total - count + 1, 0.025) if count else 0.0
    upper = betaincinv(count + 1, total - count, 0.975) if count < total else 1.0
    assert (found["lower"], found["upper"]) == pytest.approx((lower, upper))
    assert found["rate"] == count / total
    assert rate(0, 20)["upper"] == pytest.approx(1 - 0.025 ** (1 / 20))


def test_kinds_take_turns_and_no_surrogates_are_no_control():
    runs = runs_of(NullControl(surrogates=5, kinds=["volatility", "gaussian"], positives=2))
    assert [run.kind for run in runs] == ["volatility", "gaussian"] * 2 + ["volatility"] + ["planted"] * 2
    assert runs[5:] == [Run("planted", 0), Run("planted", 1)]
    assert runs_of(NullControl(surrogates=0)) == []
    summary = summarise_control(empty_table("null_control"), empty_table("shifted_targets"), NullControl(surrogates=0))
    assert summary["surrogates"] == 0
    assert summary["by_kind"] == {}
    assert np.isnan(summary["null"]["none"]["rate"])


def test_a_surrogate_is_one_trial_of_direct_or_the_experiments_own():
    settings = Settings()
    used = settings_of(settings)
    assert (used.search.agents, used.search.rounds, used.search.trials_per_round, used.search.seeds) == (
        *(["direct"], 1, 1, 1),
    )
    assert used.final.seeds == 1
    assert used.agents.direct == settings.agents.direct.model_copy(update=settings.null_control.changes)
    assert (used.folds, used.gate, used.features) == (settings.folds, settings.gate, settings.features)
    own = settings.model_copy(update={"null_control": NullControl(search=True)})
    assert settings_of(own) == own


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"surrogates": -1}, "null_control.surrogates"),
        ({"kinds": []}, "null_control.kinds"),
        ({"kinds": ["blocks", "blocks"]}, "null_control.kinds names a kind twice"),
        ({"kinds": ["walk"]}, "null_control.kinds"),
        ({"changes": {"updats": 3}}, "updats is no setting of direct; did you mean null_control.changes.updates?"),
        ({"changes": {"updates": 0}}, "null_control.changes.updates is not taken"),
        ({"oracle_sharpe": 0}, "null_control.oracle_sharpe"),
    ],
)
def test_wrong_settings_are_refused_in_a_sentence(repository, given, words):
    with pytest.raises(ConfigError) as caught:
        load("quickstart", {"null_control": given}, repository)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def market_of_two_states(bars=400):
    """A market that rises and falls in turns of 10 bars, and the targets that know it."""
    draw = np.random.Generator(np.random.PCG64(5))
    state = np.repeat(np.where(draw.random(bars // 10) < 0.5, 1.0, -1.0), 10)
    close = 100 * np.exp(np.cumsum(0.01 * state + 0.005 * draw.standard_normal(bars)))
    frame = pd.DataFrame(
        {
            "symbol": "A",
            "date": pd.bdate_range("2020-01-01", periods=bars).astype("datetime64[us]"),
            "open": np.r_[close[0], close[:-1]],
            "close": close,
            "factor": 1.0,
        }
    )
    return Panel.from_frame(frame, []), np.r_[state[1:], 0.0]


def test_shifted_targets_have_lost_what_they_knew():
    panel, knowing = market_of_two_states()
    parts = [
        pd.DataFrame({"trial": 0, "fold": fold, "seed": 0, "symbol": "A", "row": rows, "target": knowing[rows]})
        for fold, rows in enumerate((np.arange(100, 250), np.arange(250, 400)))
    ]
    accounts = account(pd.concat(parts, ignore_index=True), panel, RULES, "direct", 252.0)
    found = shift_targets(accounts.matrix, accounts.portfolios, panel, RULES, 40, 0, 200)
    assert len(found) == 40
    assert (found["p_trials_raw"] < 0.05).mean() <= 0.2
    assert found["p_trials_raw"].nunique() > 5
    again = shift_targets(accounts.matrix, accounts.portfolios, panel, RULES, 40, 0, 200)
    pd.testing.assert_frame_equal(found, again)
    assert shift_targets(accounts.matrix, accounts.portfolios, panel, RULES, 0, 0, 200).empty


def test_a_shift_by_nothing_is_the_trial_itself():
    """The replay of unshifted targets gives the returns of the trial matrix."""
    from outsample.control import shifts

    panel, knowing = market_of_two_states()
    rows = np.arange(100, 250)
    targets = pd.DataFrame({"trial": 0, "fold": 0, "seed": 0, "symbol": "A", "row": rows, "target": knowing[rows]})
    accounts = account(targets, panel, RULES, "direct", 252.0)
    spans = shifts._spans(accounts.matrix, panel)
    still = shifts._fold_returns(spans, np.array([0.0]), panel, RULES)
    np.testing.assert_allclose(still[:, 0], accounts.portfolios["net_return"], atol=1e-12)
