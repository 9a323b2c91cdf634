"""Markets so simple that values have a closed form: what each agent learns there must be that."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from outsample.agents.network import Head, row_outputs
from outsample.agents.studio import Lane, Studio
from outsample.agents.training import hyper_of
from outsample.market.accounting import MarketRules

_SPEC = importlib.util.spec_from_file_location("agents_case", Path(__file__).parents[1] / "reference/agents_case.py")
case = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(case)

RULES = MarketRules("next_open", cost_rate=1e-3, borrow_per_bar=0.0, short_selling=True, grid=0.01, band=0.0)
HELD = np.array([-1.0, 0.0, 1.0])
BARS, RISE = 300, 0.004
pytestmark = pytest.mark.slow


def _train(agent, log_returns, feature, rules=RULES, **changes):
    """The last state and the curve of an agent that sees one feature [T], unscaled, and nothing decays."""
    panel = replace(case.panel({"S": log_returns}), features=feature[:, None], feature_names=("f00",))
    folds = case.folds(panel, {0: (BARS - 20, BARS)}, inner_folds=2)
    scalers = case.scalers(panel, folds).assign(center=0.0, scale=1.0)
    studio = Studio.open(agent, panel, folds, scalers, rules)
    settings = {**studio.module.SETTINGS().model_dump(), "segment": 25, "weight_decay": 0.0, **changes}
    hyper = hyper_of(studio.module, settings)
    job = jax.tree.map(lambda x: x[0], studio.jobs(Lane(0, 0, 0, settings), settings["segment"]))
    program = studio.program(settings)

    @jax.jit
    def run(job):
        case = (program, studio.market, studio.numbers, hyper, job)
        state, inputs = studio.module.begin(*case)
        state, curve = jax.lax.scan(studio.module.updater(*case), state, inputs)
        return state, studio.module.finish(program, state), curve

    return jax.tree.map(np.asarray, run(job))


def _outputs(params, feature=0.0):
    """[P, outputs] at a value of the feature."""
    count = params["table"].shape[1]
    rows = row_outputs(Head(count, len(HELD), "linear", 1), params, jnp.array([feature], jnp.float32))
    return np.asarray(rows + params["table"])


STEADY = np.full(BARS, RISE)
NOTHING = np.zeros(BARS)
DQN = {"updates": 120, "steps": 20, "learning_rate": 0.02, "target_rate": 0.05}
SAMPLED = {"pairs": "sampled", "epsilon": 0.5, "batch": 64, "replay": 2000}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"double": False},
        {"n_step": 4},
        {"dueling": True},
        SAMPLED,
        {**SAMPLED, "prioritised": True, "dueling": True},
    ],
    ids=str,
)
def test_action_values_of_a_steady_rise(changes):
    # Every bar rises by r: being long earns 100 r, and a change costs 100 c. The best is to go long and to stay, so
    # Q(p, a) = r(a) - c |a - p| + g V(a), V(1) = r / (1 - g), V(0) = V(1) - c, V(-1) = V(1) - 2 c  (all times 100).
    cost, discount = RULES.cost_rate, 0.5
    _, actor, curve = _train("dqn", STEADY, NOTHING, discount=discount, **DQN, **changes)
    earned = np.array([np.log(2 - np.exp(RISE)), 0.0, RISE])  # by each target in a bar, exactly
    best = RISE / (1 - discount) - cost * (1 - HELD)
    expected = 100 * (earned - cost * np.abs(HELD - HELD[:, None]) + discount * best)
    np.testing.assert_allclose(_outputs(actor), expected, atol=0.01)
    assert curve.loss[-1] < 1e-3
    assert curve.reward[-1] == pytest.approx(RISE, rel=0.05)  # going long costs once a segment
    assert (curve.entropy == 0).all()


ACTOR_CRITIC = {
    "a2c": {"updates": 400, "learning_rate": 0.05, "entropy": 0.0},
    "ppo": {"updates": 150, "learning_rate": 0.02, "entropy": 0.0},
}


@pytest.mark.parametrize("agent", sorted(ACTOR_CRITIC))
@pytest.mark.parametrize("discount", [0.0, 0.5])
def test_the_critic_of_a_steady_rise(agent, discount):
    # The policy goes long and stays: V(1) = r / (1 - g), V(0) = V(1) - c, V(-1) = V(1) - 2 c  (all times 100).
    state, actor, curve = _train(agent, STEADY, NOTHING, discount=discount, **ACTOR_CRITIC[agent])
    assert (_outputs(actor).argmax(-1) == 2).all()  # the best action, whatever is held
    assert curve.entropy[-1] < 0.05
    expected = 100 * (RISE / (1 - discount) - RULES.cost_rate * (1 - HELD))
    np.testing.assert_allclose(_outputs(state.params["critic"])[:, 0], expected, atol=0.03)


SIGN = np.where(np.random.Generator(np.random.PCG64(0)).random(BARS + 1) < 0.5, -1.0, 1.0)
SEEN, MOVES = SIGN[1:], RISE * SIGN[:-1]  # the feature of a bar is the direction of the next move
FREE = replace(RULES, cost_rate=0.0)


def test_action_values_follow_the_observation():
    # Without costs and discount Q(x, p, a) is the reward a r x, to first order in r.
    _, actor, _ = _train("dqn", MOVES, SEEN, FREE, discount=0.0, **DQN)
    for seen in (-1.0, 1.0):
        np.testing.assert_allclose(_outputs(actor, seen), np.tile(100 * RISE * seen * HELD, (3, 1)), atol=0.01)


@pytest.mark.parametrize("agent", sorted(ACTOR_CRITIC))
def test_the_action_follows_the_observation(agent):
    state, actor, curve = _train(agent, MOVES, SEEN, FREE, discount=0.0, **ACTOR_CRITIC[agent])
    for seen, best in ((-1.0, 0), (1.0, 2)):
        assert (_outputs(actor, seen).argmax(-1) == best).all()
        np.testing.assert_allclose(_outputs(state.params["critic"], seen)[:, 0], 100 * RISE, atol=0.03)
    assert curve.reward[-1] == pytest.approx(RISE, rel=0.05)
