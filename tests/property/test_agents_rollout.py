"""A rollout's rewards are those of the float64 market for the same decisions, and its draws follow the policy."""

import importlib.util
import itertools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from outsample.agents.rollout import RUIN_RETURN, SegmentBars, pair_returns, roll_out, rollout_draws, segment_bars
from outsample.agents.training import Job, MarketArrays, Program, RuleNumbers
from outsample.market import accounting

_SPEC = importlib.util.spec_from_file_location("agents_case", Path(__file__).parents[1] / "reference/agents_case.py")
case = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(case)

STEPS = 40


def _program(fill="next_open", short_selling=True):
    actions = (-1, 0, 1) if short_selling else (0, 1)
    return Program("ppo", (("segment", STEPS),), actions, fill, short_selling)


def _market(seed, volatility=0.02):
    draw = np.random.Generator(np.random.PCG64(seed))
    close = 50 * np.exp(np.cumsum(volatility * draw.standard_normal(300)))
    open_ = close * np.exp(0.5 * volatility * draw.standard_normal(300))
    features = draw.standard_normal((300, 2))
    return features, open_, close


def _rolled(seed, program, rules, log_policy=None, passes=4):
    features, open_, close = _market(seed)
    market = MarketArrays(*(jnp.asarray(x, jnp.float32) for x in (features, open_, close)))
    start, length = np.array([3, 100, 250], np.int32), np.array([STEPS, STEPS, 17], np.int32)
    job = Job(jnp.uint32(seed), 0, 0, jnp.asarray(start), jnp.asarray(length), jnp.zeros(2), jnp.ones(2))
    bars = segment_bars(program, market, job, STEPS)
    count = len(program.actions)
    if log_policy is None:
        log_policy = jnp.full((STEPS, 3, count, count), -np.log(count))
    numbers = RuleNumbers(*map(jnp.float32, (rules.cost_rate, rules.borrow_per_bar, rules.grid, rules.band)))
    rollout = roll_out(program, numbers, bars, log_policy, rollout_draws(jax.random.key(seed), 3, passes, count))
    return jax.tree.map(np.asarray, rollout), start, length, open_, close


@pytest.mark.parametrize("fill", ["next_open", "next_close"])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("band", [0.0, 0.05])
def test_rewards_equal_the_float64_replay(fill, seed, band):
    rules = accounting.MarketRules(fill, 6e-4, 4e-5, short_selling=True, grid=0.01, band=band)
    rollout, start, length, open_, close = _rolled(seed, _program(fill), rules)
    for g in range(3):
        for lane in range(4):
            held = rollout.position[0, g, lane] - 1.0
            sleeve = accounting.start(np, 1.0)._replace(
                cash=1 - held, units=held / close[start[g]], target=held, borrowed=max(-held, 0.0)
            )
            equity = 1.0
            for t in range(length[g]):
                row = start[g] + t + 1
                fill_price = accounting.fill_prices(open_[row], close[row], rules)
                target = rollout.action[t, g, lane] - 1.0
                sleeve, bar = accounting.step(np, sleeve, target, fill_price, close[row], rules)
                assert rollout.log_return[t, g, lane] == pytest.approx(np.log(bar.equity / equity), abs=2e-6)
                equity = bar.equity
            assert rollout.valid[: length[g], g, lane].all()
            assert not rollout.valid[length[g] :, g, lane].any()


def test_the_position_is_the_action_before():
    rules = accounting.MarketRules("next_open", 6e-4, 0.0, short_selling=True, grid=0.01, band=0.0)
    rollout, *_ = _rolled(5, _program(), rules)
    assert np.array_equal(rollout.position[1:], rollout.action[:-1])


def test_draws_follow_the_probabilities_of_the_position():
    rules = accounting.MarketRules("next_open", 0.0, 0.0, short_selling=True, grid=0.01, band=0.0)
    stay = np.log(np.array([[0.9, 0.06, 0.04], [0.2, 0.5, 0.3], [0.0, 0.25, 0.75]]) + 1e-30)
    log_policy = jnp.broadcast_to(jnp.asarray(stay, jnp.float32), (STEPS, 3, 3, 3))
    counts = np.zeros((3, 3))
    rollout, *_ = _rolled(8, _program(), rules, log_policy, passes=4000)
    np.add.at(counts, (rollout.position, rollout.action), 1)
    frequency = counts / counts.sum(-1, keepdims=True)
    np.testing.assert_allclose(frequency, np.exp(stay), atol=0.01)
    assert counts[2, 0] == 0


def test_start_positions_are_uniform():
    rules = accounting.MarketRules("next_open", 0.0, 0.0, short_selling=True, grid=0.01, band=0.0)
    starts = _rolled(9, _program(), rules, passes=4000)[0].position[0].ravel()
    np.testing.assert_allclose(np.bincount(starts) / len(starts), 1 / 3, atol=0.015)


@pytest.mark.parametrize("fill", ["next_open", "next_close"])
@pytest.mark.parametrize("short_selling", [True, False])
@pytest.mark.parametrize("band", [0.0, 0.05])
def test_the_outcome_of_every_pair_is_that_of_the_float64_market(fill, short_selling, band):
    rules = accounting.MarketRules(fill, 6e-4, 4e-5, short_selling, grid=0.01, band=band)
    program, (features, open_, close) = _program(fill, short_selling), _market(4, volatility=0.2)
    market = MarketArrays(*(jnp.asarray(x, jnp.float32) for x in (features, open_, close)))
    start, length = np.array([3, 250], np.int32), np.array([STEPS, 17], np.int32)
    job = Job(jnp.uint32(0), 0, 0, jnp.asarray(start), jnp.asarray(length), jnp.zeros(2), jnp.ones(2))
    numbers = RuleNumbers(*map(jnp.float32, (rules.cost_rate, rules.borrow_per_bar, rules.grid, rules.band)))
    log_return, ruined = pair_returns(program, numbers, segment_bars(program, market, job, STEPS))
    assert log_return.shape == ruined.shape == (STEPS, 2, len(program.actions), len(program.actions))
    for g, t in ((segment, step) for segment in range(2) for step in range(length[segment])):
        row = start[g] + t + 1
        for (p, held), (a, target) in itertools.product(enumerate(program.actions), repeat=2):
            sleeve = accounting.start(np, 1.0)._replace(
                cash=1.0 - held, units=held / close[row - 1], target=float(held), borrowed=max(-held, 0.0)
            )
            fill_price = accounting.fill_prices(open_[row], close[row], rules)
            _, bar = accounting.step(np, sleeve, float(target), fill_price, close[row], rules)
            assert ruined[t, g, p, a] == bar.ruined
            expected = RUIN_RETURN if bar.ruined else np.log(bar.equity)
            assert log_return[t, g, p, a] == pytest.approx(expected, abs=2e-5)


def test_a_short_that_is_ruined_counts_once_as_ruin():
    close = jnp.array([[3.0], [3.0]])
    bars = SegmentBars(jnp.zeros((3, 1, 1)), close, close, jnp.ones((2, 1), bool))
    log_return, ruined = pair_returns(_program(), RuleNumbers(*map(jnp.float32, (0.0, 0.0, 0.01, 0.0))), bars)
    assert ruined[0, 0].tolist() == [[True, True, True], [False] * 3, [False] * 3]
    assert (log_return[0, 0, 0] == RUIN_RETURN).all()
    assert np.abs(log_return[1]).max() == 0  # 3 to 3: nothing moves


def test_ruin_ends_the_sleeve_once():
    # A held short meets a price that triples.
    close = np.array([1.0, 3.0, 3.0, 1.0], np.float32)[:, None] * np.ones((1, 1), np.float32)
    bars = SegmentBars(jnp.zeros((5, 1, 1)), jnp.asarray(close), jnp.asarray(close), jnp.ones((4, 1), bool))
    log_policy = jnp.log(jnp.broadcast_to(jnp.array([1.0, 1e-30, 1e-30]), (4, 1, 3, 3)))
    numbers = RuleNumbers(*map(jnp.float32, (0.0, 0.0, 0.01, 0.0)))
    draws = rollout_draws(jax.random.key(0), 1, 1, 3)
    rollout = jax.tree.map(np.asarray, roll_out(_program(), numbers, bars, log_policy, draws))
    assert (rollout.action == 0).all()
    assert rollout.terminated[:, 0, 0].tolist() == [False, True, False, False]
    assert rollout.valid[:, 0, 0].tolist() == [True, True, False, False]
    assert rollout.log_return[:, 0, 0].tolist()[1:] == [RUIN_RETURN, 0.0, 0.0]
