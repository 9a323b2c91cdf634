"""Replay: what walkers did is remembered in order, drawn as it should be, and weighted for how it was drawn."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from outsample.agents import replay

LENGTH = np.array([4, 4, 3])
G, P, SLOTS = 3, 3, 20


def _filled(seed=0, slots=SLOTS):
    walkers, memory = replay.start(jnp.asarray(LENGTH), slots, P, jax.random.key(seed))
    return walkers, jax.tree.map(np.asarray, memory)


def _follow_one_another(rows, pairs):
    """Whether the decisions of walkers, one row of the arrays after the other, are walks through their segments."""
    for g in range(G):
        time, (position, action) = rows[:, g] // G, np.divmod(pairs[:, g], P)
        assert (rows[:, g] % G == g).all()
        assert (time[1:] == (time[:-1] + 1) % LENGTH[g]).all()
        inside = time[1:] > 0
        assert (position[1:][inside] == action[:-1][inside]).all()


def test_the_memory_starts_full_of_random_walks():
    walkers, memory = _filled(slots=4000)
    _follow_one_another(memory.row, memory.pair)
    assert walkers.time.tolist() == [0, 0, 1]
    counts = np.bincount(memory.pair.ravel(), minlength=P * P) / memory.pair.size
    np.testing.assert_allclose(counts, 1 / 9, atol=0.01)
    inside = np.asarray(walkers.time) > 0
    assert (np.asarray(walkers.position)[inside] == (memory.pair[-1] % P)[inside]).all()


@pytest.mark.parametrize(
    ("capacity", "n_step", "slots"), [(300, 1, 100), (299, 1, 90), (10, 1, 10), (10, 11, 20), (10, 20, 20)]
)
def test_slots_are_whole_blocks_that_hold_the_followers(capacity, n_step, slots):
    assert replay.slots_of(capacity, walkers=3, block=10, n_step=n_step) == slots


def _explored(epsilon, steps, ruined=None, seed=0):
    walkers = replay.Walkers(jnp.zeros(G, int), jnp.zeros(G, int))
    rows = max(LENGTH) * G
    greedy = np.random.Generator(np.random.PCG64(1)).integers(0, P, (rows, P))
    ruined = np.zeros((rows, P * P), dtype=bool) if ruined is None else ruined
    draws = jax.random.uniform(jax.random.key(seed), (steps, 3, G))
    arrays = map(jnp.asarray, (greedy, ruined, LENGTH))
    walkers, row, pair = replay.explore(walkers, *arrays, epsilon, draws)
    return greedy, np.asarray(row), np.asarray(pair), walkers


def test_without_exploration_walkers_are_greedy():
    greedy, row, pair, _ = _explored(0.0, 50)
    _follow_one_another(row, pair)
    assert (greedy[row, pair // P] == pair % P).all()


def test_a_share_of_decisions_is_random_and_starts_are_from_any_position():
    greedy, row, pair, walkers = _explored(0.5, 6000)
    _follow_one_another(row, pair)
    assert (greedy[row, pair // P] == pair % P).mean() == pytest.approx(0.5 + 0.5 / 3, abs=0.01)
    starts = (pair // P)[row // G == 0]
    np.testing.assert_allclose(np.bincount(starts) / len(starts), 1 / 3, atol=0.02)
    assert walkers.time.tolist() == (6000 % LENGTH).tolist()


def test_ruin_sends_a_walker_back_to_the_start():
    ruined = np.zeros((max(LENGTH) * G, P * P), dtype=bool)
    ruined[1 * G + 0] = True  # segment 0, second decision
    _, row, _, _ = _explored(0.5, 12, ruined)
    assert (row[:, 0] // G).tolist() == [0, 1] * 6
    assert (row[:, 1] // G).tolist() == [0, 1, 2, 3] * 3


def test_the_oldest_block_is_overwritten_and_new_decisions_have_the_largest_priority():
    _, memory = _filled()
    memory = memory._replace(oldest=jnp.array(15), priority=np.linspace(0.1, 2.5, SLOTS * G).reshape(SLOTS, G))
    new = replay.remember(memory, jnp.full((5, G), 7), jnp.full((5, G), 8))
    assert new.oldest == 0
    assert (np.asarray(new.row)[15:] == 7).all()
    assert (np.asarray(new.pair)[15:] == 8).all()
    assert np.asarray(new.priority)[15:] == pytest.approx(2.5)
    for name in ("row", "pair", "priority"):
        np.testing.assert_array_equal(getattr(new, name)[:15], getattr(memory, name)[:15].astype(np.float32))


def _weighted_memory(oldest=7):
    _, memory = _filled()
    priority = np.random.Generator(np.random.PCG64(3)).random((SLOTS, G)) ** 4
    return memory._replace(oldest=jnp.array(oldest), priority=jnp.asarray(priority, jnp.float32)), priority


@pytest.mark.parametrize("n_step", [1, 4])
@pytest.mark.parametrize("by_priority", [False, True])
def test_draws_have_the_frequencies_they_should(by_priority, n_step):
    memory, priority = _weighted_memory()
    draw = replay.draw_by_priority if by_priority else replay.draw_uniform
    place = draw(memory, jax.random.uniform(jax.random.key(0), (400, 250)), n_step)
    counts = np.bincount(np.asarray(place).ravel(), minlength=SLOTS * G).reshape(SLOTS, G) / place.size
    expected = priority if by_priority else np.ones((SLOTS, G))
    newest = [(7 - k) % SLOTS for k in range(1, n_step)]
    expected[newest] = 0
    np.testing.assert_allclose(counts, expected / expected.sum(), atol=0.002)
    assert (counts[newest] == 0).all()


def test_priorities_of_zero_and_draws_at_the_edges_are_safe():
    memory, _ = _weighted_memory()
    memory = memory._replace(priority=memory.priority.at[::2].set(0.0))
    edges = jnp.array([[0.0, 1.0 - 2**-24], [0.0, 1.0 - 2**-24]])
    for draw in (replay.draw_uniform, replay.draw_by_priority):
        place = np.asarray(draw(memory, edges, 3))
        assert ((place >= 0) & (place < SLOTS * G)).all()
    assert (np.asarray(memory.priority).ravel()[place] > 0).all()


def test_decisions_are_recalled_with_the_actions_that_followed():
    memory, priority = _weighted_memory(oldest=11)
    place = np.arange(SLOTS * G).reshape(2, -1)
    found = jax.tree.map(np.asarray, replay.recall(memory, jnp.asarray(place), 3, P))
    assert found.path.shape == (2, *place.shape)
    for i, j in itertools.product(*map(range, place.shape)):
        slot, g = divmod(place[i, j], G)
        assert (found.row[i, j], found.pair[i, j]) == (memory.row[slot, g], memory.pair[slot, g])
        assert found.path[:, i, j].tolist() == [memory.pair[(slot + k) % SLOTS, g] % P for k in (1, 2)]
        assert found.priority[i, j] == np.float32(0 if slot in (9, 10) else priority[slot, g])


@pytest.mark.parametrize("correction", [0.0, 0.4, 1.0])
def test_importance_weights_equal_the_formula(correction):
    priority = np.array([[0.5, 2.0, 1.0], [3.0, 4.0, 12.0]])
    share = priority / 40.0  # of a memory of 10 decisions whose priorities sum to 40
    raw = (10 * share) ** -correction
    found = replay.importance(jnp.asarray(priority), correction)
    np.testing.assert_allclose(found, raw / raw.max(-1, keepdims=True), rtol=1e-5)
    with_unknown = replay.importance(jnp.array([0.0, 1.0, 4.0]), correction)
    np.testing.assert_allclose(with_unknown, [0, 1, 4.0**-correction], rtol=1e-5)


def test_weighted_errors_have_the_mean_of_uniform_draws():
    # What the correction is for: with a correction of 1, sums over draws estimate the plain mean.
    memory, _ = _weighted_memory()
    error = np.random.Generator(np.random.PCG64(4)).standard_normal(SLOTS * G)
    place = replay.draw_by_priority(memory, jax.random.uniform(jax.random.key(1), (1, 200_000)), 1)
    weight = np.asarray(replay.importance(memory.priority.reshape(-1)[place], 1.0), np.float64)
    estimate = (weight * error[np.asarray(place)]).sum() / weight.sum()
    assert estimate == pytest.approx(error.mean(), abs=0.1)


def test_new_priorities_by_hand():
    memory, priority = _weighted_memory()
    place, error = jnp.array([[4, 9], [4, 30]]), jnp.array([[-0.99, 0.24], [0.08, 0.0]])
    found = np.asarray(replay.reprioritise(memory, place, error, jnp.array(0.5)).priority).ravel()
    expected = priority.ravel().astype(np.float32)
    expected[[4, 9, 30]] = [1.0, 0.5, 0.1]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
