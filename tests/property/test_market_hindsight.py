"""The best in hindsight against every sequence of targets, replayed one by one."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outsample.market.accounting import MarketRules, simulate
from outsample.market.hindsight import best_in_hindsight

_SPEC = importlib.util.spec_from_file_location("every", Path(__file__).parents[1] / "reference/hindsight.py")
reference = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(reference)

RULES = st.builds(
    MarketRules,
    fill=st.sampled_from(["next_open", "next_close"]),
    cost_rate=st.sampled_from([0.0, 6e-4, 0.02, 0.1]),
    borrow_per_bar=st.sampled_from([0.0, 1e-4, 0.05, 0.2]),
    short_selling=st.booleans(),
    grid=st.sampled_from([0.01, 0.3, 0.5]),
    band=st.just(0.0),
)
ACTIONS = st.sampled_from([(-1.0, 0.0, 1.0), (0.0, 1.0), (-1.0, 0.0), (-1.0, -0.5, 0.0, 0.5, 1.0)])


def _bars(seed, bars, volatility):
    draw = np.random.Generator(np.random.PCG64(seed))
    close = np.exp(np.cumsum(volatility * draw.standard_normal(bars)))
    return close * np.exp(0.5 * volatility * draw.standard_normal(bars)), close


def _check(open_, close, rules, actions):
    best = best_in_hindsight(open_, close, rules, actions)
    replayed = np.log(simulate(best.targets, open_, close, rules).equity[-1])
    assert best.log_return == pytest.approx(replayed, abs=1e-12)
    assert best.log_return == pytest.approx(reference.best_log_return(open_, close, rules, actions), abs=1e-12)


@settings(max_examples=300, deadline=None)
@given(RULES, ACTIONS, st.integers(0, 2**32), st.integers(1, 8), st.sampled_from([0.01, 0.1, 0.5, 1.0]))
def test_no_sequence_earns_more(rules, actions, seed, bars, volatility):
    _check(*_bars(seed, min(bars, 7) if len(actions) == 5 else bars, volatility), rules, actions)


@pytest.mark.parametrize("seed", range(12))
def test_no_sequence_of_twelve_bars_earns_more(seed):
    """Long enough for several old short positions to matter at once, in a market that ruins some of them."""
    rules = MarketRules("next_open", (6e-4, 0.1)[seed % 2], (0.0, 0.05, 0.2)[seed % 3], True, 0.01, 0.0)
    _check(*_bars(seed, 12, (0.3, 0.7, 1.0)[seed // 4]), rules, (-1.0, 0.0, 1.0))


@pytest.mark.parametrize("seed", range(10))
def test_with_a_band_the_return_is_that_of_a_real_sequence(seed):
    rules = MarketRules("next_open", 6e-4, 1e-3, short_selling=True, grid=0.01, band=0.05)
    open_, close = _bars(seed, 8, 0.3)
    best = best_in_hindsight(open_, close, rules)
    assert best.log_return == pytest.approx(np.log(simulate(best.targets, open_, close, rules).equity[-1]), abs=1e-12)
    assert best.log_return == pytest.approx(reference.best_log_return(open_, close, rules, (-1.0, 0.0, 1.0)), abs=1e-3)
