"""The rewards of PPO and A2C against plain loops and by hand: the start, ruin, and the segments apart."""

import importlib.util
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from outsample.agents.rewards import differential_sharpe, drawdown, rewards
from outsample.agents.rollout import RUIN_RETURN, Rollout

_SPEC = importlib.util.spec_from_file_location("reference", Path(__file__).parents[1] / "reference/rewards.py")
reference = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(reference)

NAMES = ("log_return", "differential_sharpe", "mixed")


def _rollout(log_return, terminated=None):
    shape = log_return.shape
    terminated = np.zeros(shape, bool) if terminated is None else terminated
    index = jnp.zeros(shape, int)
    happened = (jnp.asarray(log_return, jnp.float32), jnp.asarray(terminated), jnp.ones(shape, bool))
    return Rollout(index, index, *happened, numbers=None, next_numbers=None)


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.5])
@pytest.mark.parametrize("name", NAMES)
def test_rewards_equal_plain_loops(name, rate):
    draw = np.random.Generator(np.random.PCG64(7))
    log_return = 0.01 * draw.standard_normal((40, 3, 2))
    log_return[:5, 1] = 0.0  # flat at first: the statistics stay at 0
    log_return[:, 2, 1] = 0.004  # hardly any variance
    terminated = np.zeros(log_return.shape, bool)
    terminated[20, 0, 1] = True
    log_return[20, 0, 1] = RUIN_RETURN
    found = rewards(name, _rollout(log_return, terminated), rate, 0.3)
    for g, r in np.ndindex(3, 2):
        end = 21 if (g, r) == (0, 1) else 40  # nothing counts after ruin
        columns = (x[:end, g, r].tolist() for x in (log_return, terminated))
        expected = reference.rewards(name, *columns, rate, 0.3)
        np.testing.assert_allclose(found[:end, g, r], expected, rtol=2e-4, atol=2e-6)


def test_differential_sharpe_by_hand():
    # rate 1/2: after 0.02 the statistics are A = 0.01 and B = 0.0002, a variance of 0.0001. So for 0.04
    # D = (0.0002 * 0.03 - 0.01 * (0.0016 - 0.0002) / 2) / 0.01^3 = (6e-6 - 7e-6) / 1e-6 = -1: too far from the mean.
    found = differential_sharpe(jnp.array([0.02, 0.04, 0.0]), 0.5)
    np.testing.assert_allclose(found[:2], [0.0, -1.0], atol=1e-5)
    # A = 0.025, B = 0.0009, variance 0.000275: a return of 0 costs.
    np.testing.assert_allclose(found[2], (-0.0009 * 0.025 + 0.025 * 0.0009 / 2) / 0.000275**1.5, rtol=1e-4)


def test_returns_after_nothing_was_held_stay_in_bounds():
    log_return = np.zeros((50, 1))
    log_return[30:32, 0] = -0.0006, 0.01  # the first fill's cost, then a return
    found = np.asarray(differential_sharpe(jnp.asarray(log_return), 0.02))
    assert (found[:31] == 0).all()
    assert np.abs(found).max() < 1.5
    assert (np.asarray(differential_sharpe(jnp.full((50, 1), 0.01), 0.02)) < 1e3).all()


def test_drawdown_by_hand():
    # Equity 1 -> 0.9 -> 1.2 -> 0.6 -> 0.9: the first fall is from the equity at the start of the segment.
    equity = np.array([1.0, 0.9, 1.2, 0.6, 0.9])
    log_return = np.diff(np.log(equity))
    np.testing.assert_allclose(drawdown(jnp.asarray(log_return)), [0.1, 0.0, 0.5, 0.25], atol=1e-6)
    rollout = _rollout(log_return[:, None, None])
    penalty = rewards("mixed", rollout, 0.02, 0.0) - rewards("mixed", rollout, 0.02, 2.0)
    np.testing.assert_allclose(penalty[:, 0, 0], [0.2, 0.0, 1.0, 0.0], atol=1e-5)  # only what it increases by


def test_ruin_is_ruin_whatever_the_reward():
    log_return = np.array([-0.02, -0.01, RUIN_RETURN]).reshape(3, 1, 1)
    terminated = np.array([False, False, True]).reshape(3, 1, 1)
    for name in NAMES:
        assert rewards(name, _rollout(log_return, terminated), 0.02, 0.1)[2, 0, 0] == RUIN_RETURN
    assert differential_sharpe(jnp.asarray(log_return), 0.02)[2, 0, 0] > 0  # what it would have been rewarded by


def test_log_return_is_left_as_it_is():
    rollout = _rollout(np.ones((2, 1, 1)))
    assert rewards("log_return", rollout, 0.02, 0.1) is rollout.log_return
