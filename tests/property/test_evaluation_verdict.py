"""How often the verdict claims skill that is not there, and finds skill that is: small studies with known truth."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outsample.evaluation.verdict import LEVELS, SkillTests, decide_level, run_tests

OUT_OF_FOLD, VAULT, TRIALS = 1500, 500, 16


def _study(generator: np.random.Generator, edge: float, cost: float) -> str:
    """Random-walk or two-state returns; agents that guess (edge 0) or are right about the state three times in four."""
    bars = OUT_OF_FOLD + VAULT
    state = np.where(np.cumsum(generator.random(bars) < 0.05) % 2, 1, -1)
    market = generator.normal(0.0002, 0.01, bars) + edge * state
    guesses = np.where(np.cumsum(generator.random((bars, TRIALS)) < 0.08, axis=0) % 2, 1, -1)
    right = np.where(generator.random((bars, TRIALS)) < 0.75, state[:, None], -state[:, None])
    positions = right if edge else guesses
    returns = positions * market[:, None] - cost * np.abs(np.diff(positions, axis=0, prepend=0))
    fold = returns[:OUT_OF_FOLD]
    chosen = int((fold.mean(axis=0) / fold.std(axis=0)).argmax())
    vault = returns[OUT_OF_FOLD:, chosen]
    tests = run_tests(fold, market[:OUT_OF_FOLD], vault, market[OUT_OF_FOLD:], 1000, 0)
    return decide_level(tests, "trades", float(np.prod(1 + vault) - 1), 1)


@pytest.mark.parametrize(("cost", "most"), [(0.0006, 1), (0.0, 6)])
def test_random_agents_on_random_walks_are_rarely_called_skilled(cost: float, most: int) -> None:
    """Of 40 studies a true rate of 5 % gives more than 6 false claims in 0.3 % of cases; costs pull it to nearly 0."""
    generator = np.random.Generator(np.random.PCG64(2))
    levels = Counter(_study(generator, 0.0, cost) for _ in range(40))
    assert levels["evidence_over_buy_and_hold"] + levels["evidence_over_flat"] <= most
    assert levels["none"] >= 24


def test_skill_is_found() -> None:
    generator = np.random.Generator(np.random.PCG64(3))
    levels = Counter(_study(generator, 0.002, 0.0) for _ in range(20))
    assert levels["evidence_over_buy_and_hold"] >= 17


@given(
    p=st.tuples(*[st.floats(0, 1)] * 4),
    vault_return=st.floats(-1, 1),
    kind=st.sampled_from(["trades", "holds one position", "never trades"]),
    look=st.integers(1, 50),
)
def test_another_look_never_raises_the_level(p: tuple, vault_return: float, kind: str, look: int) -> None:
    tests = SkillTests(1500, 500, 8, *p, vanishes=False)
    level = decide_level(tests, kind, vault_return, look)
    later = decide_level(tests, kind, vault_return, look + 1)
    assert LEVELS.index(later) <= LEVELS.index(level)
    if kind != "trades" or vault_return <= 0:
        assert level != "evidence_over_buy_and_hold"
