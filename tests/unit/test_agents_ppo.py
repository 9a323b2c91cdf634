"""The PPO loss and its advantages against plain loops, and what each switch of them does."""

import importlib.util
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from outsample.agents import ppo

_SPEC = importlib.util.spec_from_file_location("ppo_reference", Path(__file__).parents[1] / "reference/ppo.py")
reference = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(reference)


def _trajectories(seed, steps=12, lanes=3):
    draw = np.random.Generator(np.random.PCG64(seed))
    reward, value, next_value = draw.standard_normal((3, steps, lanes))
    terminated = np.zeros((steps, lanes), dtype=bool)
    terminated[7, 1] = True
    valid = np.ones((steps, lanes), dtype=bool)
    valid[8:, 1] = False  # after ruin
    valid[9:, 2] = False  # a short segment
    return reward, value, next_value, terminated, valid


def test_advantages_equal_the_sums_of_the_paper():
    arrays = _trajectories(1)
    found = ppo.advantages(*map(jnp.asarray, arrays), discount=0.9, gae_lambda=0.8)
    for lane in range(3):
        expected = reference.advantages(*(array[:, lane].tolist() for array in arrays), 0.9, 0.8)
        np.testing.assert_allclose(found[:, lane], expected, atol=2e-6)


def test_the_end_of_a_segment_bootstraps_and_ruin_does_not():
    reward, value, following = jnp.array([[1.0]]), jnp.array([[0.5]]), jnp.array([[10.0]])
    valid = jnp.array([[True]])
    truncated = ppo.advantages(reward, value, following, jnp.array([[False]]), valid, 0.9, 0.9)
    terminated = ppo.advantages(reward, value, following, jnp.array([[True]]), valid, 0.9, 0.9)
    assert truncated[0, 0] == pytest.approx(1 + 0.9 * 10 - 0.5)
    assert terminated[0, 0] == pytest.approx(1 - 0.5)


def _decisions(seed, n=30, actions=3):
    draw = np.random.Generator(np.random.PCG64(seed))
    logits = draw.standard_normal((n, actions))
    old = logits + 0.5 * draw.standard_normal((n, actions))
    old_log = old - np.log(np.exp(old).sum(-1, keepdims=True))
    action = draw.integers(0, actions, n)
    advantage, value, value_target = draw.standard_normal((3, n))
    return logits, action, old_log[np.arange(n), action], advantage, value, value_target, draw.integers(0, 2, n)


def _loss(logits, action, old_log, advantage, value, value_target, weight, clip, entropy):
    column = [jnp.asarray(x)[:, None] for x in (action, old_log, advantage, value_target, weight.astype(np.float32))]
    batch = ppo.Batch(jnp.zeros((len(logits), 1)), jnp.zeros_like(column[0]), *column)
    log_policy = jnp.asarray(logits - np.log(np.exp(logits).sum(-1, keepdims=True)))[:, None]
    return ppo.loss(log_policy, jnp.asarray(value)[:, None], batch, clip, entropy)


@pytest.mark.parametrize(("clip", "entropy"), [(0.2, 0.02), (0.05, 0.0), (0.9, 1.0)])
def test_loss_equals_plain_loops(clip, entropy):
    decisions = _decisions(3)
    expected = reference.loss(*(array.tolist() for array in decisions), clip, entropy)
    np.testing.assert_allclose(_loss(*decisions, clip, entropy), expected, rtol=2e-5)


def test_loss_by_hand():
    # Two equal logits: probabilities 1/2. The old probability 1/4 gives a ratio of 2, clipped to 1.2 for A = 1.
    logits, action = np.zeros((1, 2)), np.array([0])
    arguments = (np.log([0.25]), np.array([1.0]), np.array([3.0]), np.array([1.0]), np.array([1]))
    loss, entropy = _loss(logits, action, *arguments, 0.2, 0.1)
    assert entropy == pytest.approx(np.log(2))
    assert loss == pytest.approx(-1.2 + 0.5 * 4 - 0.1 * np.log(2))


@pytest.mark.parametrize("rows", [1, 2, 7, 100, 1500, 6000])
def test_affine_order_is_a_permutation_that_wraps(rows):
    import jax

    order = np.asarray(ppo._affine_order(jax.random.key(4), rows, min(rows, 5)))
    assert sorted(order[:rows]) == list(range(rows))
    assert (order[rows:] == order[: min(rows, 5)]).all()


def test_affine_multipliers_fit_32_bits():
    for rows in (5, 70_000, 2_000_000):
        multipliers = ppo._multipliers(rows).astype(object)
        assert all(a * (rows - 1) + rows - 1 < 2**32 for a in multipliers)
        assert all(np.gcd(int(a), rows) == 1 for a in multipliers)


def test_every_hyper_parameter_is_either_static_or_traced():
    names = [*ppo.STATIC, *ppo.Hyper._fields]
    assert sorted(names) == sorted(ppo.SETTINGS.model_fields)
