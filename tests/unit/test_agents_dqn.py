"""DQN: targets against a path followed step by step, and what each switch of its loss does."""

import importlib.util
import itertools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from outsample.agents import dqn
from outsample.agents.network import Head
from outsample.market.holding import Numbers

ROOT = Path(__file__).parents[1]


def _module(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / f"reference/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reference = _module("dqn")
B, P = 5, 3


def _random_case(seed, n):
    """Values [n + 1, B, P, A] of both networks, rewards, ruins and the decisions left."""
    draw = np.random.Generator(np.random.PCG64(seed))
    online, slow = draw.standard_normal((2, n + 1, B, P, P)).astype(np.float32)
    reward = draw.standard_normal((n, B, P, P)).astype(np.float32)
    return reward, draw.random((n, B, P, P)) < 0.15, draw.integers(1, n + 2, B), online, slow


def _targets(reward, terminated, left, online, slow, discount, double, path=None):
    ends = left <= np.arange(1, len(reward) + 1)[:, None]
    arrays = map(jnp.asarray, (reward, terminated, ends, online[1:], slow[1:]))
    return np.asarray(dqn.td_targets(*arrays, discount, double, path))


@pytest.mark.parametrize("double", [True, False])
@pytest.mark.parametrize("n", [1, 2, 4])
@pytest.mark.parametrize("seed", range(4))
def test_targets_equal_the_path_followed_step_by_step(seed, n, double):
    reward, terminated, left, online, slow = _random_case(seed, n)
    found = _targets(reward, terminated, left, online, slow, 0.8, double)
    for b, p, a in itertools.product(range(B), range(P), range(P)):
        of_b = (array[:, b].tolist() for array in (reward, terminated))
        expected = reference.td_target(*of_b, left[b], online[:, b].tolist(), slow[:, b].tolist(), (p, a), 0.8, double)
        assert found[b, p, a] == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize("n", [1, 2, 4])
@pytest.mark.parametrize("seed", range(4))
def test_targets_follow_a_path_that_is_given(seed, n):
    reward, terminated, left, online, slow = _random_case(seed, n)
    draw = np.random.Generator(np.random.PCG64(seed + 100))
    path, first = draw.integers(0, P, (n - 1, B)), draw.integers(0, P, (B, 2))
    found = _targets(reward, terminated, left, online, slow, 0.8, True, jnp.asarray(path))
    for b, (p, a) in enumerate(first):
        of_b = (array[:, b].tolist() for array in (reward, terminated))
        values = (array[:, b].tolist() for array in (online, slow))
        expected = reference.td_target(*of_b, left[b], *values, (p, a), 0.8, True, path[:, b].tolist())
        assert found[b, p, a] == pytest.approx(expected, abs=2e-6)


def test_double_takes_the_slow_value_of_the_action_that_the_learner_prefers():
    online, slow = np.array([[1.0, 0.0]]), np.array([[0.3, 0.9]])

    def target(double):
        values = (np.broadcast_to(x, (2, 1, 2, 2)) for x in (online, slow))
        zero = np.zeros((1, 1, 2, 2))
        return _targets(zero, zero > 0, np.array([9]), *values, 1.0, double)[0, 0, 0]

    assert target(True) == pytest.approx(0.3)
    assert target(False) == pytest.approx(0.9)


@pytest.mark.parametrize("n", [1, 3])
def test_the_end_of_a_segment_bootstraps_and_ruin_does_not(n):
    # Every reward is 1, every value 10, the discount 1/2.
    reward, values = np.ones((n, 2, P, P)), np.full((n + 1, 2, P, P), 10.0)
    terminated = np.zeros((n, 2, P, P), dtype=bool)
    terminated[0, 1] = True
    found = _targets(reward, terminated, np.array([1, 9]), values, values, 0.5, True)
    assert (found[0] == 1 + 0.5 * 10).all()  # truncated after one step, whatever n
    assert (found[1] == 1).all()
    whole = _targets(reward, terminated & False, np.array([9, 9]), values, values, 0.5, True)
    assert (whole == {1: 6.0, 3: 1 + 0.5 + 0.25 + 0.125 * 10}[n]).all()


def test_loss_by_hand():
    values, targets = jnp.array([[[1.0, 2.0]]]), jnp.array([[[0.0, 5.0]]])
    assert dqn.loss(values, targets, jnp.ones((1, 1, 2))) == pytest.approx((1 + 9) / 2)
    assert dqn.loss(values, targets, jnp.array([[[0.5, 0.0]]])) == pytest.approx(0.5)


def test_a_dueling_head_is_value_plus_centred_advantages():
    draw = np.random.Generator(np.random.PCG64(2))
    raw = {
        "out": {"kernel": draw.standard_normal((4, P + 1)), "bias": draw.standard_normal(P + 1)},
        "table": draw.standard_normal((P, P + 1)),
        "account": draw.standard_normal((2, P + 1)),
    }
    raw = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), raw)
    features, held = jnp.asarray(draw.standard_normal(4), jnp.float32), jnp.array(2)
    numbers = Numbers(jnp.float32(-0.7), jnp.float32(0.4))
    head = Head(P + 1, P, "linear", 1, account_inputs=True)
    outputs = np.asarray(head.apply({"params": raw}, features, held, numbers))
    plain = dqn.merged(raw, dueling=True)
    found = Head(P, P, "linear", 1, account_inputs=True).apply({"params": plain}, features, held, numbers)
    np.testing.assert_allclose(found, outputs[-1] + outputs[:-1] - outputs[:-1].mean(), atol=1e-5)
    assert dqn.merged(raw, dueling=False) is raw
