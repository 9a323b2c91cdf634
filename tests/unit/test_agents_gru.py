"""The torso with a memory: its cell against plain loops, whole segments in learning, and what is refused."""

import importlib.util
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from outsample.agents import actor_critic, dqn
from outsample.agents.decide import decide_rows
from outsample.agents.inputs import fold_rows
from outsample.agents.lanes import train_lanes
from outsample.agents.network import Gru, Head, row_outputs
from outsample.agents.rollout import rollout_draws
from outsample.agents.studio import Lane, Studio
from outsample.agents.training import MarketArrays, Program, hyper_of, train
from outsample.config.agents import A2c, Agents, Dqn
from outsample.config.models import Gate
from outsample.errors import TrainingError
from outsample.market.accounting import MarketRules


def _load(name):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1] / f"reference/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reference, case = _load("gru"), _load("agents_case")

RULES = MarketRules("next_open", cost_rate=6e-4, borrow_per_bar=4e-5, short_selling=True, grid=0.01, band=0.0)
ACTIONS = (-1, 0, 1)
SMALL = {"torso": "gru", "units": 3, "layers": 1, "updates": 3, "segment": 50}


def _random_actor(seed, features, units, shape=()):
    """Parameters of a head of three actions, with leading axes `shape`."""
    draw = np.random.Generator(np.random.PCG64(seed))

    def normal(*size):
        return draw.standard_normal((*shape, *size)).astype(np.float32)

    memory = {
        "read": {"kernel": normal(features, 3 * units), "bias": normal(3 * units)},
        "recurrent": normal(units, 3 * units),
        "offset": normal(units),
    }
    return {"memory": memory, "out": {"kernel": normal(units, 3), "bias": normal(3)}, "table": normal(3, 3)}


def _lists(tree):
    return jax.tree.map(lambda x: np.asarray(x, np.float64).tolist(), tree)


def test_a_cell_by_hand():
    # One unit; only the candidate reads: c = tanh(1 + r d), and r = z = 1/2 from empty weights.
    params = {
        "read": {"kernel": jnp.array([[0.0, 0.0, 1.0]]), "bias": jnp.zeros(3)},
        "recurrent": jnp.array([[0.0, 0.0, 2.0]]),
        "offset": jnp.array([0.5]),
    }
    memories = Gru(1).apply({"params": params}, jnp.ones((2, 1)), method="sequence")[:, 0]
    first = 0.5 * np.tanh(1 + 0.5 * 0.5)
    np.testing.assert_allclose(memories, [first, 0.5 * np.tanh(1 + 0.5 * (2 * first + 0.5)) + 0.5 * first], rtol=1e-6)


def test_rows_equal_plain_loops_and_begin_anew_at_a_reset():
    actor = _random_actor(0, features=3, units=4)
    features = np.random.Generator(np.random.PCG64(1)).standard_normal((7, 2, 3)).astype(np.float32)
    reset = np.array([False, False, False, True, False, True, False])
    head = Head(3, 3, "gru", 4)
    for resets in (None, jnp.asarray(reset)):
        found = row_outputs(head, actor, jnp.asarray(features), resets)
        for g in range(2):
            expected = reference.rows(
                _lists(actor), features[:, g].tolist(), reset if resets is not None else reset & False
            )
            np.testing.assert_allclose(found[:, g], expected, atol=2e-6)


def test_a_fresh_memory_is_that_of_flax():
    import flax.linen as nn

    cell = nn.GRUCell(4)
    theirs = cell.init(jax.random.key(0), jnp.zeros(4), jnp.zeros(3))["params"]
    joined = {
        "read": {
            name: jnp.concatenate([theirs[gate][name] for gate in ("ir", "iz", "in")], -1)
            for name in ("kernel", "bias")
        },
        "recurrent": jnp.concatenate([theirs[gate]["kernel"] for gate in ("hr", "hz", "hn")], -1),
        "offset": theirs["hn"]["bias"] + 0.3,
    }
    theirs["hn"]["bias"] = joined["offset"]
    x, memory = jax.random.normal(jax.random.key(1), (5, 3)), jax.random.normal(jax.random.key(2), (5, 4))
    found = Gru(4).apply({"params": joined}, x, memory)
    np.testing.assert_allclose(found, cell.apply({"params": theirs}, memory, x)[0], atol=1e-6)
    ours = Gru(4).init(jax.random.key(0), x, memory)["params"]
    assert jax.tree.map(jnp.shape, ours) == jax.tree.map(jnp.shape, joined)
    for gate in jnp.split(ours["recurrent"], 3, -1):
        np.testing.assert_allclose(gate.T @ gate, np.eye(4), atol=1e-5)


def test_decisions_equal_plain_loops():
    draw = np.random.Generator(np.random.PCG64(4))
    bars, seeds, inner, width, units = 40, 2, 3, 2, 3
    actors = _random_actor(5, width, units, (seeds, inner))
    actors["memory"]["read"]["bias"][..., units : 2 * units] += 2  # what is remembered would stay beyond a reset
    actors["out"]["kernel"] *= 4
    center, scale = draw.standard_normal((inner, width)), 1 + draw.random((inner, width))
    features = 2 * draw.standard_normal((bars, width))
    owner = np.repeat([0, 2, 1, 3], 10)
    reset = np.arange(bars) % 10 == 0
    static = (("account_inputs", False), ("layers", 1), ("torso", "gru"), ("units", units))
    program = Program("ppo", static, ACTIONS, "next_open", True)
    features32, center32, scale32 = (jnp.asarray(x, jnp.float32) for x in (features, center, scale))
    market = MarketArrays(features32, jnp.ones(bars), jnp.ones(bars))
    found = decide_rows(program, market, actors, center32, scale32, jnp.asarray(owner), jnp.asarray(reset))

    def model(s, i):
        return _lists(jax.tree.map(lambda x: x[s, i], actors)), center[i].tolist(), scale[i].tolist()

    models = [[model(s, i) for s in range(seeds)] for i in range(inner)]
    assert found.tolist() == reference.decisions(models, features.tolist(), owner, reset, ACTIONS)
    assert len(set(found.tolist())) == 3


PANEL = case.panel({"A": case.planted(300, 1), "B": case.planted(280, 2)}, extra=2)
FOLDS = case.folds(PANEL, {0: (200, 240)})
SCALERS = case.scalers(PANEL, FOLDS)

AGENTS = ["direct", *(pytest.param(name, marks=pytest.mark.slow) for name in ("a2c", "dqn", "ppo"))]


def _settings(agent, **changes):
    return {**getattr(Agents(), agent).model_dump(), "alternatives": [], **SMALL, **changes}


def _studio(agent, settings):
    """The studio, program, hyper-parameters and jobs of fold 0, whose last block is shorter than a segment."""
    studio = Studio.open(agent, PANEL, FOLDS, SCALERS, RULES)
    return (
        studio,
        studio.program(settings),
        hyper_of(studio.module, settings),
        studio.jobs(Lane(0, 0, 0, settings), settings["segment"]),
    )


@pytest.mark.parametrize("agent", AGENTS)
def test_every_agent_learns_its_memory_from_its_own_rows(agent):
    further = {"a2c": {"account_inputs": True}, "dqn": {"n_step": 3, "dueling": True}}.get(agent, {})
    studio, program, hyper, jobs = _studio(agent, _settings(agent, **further))
    inner = 2
    job = jax.tree.map(lambda x: x[inner], jobs)
    assert len(set(np.asarray(job.length))) > 1
    keep = np.zeros(len(PANEL.dates), dtype=bool)
    for start, end in fold_rows(FOLDS, PANEL)[0].train[inner]:
        keep[start:end] = True
    run = jax.jit(lambda market: train(studio.module, program, market, studio.numbers, hyper, job))
    poisoned = MarketArrays(*(x.at[~keep].set(jnp.nan) for x in studio.market))
    clean, blind = run(studio.market), run(poisoned)
    for a, b in zip(jax.tree.leaves(clean), jax.tree.leaves(blind), strict=True):
        assert np.isfinite(a).all()
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()
    state, _ = studio.module.begin(program, studio.market, studio.numbers, hyper, job)
    start = studio.module.finish(program, state)
    for before, after in zip(jax.tree.leaves(start["memory"]), jax.tree.leaves(clean.actor["memory"]), strict=True):
        assert np.abs(before - after).max() > 1e-5


@pytest.mark.slow
def test_minibatches_are_whole_segments_in_the_order_of_time(monkeypatch):
    """The policy that acted and the one that learns are the same before a step, so every ratio must be 1."""
    settings = _settings("ppo", minibatches=4, epochs=2, learning_rate=1e-9)
    studio, program, hyper, jobs = _studio("ppo", settings)
    job = jax.tree.map(lambda x: x[0], jobs)
    assert len(job.start) == 6  # not a multiple of 4
    bars = actor_critic.segment_bars(program, studio.market, job, program["segment"])
    width = len(PANEL.feature_names)
    actor = _random_actor(7, width, SMALL["units"])
    critic = {
        **_random_actor(8, width, SMALL["units"]),
        "out": actor_critic._initial(program, width, jax.random.key(0))["critic"]["out"],
    }
    critic["table"] = jnp.zeros((3, 1))
    params = {"actor": jax.tree.map(jnp.asarray, actor), "critic": critic}
    batch, _ = actor_critic._collect(
        program, studio.numbers, hyper, bars, params, rollout_draws(jax.random.key(3), 6, program["passes"], 3)
    )

    def off_one(log_policy, value, part, clip, entropy):
        chosen = jnp.take_along_axis(jnp.stack(log_policy, -1), part.action[..., None], -1)[..., 0]
        return jnp.abs(chosen - part.log_probability).max(), part.weight.sum()

    monkeypatch.setattr(actor_critic, "loss", off_one)
    optimiser = actor_critic.optimiser_of(program, hyper)
    learn = partial(actor_critic._learn, program, hyper, hyper.clip, optimiser)
    order = actor_critic._drawn_order(program, 6, jax.random.key(4))
    state, given = actor_critic.State(params, optimiser.init(params)), actor_critic.Given(None, order, None, None)
    _, distance, decisions = jax.jit(learn)(batch, state, given)
    assert distance.shape == (8,)
    assert float(distance.max()) < 1e-4
    assert (decisions > 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("n_step", [1, 3])
def test_action_values_ahead_are_those_of_the_same_segment(n_step):
    settings = _settings("dqn", n_step=n_step, batch=120)
    studio, program, hyper, jobs = _studio("dqn", settings)
    job = jax.tree.map(lambda x: x[2], jobs)
    bars = dqn.segment_bars(program, studio.market, job, program["segment"])
    outcomes = dqn._outcomes(program, studio.numbers, hyper, bars, job)
    _, (draws,) = dqn._bar_draws(program, job, jax.random.key(0))
    assert draws.shape == (3, settings["steps"], 100)  # two whole segments of 50
    length, groups = np.asarray(job.length), len(job.start)
    first = np.asarray(draws[..., :2]).reshape(-1, 2)
    row = np.asarray(draws).reshape(-1, 100)[(length[first] < 50).any(-1).argmax()]  # one of them a short one
    assert (row.reshape(50, 2) == np.arange(50)[:, None] * groups + row[:2]).all()
    ahead = row + groups * np.arange(n_step + 1)[:, None]
    actor = _random_actor(9, len(PANEL.feature_names), SMALL["units"])
    seen, outputs = dqn._reader(program, outcomes, jnp.asarray(ahead))
    found = np.asarray(outputs(actor, seen))
    for place, segment in enumerate(row[:2]):
        expected = reference.rows(_lists(actor), np.asarray(bars.features[:, segment]).tolist(), np.zeros(51, bool))
        for k in range(n_step + 1):
            at = np.minimum(np.arange(50) + k, 50)
            np.testing.assert_allclose(found[k, place::2], np.array(expected)[at], atol=2e-5)
    weight = np.asarray(dqn._pair_weights(program, outcomes, jnp.asarray(row)))
    inside = (np.arange(50)[:, None] < length[row[:2]]).reshape(-1)
    assert not inside.all()
    assert (weight == inside[:, None, None]).all()


def test_what_a_memory_cannot_do_is_refused():
    with pytest.raises(ValueError, match="layers must be 1 with `torso: gru`"):
        A2c(torso="gru", layers=2)
    with pytest.raises(ValueError, match="pairs must be all with `torso: gru`"):
        Dqn(torso="gru", pairs="sampled")
    assert A2c(torso="tanh", layers=2).layers == 2
    lane = Lane(4, 0, 1, _settings("ppo", minibatches=100))
    with pytest.raises(
        TrainingError, match="Trial 4, fold 0, seed 1 asks for 100 minibatches, but the train span has 6 segments"
    ):
        train_lanes("ppo", [lane], PANEL, FOLDS, SCALERS, RULES, Gate())
