"""Every agent by the shipped procedure on markets of known truth (see `tests/reference/learning_case.py`).

Where there is an edge it must earn most of what the Bayes filter of the hidden state with the best hysteresis earns
on fresh bars, net of costs; where there is none the gate must stay shut. `benchmarks/learning.py` prints the figures.
"""

import numpy as np
import pytest
from tests.reference import agents_case, learning_case

pytestmark = [pytest.mark.slow, pytest.mark.no_cover]  # the tracing of coverage slows their long loops

SEEDS = range(3)
# Mean score: what is promised; a single market draw may fall short of it (the standard deviation is about 0.03).
LEAST = {"a2c": 0.90, "direct": 0.90, "dqn": 0.88, "ppo": 0.90}


@pytest.fixture(scope="module")
def fresh():
    return agents_case.planted(learning_case.FRESH, 999)


@pytest.fixture(scope="module")
def best(fresh):
    return learning_case.filter_log_return(fresh)


def test_the_yardstick_is_that_of_the_market(best):
    assert 0.0015 < best < 0.0023


def _scores(agent, fresh, best, **changes):
    found = [learning_case.two_state(agent, seed, fresh, **changes) for seed in SEEDS]
    assert all(outcome.gate_open for outcome in found)
    targets = np.concatenate([outcome.targets for outcome in found], axis=1)
    return learning_case.log_return(targets, fresh) / best


@pytest.mark.parametrize("agent", sorted(LEAST))
def test_a_planted_edge_is_found_on_fresh_bars(agent, fresh, best):
    scores = _scores(agent, fresh, best)
    assert scores.mean() >= LEAST[agent], scores
    assert scores.min() >= 0.8, scores


@pytest.mark.parametrize(
    "changes", [{}, {"prioritised": True, "dueling": True, "n_step": 3, "double": False}], ids=["plain", "variants"]
)
def test_dqn_learns_from_sampled_decisions_too(changes, fresh, best):
    scores = _scores("dqn", fresh, best, pairs="sampled", alternatives=[], **changes)
    assert scores.mean() >= 0.87, scores


@pytest.mark.parametrize("agent", sorted(LEAST))
def test_a_random_walk_keeps_the_gate_shut(agent):
    # At most 5 % of the gates open by chance: 2 or more of 5 do with a probability of at most 0.02.
    walk = agents_case.planted(learning_case.FRESH, 999, drift=0.0)
    opened = [learning_case.two_state(agent, seed, walk, drift=0.0).gate_open for seed in range(5)]
    assert sum(opened) <= 1, opened


@pytest.mark.parametrize("agent", sorted(LEAST))
def test_an_edge_that_no_linear_rule_sees_is_found_by_a_wider_network(agent):
    fresh, sign = learning_case.non_linear_market(learning_case.FRESH, 999)
    found = [learning_case.non_linear_share(agent, seed, fresh, sign, scored=20_000) for seed in range(2)]
    assert all(is_open for _, is_open in found)
    assert np.mean([share for share, _ in found]) >= 0.5, found


@pytest.mark.parametrize("agent", sorted(LEAST))
def test_a_noise_free_sine_is_traded_almost_as_well_as_in_hindsight(agent):
    assert learning_case.sine_share(agent, 0) >= 0.95


def test_a_sign_of_three_bars_ago_is_learnt_by_a_memory_alone():
    assert learning_case.memory_share("dqn", 0, torso="gru") > 0.7
    assert learning_case.memory_share("dqn", 0) < 0.3
