"""The loss of PPO and A2C and their advantages against plain loops, and what the switch between them does."""

import importlib.util
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from outsample.agents import actor_critic, ppo
from outsample.agents.network import log_probabilities
from outsample.agents.training import Program
from outsample.config.agents import Ppo

_SPEC = importlib.util.spec_from_file_location("reference", Path(__file__).parents[1] / "reference/actor_critic.py")
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
    found = actor_critic.advantages(*map(jnp.asarray, arrays), discount=0.9, gae_lambda=0.8)
    for lane in range(3):
        expected = reference.advantages(*(array[:, lane].tolist() for array in arrays), 0.9, 0.8)
        np.testing.assert_allclose(found[:, lane], expected, atol=2e-6)


def test_the_end_of_a_segment_bootstraps_and_ruin_does_not():
    reward, value, following = jnp.array([[1.0]]), jnp.array([[0.5]]), jnp.array([[10.0]])
    valid = jnp.array([[True]])
    truncated = actor_critic.advantages(reward, value, following, jnp.array([[False]]), valid, 0.9, 0.9)
    terminated = actor_critic.advantages(reward, value, following, jnp.array([[True]]), valid, 0.9, 0.9)
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
    batch = actor_critic.Batch(jnp.zeros((len(logits), 1)), jnp.zeros_like(column[0]), *column)
    log_policy = jnp.asarray(logits - np.log(np.exp(logits).sum(-1, keepdims=True)))[:, None]
    return actor_critic.loss(list(jnp.moveaxis(log_policy, -1, 0)), jnp.asarray(value)[:, None], batch, clip, entropy)


@pytest.mark.parametrize(("clip", "entropy"), [(0.2, 0.02), (0.05, 0.0), (0.9, 1.0), (None, 0.02), (None, 0.0)])
def test_loss_equals_plain_loops(clip, entropy):
    decisions = _decisions(3)
    expected = reference.loss(*(array.tolist() for array in decisions), clip, entropy)
    np.testing.assert_allclose(_loss(*decisions, clip, entropy), expected, rtol=2e-5)


def test_log_probabilities_are_those_of_jax_with_their_gradient_at_any_size():
    logits = jnp.asarray(np.random.default_rng(5).normal(0, 3, (6, 4, 3)), jnp.float32).at[0, 0].set((1e5, 0.0, -1e5))

    def ours(logits):
        return jnp.stack(log_probabilities(logits), -1)

    np.testing.assert_allclose(ours(logits), jax.nn.log_softmax(logits), rtol=1e-6, atol=1e-6)
    weights = jnp.asarray(np.random.default_rng(6).normal(size=logits.shape), jnp.float32)
    found, expected = (jax.grad(lambda x, f=f: (f(x) * weights).sum())(logits) for f in (ours, jax.nn.log_softmax))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_loss_by_hand():
    # Two equal logits: probabilities 1/2. The old probability 1/4 gives a ratio of 2, clipped to 1.2 for A = 1.
    logits, action = np.zeros((1, 2)), np.array([0])
    arguments = (np.log([0.25]), np.array([1.0]), np.array([3.0]), np.array([1.0]), np.array([1]))
    loss, entropy = _loss(logits, action, *arguments, 0.2, 0.1)
    assert entropy == pytest.approx(np.log(2))
    assert loss == pytest.approx(-1.2 + 0.5 * 4 - 0.1 * np.log(2))


def test_without_a_clip_the_gradient_is_that_of_the_first_clipped_step():
    # At the policy that acted the ratio is 1, so both surrogates have the gradient A * grad log pi(a).
    logits, action, _, advantage, value, value_target, weight = _decisions(4)
    taken = np.arange(len(logits)), action

    def gradient(clip):
        def of(logits):
            log_policy = jax.nn.log_softmax(logits)
            old = jax.lax.stop_gradient(log_policy)[taken]
            columns = (x[:, None] for x in map(jnp.asarray, (action, old, advantage, value_target, weight)))
            batch = actor_critic.Batch(jnp.zeros((len(logits), 1)), jnp.zeros_like(action), *columns)
            return actor_critic.loss(list(log_policy.T[..., None]), jnp.asarray(value)[:, None], batch, clip, 0.02)[0]

        return np.asarray(jax.grad(of)(jnp.asarray(logits, jnp.float32)))

    assert np.abs(gradient(None)).max() > 0.01
    np.testing.assert_allclose(gradient(0.2), gradient(None), atol=1e-6)


def _random_case(seed):
    draw = np.random.Generator(np.random.PCG64(seed))
    steps, lanes = 9, 4
    terminated = draw.random((steps, lanes)) < 0.1
    valid = np.cumsum(np.roll(terminated, 1, axis=0) & (np.arange(steps)[:, None] > 0), axis=0) == 0
    valid &= np.arange(steps)[:, None] < draw.integers(1, steps + 1, lanes)
    return *draw.standard_normal((3, steps, lanes)), terminated & valid, valid


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("discount", "gae_lambda"), [(0.9, 0.9), (1.0, 0.0), (0.5, 1.0)])
def test_advantages_of_random_cases(seed, discount, gae_lambda):
    arrays = _random_case(seed)
    found = actor_critic.advantages(*map(jnp.asarray, arrays), discount, gae_lambda)
    for lane in range(arrays[0].shape[1]):
        expected = reference.advantages(*(array[:, lane].tolist() for array in arrays), discount, gae_lambda)
        np.testing.assert_allclose(found[:, lane], expected, atol=3e-6)


@pytest.mark.parametrize("rows", [1, 2, 7, 100, 1500, 6000])
def test_affine_order_is_a_permutation_that_wraps(rows):
    settings = {**Ppo().model_dump(), "segment": rows, "minibatches": 1}
    program = Program("ppo", tuple((name, settings[name]) for name in ppo.STATIC), (-1, 0, 1), "next_open", True)
    drawn = actor_critic._drawn_order(program, 1, jax.random.key(4))
    order = np.asarray(actor_critic._affine_order(drawn, rows, min(rows, 5)))
    assert sorted(order[:rows]) == list(range(rows))
    assert (order[rows:] == order[: min(rows, 5)]).all()


def test_affine_multipliers_fit_32_bits():
    for rows in (5, 70_000, 2_000_000):
        multipliers = actor_critic._multipliers(rows).astype(object)
        assert all(a * (rows - 1) + rows - 1 < 2**32 for a in multipliers)
        assert all(np.gcd(int(a), rows) == 1 for a in multipliers)
