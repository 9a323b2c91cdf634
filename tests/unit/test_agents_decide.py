"""Greedy decisions by hand: holding, starting from flat, who owns a row, and what is averaged."""

import jax.numpy as jnp
import numpy as np

from outsample.agents.decide import decide_rows
from outsample.agents.training import MarketArrays, Program

STATIC = (("account_inputs", False), ("layers", 1), ("torso", "linear"), ("units", 1))
PROGRAM = Program("ppo", STATIC, (-1, 0, 1), "next_open", True)
PRICES = jnp.exp(0.02 * jnp.sin(jnp.arange(2 * 9.0))).reshape(2, 9)  # open and close
HOLD = np.eye(3, dtype=np.float32)  # +1 for the action that keeps the position


def _decide(signal, slopes, owner, reset, table=HOLD, center=None, scale=None):
    """One feature; model [S, I] prefers long by slope * signal and short by the opposite."""
    slopes = np.array(slopes, dtype=np.float32)
    seeds, inner = slopes.shape
    kernel = slopes[..., None, None] * np.array([[-1, 0, 1]], dtype=np.float32)
    actors = {
        "out": {"kernel": jnp.asarray(kernel), "bias": jnp.zeros((seeds, inner, 3))},
        "table": jnp.asarray(np.broadcast_to(table, (seeds, inner, 3, 3))),
    }
    return decide_rows(
        PROGRAM,
        MarketArrays(jnp.asarray(np.array(signal, dtype=np.float32)[:, None]), *PRICES[:, : len(signal)]),
        actors,
        jnp.zeros((inner, 1)) if center is None else jnp.asarray(center, jnp.float32)[:, None],
        jnp.ones((inner, 1)) if scale is None else jnp.asarray(scale, jnp.float32)[:, None],
        jnp.array(owner, jnp.int32),
        jnp.array(reset, bool),
    ).tolist()


def test_a_position_is_held_until_the_signal_outweighs_it_and_a_reset_is_flat():
    signal = [0.5, 2, 0.5, 0, -0.4, -2, 0, 0, 0.5]
    #         flat holds (0.5 < 1); 2 opens long; small signals hold it; -2 turns; the reset at row 7 starts flat
    reset = [True, False, False, False, False, False, False, True, False]
    assert _decide(signal, [[1.0]], [1] * 9, reset) == [0, 1, 1, 1, 1, -1, -1, 0, 0]


def test_rows_without_an_owner_are_flat_and_end_a_position():
    assert _decide([2, 0, 0, 0], [[1.0]], [0, 0, -1, 0], [True, False, False, False]) == [1, 1, 0, 0]


def test_each_row_is_decided_by_its_owner():
    # Inner models of slopes 3 and -1: their mean has slope 1.
    signal, reset = [2.0, 2.0, 2.0], [True] * 3
    assert _decide(signal, [[3.0, -1.0]], [0, 1, 2], reset) == [1, -1, 1]
    # Seeds are averaged within an inner fold: (3 - 5) / 2 = -1, (-1 + 3) / 2 = 1, and 0 over all.
    assert _decide(signal, [[3.0, -1.0], [-5.0, 3.0]], [0, 1, 2], reset) == [-1, 1, 0]


def test_each_model_reads_features_on_its_own_scale():
    signal, reset = [1.0, 1.0], [True] * 2
    assert _decide(signal, [[1.0, 1.0]], [0, 1], reset, center=[0.0, 4.0], scale=[0.5, 1.0]) == [1, -1]


def test_undefined_features_of_other_rows_do_no_harm():
    assert _decide([np.nan, 2, 0], [[1.0]], [-1, 0, 0], [False, True, False]) == [0, 1, 1]
