"""The options of training that are off by default: schedules, the clip of the gradient, dropout; by hand."""

import importlib.util
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from outsample.agents import a2c, dqn, ppo
from outsample.agents.network import Dropout, Head, drop, row_outputs
from outsample.agents.studio import Lane, Studio
from outsample.agents.training import Program, hyper_of, job_key, optimiser_of, train
from outsample.config.agents import A2c
from outsample.market.accounting import MarketRules

_SPEC = importlib.util.spec_from_file_location("agents_case", Path(__file__).parents[1] / "reference/agents_case.py")
case = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(case)

RULES = MarketRules("next_open", cost_rate=6e-4, borrow_per_bar=0.0, short_selling=True, grid=0.01, band=0.0)
PANEL = case.panel({"A": case.planted(200, 1)})
FOLDS = case.folds(PANEL, {0: (160, 200)})
STUDIO = Studio.open("a2c", PANEL, FOLDS, case.scalers(PANEL, FOLDS), RULES)
EIGHT_STEPS = {
    "ppo": {"updates": 2, "epochs": 2, "minibatches": 2},
    "dqn": {"updates": 2, "steps": 4},
    "a2c": {"updates": 8},
}


def _steps(agent="a2c", gradient=1.0, **changes):
    """Steps of AdamW 0 .. 7 of 8, on a gradient that stays the same: each is the size of the step."""
    settings = {"learning_rate_schedule": "constant", **EIGHT_STEPS[agent], **changes}
    program = Program(agent, tuple(sorted(settings.items())), (-1, 0, 1), "next_open", True)
    hyper = hyper_of(a2c, {**A2c().model_dump(), "learning_rate": 0.08, "weight_decay": 0.0, "gradient_norm": 0})
    optimiser = optimiser_of(program, hyper)
    params = {"w": jnp.zeros(2)}
    state, taken = optimiser.init(params), []
    for _ in range(8):
        change, state = optimiser.update({"w": jnp.full(2, gradient)}, state, params)
        taken.append(-float(change["w"][0]))
    return taken


@pytest.mark.parametrize("agent", EIGHT_STEPS)
def test_step_sizes_of_the_first_the_middle_and_the_last_step(agent):
    first, middle, last = 0, 4, 7
    for schedule, expected in {
        "constant": (0.08, 0.08, 0.08),
        "linear": (0.08, 0.04, 0.01),  # 1 - 7/8 is left at the last step
        "cosine": (0.08, 0.04, 0.08 * 0.03806023),  # (1 + cos(7 pi / 8)) / 2
    }.items():
        taken = _steps(agent, learning_rate_schedule=schedule)
        np.testing.assert_allclose([taken[first], taken[middle], taken[last]], expected, rtol=1e-4)


@pytest.mark.parametrize(("norm", "expected"), [(0.0, 5.0), (1.0, 1.0), (7.0, 5.0)])
def test_gradient_is_cut_over_all_parameters_together(norm, expected):
    program = Program("a2c", (("learning_rate_schedule", "constant"), ("updates", 8)), (-1, 0, 1), "next_open", True)
    optimiser = optimiser_of(program, hyper_of(a2c, {**A2c().model_dump(), "gradient_norm": norm}))
    params = {"actor": jnp.zeros(1), "critic": jnp.zeros(1)}
    gradient = {"actor": jnp.array([3.0]), "critic": jnp.array([-4.0])}
    _, state = optimiser.update(gradient, optimiser.init(params), params)
    first_moment = np.asarray(optax.tree.get(state, "mu")) / (1 - 0.9)  # what AdamW has seen
    np.testing.assert_allclose(first_moment, [0.6 * expected, -0.8 * expected], rtol=1e-5)


def test_a_setting_of_0_leaves_no_number_in_the_program():
    off = hyper_of(a2c, A2c().model_dump())
    on = hyper_of(a2c, {**A2c().model_dump(), "gradient_norm": 0.5})
    assert off.gradient_norm is None
    assert on.gradient_norm == jnp.float32(0.5)
    assert on._replace(gradient_norm=None) == off


@pytest.mark.parametrize(
    ("agent", "changes"),
    [
        (ppo, {"torso": "relu", "units": 8, "layers": 2, "dropout": 0.1, "entropy_schedule": "linear"}),
        (ppo, {"torso": "gru", "units": 8, "minibatches": 2}),
        (dqn, {"torso": "relu", "units": 8, "pairs": "sampled", "prioritised": True}),
        (dqn, {"torso": "relu", "units": 8, "account_inputs": True}),
        (a2c, {"torso": "tanh", "units": 8}),
    ],
)
def test_what_chance_gives_to_an_update_depends_neither_on_the_size_of_the_network_nor_on_later_ones(agent, changes):
    settings = {**agent.SETTINGS().model_dump(), "segment": 30, "updates": 4, **changes}
    static = tuple((name, settings[name]) for name in agent.STATIC)
    program = Program(agent.__name__.rpartition(".")[2], static, (-1, 0, 1), "next_open", True)
    least = program.of_draws(7)
    assert (least["units"], least["layers"]) == (1, 1)
    job = jax.tree.map(lambda x: x[0], STUDIO.jobs(Lane(0, 0, 0, settings), 30))

    @partial(jax.jit, static_argnums=0)
    def given(program):
        inputs = agent.begin(program, STUDIO.market, STUDIO.numbers, hyper_of(agent, settings), job)[1]
        return [jax.random.key_data(x) if x.dtype == job_key(job).dtype else x for x in jax.tree.leaves(inputs)]

    for one, other in zip(given(program), given(least), strict=True):
        assert (len(one), len(other)) == (4, 7)  # one for each update
        assert np.array_equal(one, other[:4])


def _program_and_job(**changes):
    settings = {**A2c().model_dump(), "segment": 30, "updates": 4, **changes}
    return settings, STUDIO.program(settings), jax.tree.map(lambda x: x[0], STUDIO.jobs(Lane(0, 0, 0, settings), 30))


@pytest.fixture(scope="module")
def case_of_update():
    """The update of one model of `a2c` as a function of (weight of the entropy, what is given to it); what is given."""
    settings, program, job = _program_and_job(torso="tanh", entropy_schedule="linear", dropout=0.5)
    begin = jax.jit(a2c.begin, static_argnums=0)
    state, given = begin(program, STUDIO.market, STUDIO.numbers, hyper_of(a2c, settings), job)
    # A policy that is not uniform, so that its entropy has a gradient and its hidden units matter.
    state.params["actor"]["table"] = jnp.arange(9.0).reshape(3, 3) / 10
    state.params["actor"]["out"]["kernel"] = jnp.arange(24.0).reshape(8, 3) % 7 - 3.0

    @jax.jit
    def update(entropy, given):
        rate = None if given.dropout is None else settings["dropout"]
        hyper = hyper_of(a2c, settings)._replace(entropy=entropy, dropout=rate)
        after, curve = a2c.updater(program, STUDIO.market, STUDIO.numbers, hyper, job)(state, given)
        return optax.tree.get(after.moments, "mu"), curve

    return update, given


@pytest.mark.slow
def test_weight_of_the_entropy_falls_with_the_place_of_the_update(case_of_update):
    update, given = case_of_update
    assert given.update.tolist() == [0, 1, 2, 3]
    third = jax.tree.map(lambda x: x[2], given)._replace(dropout=None)
    constant = third._replace(update=None)
    half, same, full = (np.asarray(update(*of)[0]) for of in ((2.0, third), (1.0, constant), (2.0, constant)))
    np.testing.assert_allclose(half, same, atol=1e-7)
    assert np.abs(half - full).max() > 1e-4


@pytest.mark.slow
def test_dropout_is_in_gradient_steps_only(case_of_update):
    update, given = case_of_update
    assert len(np.unique(jax.random.key_data(given.dropout), axis=0)) == 4
    first = jax.tree.map(lambda x: x[0], given)._replace(update=None)
    given_keys = (given.dropout[0], given.dropout[1], None)
    moments, curves = zip(*(update(0.02, first._replace(dropout=key)) for key in given_keys), strict=True)
    for curve in curves:  # all roll out the whole network
        np.testing.assert_allclose(curve.reward, curves[0].reward, rtol=1e-6)
    for other in moments[1:]:
        assert np.abs(np.asarray(other - moments[0])).max() > 1e-4


def test_dropout_keeps_the_mean_and_its_keys_differ():
    ones = jnp.ones(100_000)
    rate = jnp.float32(0.2)
    a, b = (np.asarray(drop(ones, Dropout(rate, jax.random.key(seed)))) for seed in range(2))
    assert set(np.unique(a)) == {0.0, np.float32(1 / np.float32(1 - rate))}
    assert (a == 0).mean() == pytest.approx(0.2, abs=0.005)
    assert a.mean() == pytest.approx(1, abs=0.01)
    assert (a != b).mean() == pytest.approx(2 * 0.2 * 0.8, abs=0.01)


@pytest.mark.parametrize("layers", [1, 2])
def test_dropout_leaves_out_hidden_units_of_each_layer(layers):
    head = Head(1, 1, "relu", 50, layers)
    identity = {"kernel": jnp.eye(50), "bias": jnp.zeros(50)}
    params = {"out": {"kernel": jnp.full((50, 1), 1 / 50), "bias": jnp.zeros(1)}, "table": jnp.zeros((1, 1))}
    params |= {"hidden": identity} | ({"deeper_0": identity} if layers == 2 else {})
    features = jnp.ones((2000, 50))
    np.testing.assert_allclose(row_outputs(head, params, features), 1, rtol=1e-6)
    found = np.asarray(row_outputs(head, params, features, dropout=Dropout(jnp.float32(0.5), jax.random.key(0))))
    assert found.mean() == pytest.approx(1, abs=0.02)
    # Each of 50 units is 2 with probability 1/2; of two layers, 4 with probability 1/4.
    assert found.std() == pytest.approx(np.sqrt({1: 1, 2: 3}[layers] / 50), rel=0.1)


@pytest.mark.slow
def test_numbers_of_the_options_are_traced():
    settings, program, job = _program_and_job(
        learning_rate_schedule="cosine", entropy_schedule="linear", reward="mixed", torso="tanh"
    )
    run = jax.jit(lambda hyper: train(a2c, program, STUDIO.market, STUDIO.numbers, hyper, job).actor["table"])
    numbers = {"gradient_norm": 1e-8, "learning_rate": 0.02, "reward_rate": 0.05, "drawdown_penalty": 5.0}
    numbers["dropout"] = 0.5
    first, *others = (
        run(hyper_of(a2c, {**settings, "gradient_norm": 1.0, "dropout": 0.1, **change}))
        for change in ({}, *({name: value} for name, value in numbers.items()))
    )
    assert run._cache_size() == 1
    for other in others:
        assert not np.array_equal(first, other)
