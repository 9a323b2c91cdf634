"""What a decider knows of its position, by hand: entries, ages, flips, both fills; NumPy and JAX agree."""

import jax.numpy as jnp
import numpy as np
import pytest

from outsample.market.holding import Holding, advance, flat, policy_numbers, unrealised

OPEN = np.array([100.0, 102, 99, 104, 103, 98, 101, 97])
CLOSE = np.array([101.0, 100, 103, 105, 100, 99, 96, 95])
#                 long         short        flat then long again; the last is never filled
TARGETS = np.array([1.0, 1, 1, -1, -1, 0, 1, 1])


def _walk(xp, fills, targets=TARGETS, close=CLOSE):
    holding, rows = flat(xp, np.shape(targets)[1:]), []
    for t in range(len(targets)):
        if t:
            holding = advance(xp, holding, targets[t - 1], fills[t])
        rows.append((*holding, unrealised(xp, holding, close[t])))
    return [np.stack(column) for column in zip(*rows, strict=True)]


@pytest.mark.parametrize(
    ("fills", "entries"),
    [(OPEN, [0, 102, 102, 102, 103, 103, 0, 97]), (CLOSE, [0, 100, 100, 100, 100, 100, 0, 95])],
    ids=["next_open", "next_close"],
)
def test_entry_age_and_result_of_every_bar(fills, entries):
    position, entry, bars, gain = _walk(np, fills)
    assert position.tolist() == [0, 1, 1, 1, -1, -1, 0, 1]
    assert bars.tolist() == [0, 1, 2, 3, 1, 2, 0, 1]
    held = position != 0
    assert entry[held].tolist() == [price for price in entries if price]
    wanted = [p * np.log(c / e) if p else 0.0 for p, c, e in zip(position, CLOSE, entries, strict=True)]
    np.testing.assert_allclose(gain, wanted, atol=1e-15)


def test_the_size_of_the_target_counts_and_another_size_is_another_entry():
    holding = advance(np, flat(np, ()), np.float64(0.5), np.float64(10.0))
    assert unrealised(np, holding, np.float64(12.0)) == pytest.approx(0.5 * np.log(1.2))
    assert advance(np, holding, np.float64(1.0), np.float64(12.0)) == Holding(1.0, 12.0, 1.0)


def test_the_numbers_of_the_policy_are_bounded():
    read = policy_numbers(np, np.array([0.0, 0.05, 0.5, -0.5]), np.array([0.0, 1.0, 60.0, 600.0]))
    np.testing.assert_allclose(read, [[0, 0.5, 2, -2], [0, np.log(2) / np.log(61), 1, 1]], atol=1e-15)


@pytest.mark.parametrize("unit", [1.0, 1000.0])
def test_jax_in_float32_agrees_and_the_unit_of_prices_does_not_matter(unit):
    draw = np.random.Generator(np.random.PCG64(4))
    close = np.exp(np.cumsum(0.02 * draw.standard_normal((80, 9)), 0))
    fills = close * np.exp(0.01 * draw.standard_normal((80, 9)))
    targets = draw.integers(-1, 2, (80, 9)).astype(float) * (draw.random((80, 9)) < 0.9)
    wanted = _walk(np, fills, targets, close)
    found = _walk(jnp, *(jnp.asarray(x, jnp.float32) for x in (unit * fills, targets, unit * close)))
    assert np.array_equal(wanted[0], found[0])
    assert np.array_equal(wanted[2], found[2])
    np.testing.assert_allclose(found[3], wanted[3], atol=1e-6)
    np.testing.assert_allclose(
        policy_numbers(jnp, found[3], found[2]), policy_numbers(np, wanted[3], wanted[2]), atol=2e-5
    )
