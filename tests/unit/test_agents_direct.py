"""The gradient through the market against finite differences of plain loops, what each switch does, and its lanes."""

import dataclasses
import importlib.util
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from outsample.agents import direct
from outsample.agents.export import jax_targets, policy_document, to_onnx
from outsample.agents.lanes import fit_final, train_lanes
from outsample.agents.network import Head, row_outputs
from outsample.agents.onnx import OnnxPolicy
from outsample.agents.rollout import RUIN_RETURN, SegmentBars
from outsample.agents.studio import Lane
from outsample.agents.training import Job, MarketArrays, Program, RuleNumbers, train
from outsample.config.agents import Direct
from outsample.config.models import Gate
from outsample.market.accounting import MarketRules


def _load(name):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1] / f"reference/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reference, case = _load("direct"), _load("agents_case")

COST, BORROW = 0.01, 0.002  # large, so that a wrong sign of either shows
SHORT, LONG = (-1, 0, 1), (0, 1)


def _program(actions=SHORT, **settings):
    few = {"segment": 6, "torso": "linear", "units": 3, "updates": 5}
    static = {name: value for name, value in Direct().model_dump().items() if name in direct.STATIC} | few | settings
    return Program("direct", tuple(sorted(static.items())), actions, "next_open", actions == SHORT)


def _numbers(cost=COST, borrow=BORROW):
    return RuleNumbers(cost, borrow, 0.01, 0.0)


def _case(seed, actions=SHORT, steps=6, segments=2):
    """Rows, table, fills and closes, with the second segment cut after 4 steps."""
    draw = np.random.Generator(np.random.PCG64(seed))
    count = len(actions)
    closes = np.exp(np.cumsum(0.03 * draw.standard_normal((steps, segments)), axis=0))
    fills = closes * np.exp(0.02 * draw.standard_normal((steps, segments)))
    valid = np.arange(steps)[:, None] < np.array([steps, 4])
    return draw.standard_normal((steps, segments, count)), draw.standard_normal((count, count)), fills, closes, valid


def _by_loops(rows, table, fills, closes, valid, actions, account=None):
    """Net log returns [L, G] of the reference; 0 where invalid."""
    result = np.zeros(valid.shape)
    for g in range(valid.shape[1]):
        n = int(valid[:, g].sum())
        result[:n, g] = reference.log_returns(
            rows[:n, g].tolist(), table.tolist(), actions, fills[:n, g], closes[:n, g], 1.0, COST, BORROW, account
        )
    return result


def _score(name, log_return, valid):
    kept = log_return[valid]
    return 100 * kept.mean() if name == "return" else kept.mean() / np.sqrt(kept.var() + 1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("actions", [SHORT, LONG])
@pytest.mark.parametrize("name", ["return", "sharpe"])
@pytest.mark.parametrize("seed", range(2))
def test_the_gradient_is_that_of_finite_differences(actions, name, seed):
    rows, table, fills, closes, valid = _case(seed, actions)
    given = (rows, table)
    if seed == 1:  # a policy that reads its account
        given = (rows, table, np.random.Generator(np.random.PCG64(9)).standard_normal((2, len(actions))))

    def by_loops(rows, table, *account):
        return _score(name, _by_loops(rows, table, fills, closes, valid, actions, *account), valid)

    def by_market(rows, table, *account):
        bars = SegmentBars(jnp.zeros(()), jnp.asarray(fills), jnp.asarray(closes), jnp.asarray(valid))
        held = direct.hold(_program(actions), _numbers(), bars, rows, table, *account)
        return direct.objective(name, held.log_return, held.valid)

    with jax.enable_x64(True):
        value, gradients = jax.value_and_grad(by_market, argnums=range(len(given)))(*map(jnp.asarray, given))
        value, gradients = float(value), [np.asarray(g) for g in gradients]
    assert value == pytest.approx(by_loops(*given), rel=1e-10)
    for place, (array, gradient) in enumerate(zip(given, gradients, strict=True)):
        for index in np.ndindex(array.shape):
            ends = []
            for shift in (1e-5, -1e-5):
                moved = [values.copy() for values in given]
                moved[place][index] += shift
                ends.append(by_loops(*moved))
            assert gradient[index] == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-5, abs=1e-8), (place, index)
    assert (gradients[0][:4] != 0).all()
    assert (gradients[0][4:, 1] == 0).all()  # beyond the end of the short segment


def _held(rows, closes, valid, table=None, numbers=None, actions=SHORT):
    """Fills at the close before, and closes [L, G]."""
    fills = np.concatenate([np.ones_like(closes[:1]), closes[:-1]])
    bars = SegmentBars(jnp.zeros(()), *(jnp.asarray(x, jnp.float32) for x in (fills, closes)), jnp.asarray(valid))
    table = jnp.zeros((len(actions), len(actions))) if table is None else table
    return direct.hold(_program(actions), numbers or _numbers(0.0, 0.0), bars, jnp.asarray(rows, jnp.float32), table)


def test_an_undecided_policy_has_a_gradient():
    """A position of exactly 0 is where training begins; rounding or an unchanged target would have none there."""
    closes = np.cumprod(np.full((4, 1), 1.02), axis=0)

    def score(rows):
        held = _held(rows, closes, np.ones((4, 1), bool))
        return direct.objective("return", held.log_return, held.valid)

    gradient = jax.grad(score)(jnp.zeros((4, 1, 3)))
    # d position / d logits of a uniform softmax is (action - mean) / 3; each step earns 2 % of it
    np.testing.assert_allclose(gradient[:, 0], np.tile([-1, 0, 1], (4, 1)) * 100 * 0.02 / 4 / 3, rtol=1e-3)


def test_segments_begin_flat_and_remember_their_own_position_only():
    table = jnp.asarray([[0.0, 0.0, 0.0], [0.0, 50.0, 0.0], [0.0, 0.0, 50.0]])
    rows = np.zeros((3, 2, 3))
    rows[0, 1] = [0.0, 0.0, 200.0]  # the second segment is pushed long once
    held = _held(rows, np.ones((3, 2)), np.ones((3, 2), bool), table)
    np.testing.assert_allclose(held.share[:, 0], np.tile([0, 1, 0], (3, 1)), atol=1e-6)
    np.testing.assert_allclose(held.share[:, 1], np.tile([0, 0, 1], (3, 1)), atol=1e-6)


def test_ruin_ends_a_segment_once_and_leaves_the_gradient_finite():
    closes = np.array([[1.0], [3.0], [3.0], [1.0]])  # held short, it meets a price that triples

    def score(rows):
        held = _held(rows, closes, np.ones((4, 1), bool))
        return direct.objective("return", held.log_return, held.valid), held

    rows = jnp.broadcast_to(jnp.array([60.0, 0.0, 0.0]), (4, 1, 3))
    (_, held), gradient = jax.value_and_grad(score, has_aux=True)(rows)
    assert held.valid[:, 0].tolist() == [True, True, False, False]
    assert held.log_return[:, 0].tolist() == [0.0, RUIN_RETURN, 0.0, 0.0]
    assert np.isfinite(gradient).all()


def _job_and_market(seed=3, bars=60):
    draw = np.random.Generator(np.random.PCG64(seed))
    returns = 0.02 * draw.standard_normal(bars)
    close = np.exp(np.cumsum(returns))
    features = np.stack([np.r_[returns[1:], 0.0] * 50, draw.standard_normal(bars)], axis=1)  # the first tells the next
    market = MarketArrays(*(jnp.asarray(x, jnp.float32) for x in (features, np.r_[1.0, close[:-1]], close)))
    start, length = jnp.arange(0, 54, 6), jnp.full(9, 6)
    return market, Job(jnp.uint32(seed), 0, 0, start, length, jnp.zeros(2), jnp.ones(2))


def _train(**settings):
    market, job = _job_and_market()
    hyper = direct.Hyper(jnp.float32(0.05), jnp.float32(0.1))
    program = _program(**settings)
    return (
        program,
        market,
        job,
        train(direct, program, market, RuleNumbers(*map(jnp.float32, (6e-4, 0, 0.01, 0))), hyper, job),
    )


@pytest.mark.parametrize("torso", ["linear", "tanh"])
@pytest.mark.parametrize("name", ["return", "sharpe"])
@pytest.mark.slow
def test_each_switch_learns_what_it_says(torso, name):
    _, _, _, trained = _train(torso=torso, objective=name, updates=60)
    assert trained.curve.finite.all()
    assert ("hidden" in trained.actor) == (torso == "tanh")
    np.testing.assert_allclose(trained.curve.entropy[0], np.log(3), atol=1e-5)
    assert abs(trained.curve.reward[0]) < 1e-6
    if name == "return":
        assert trained.curve.reward[-1] > 0.005
        np.testing.assert_allclose(trained.curve.loss, -100 * trained.curve.reward, rtol=1e-5, atol=1e-7)
    else:
        assert trained.curve.reward[-1] > 0
        assert -3 < trained.curve.loss[-1] < -0.5  # a Sharpe ratio a bar, negated


def test_the_actor_is_a_head_that_all_deciders_read():
    _, market, _, trained = _train(torso="tanh")
    head = Head(outputs=3, positions=3, torso="tanh", units=3)
    assert row_outputs(head, trained.actor, market.features).shape == (60, 3)
    assert trained.actor["table"].shape == (3, 3)


@pytest.mark.slow
def test_a_decay_shrinks_the_weights():
    market, job = _job_and_market()
    numbers = RuleNumbers(*map(jnp.float32, (6e-4, 0, 0.01, 0)))

    def size(decay):
        hyper = direct.Hyper(jnp.float32(0.05), jnp.float32(decay))
        actor = train(direct, _program(updates=40), market, numbers, hyper, job).actor
        return float(jnp.abs(actor["out"]["kernel"]).sum())

    assert size(5.0) < 0.7 * size(0.0)


RULES = MarketRules("next_open", cost_rate=6e-4, borrow_per_bar=4e-5, short_selling=True, grid=0.01, band=0.0)
PANEL = case.panel({"A": case.planted(300, 1), "B": case.planted(280, 2)}, extra=2)
FOLDS = case.folds(PANEL, {0: (200, 240), 1: (240, 280), -1: (280, 280)})
SCALERS = case.scalers(PANEL, FOLDS)
PARAMS = {**Direct(alternatives=[]).model_dump(), "updates": 4, "segment": 30}
LANES = [
    Lane(0, 0, 0, PARAMS),
    Lane(0, 1, 0, PARAMS),
    Lane(0, 0, 1, PARAMS),
    Lane(1, 0, 0, {**PARAMS, "learning_rate": 0.1, "weight_decay": 0.0}),
    Lane(2, 1, 1, {**PARAMS, "torso": "linear", "objective": "sharpe"}),
]
TABLES = ("targets", "lanes", "curves")


def _train_all(lanes, panel=PANEL, rules=RULES):
    return train_lanes("direct", lanes, panel, FOLDS, SCALERS, rules, Gate())


@pytest.fixture(scope="module")
def together():
    return _train_all(LANES)


def _of(frame, lane):
    rows = (frame["trial"] == lane.trial) & (frame["fold"] == lane.fold) & (frame["seed"] == lane.seed)
    return frame[rows].reset_index(drop=True)


@pytest.mark.parametrize("index", [0, 4])
@pytest.mark.slow
def test_a_lane_alone_gives_the_same_bits(together, index):
    alone = _train_all([LANES[index]])
    for name in TABLES:
        pd.testing.assert_frame_equal(
            getattr(alone, name), _of(getattr(together, name), LANES[index]), check_exact=True
        )


@pytest.mark.slow
def test_seeds_and_settings_matter(together):
    first = _of(together.curves, LANES[0])["loss"]
    for other in LANES[2:]:
        assert not np.array_equal(first, _of(together.curves, other)["loss"])


@pytest.mark.slow
def test_rows_outside_the_fold_do_not_matter(together):
    outside = np.ones(len(PANEL.dates), dtype=bool)
    for symbol in range(2):
        start = PANEL.rows(symbol).start
        outside[start + 10 : start + 240] = False  # fold 0 trains and tests in rows 10 .. 239
    prices = {name: np.where(outside, np.nan, getattr(PANEL, name)) for name in ("open", "close")}
    features = np.where(outside[:, None], np.nan, PANEL.features)
    alone = _train_all([LANES[0]], dataclasses.replace(PANEL, features=features, **prices))
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(alone, name), _of(getattr(together, name), LANES[0]), check_exact=True)


@pytest.mark.slow
def test_without_short_selling_no_target_is_negative():
    result = _train_all([LANES[0]], rules=dataclasses.replace(RULES, short_selling=False))
    assert set(result.targets["target"]) <= {0.0, 1.0}
    assert (result.curves["entropy"] <= np.log(2) + 1e-6).all()


@pytest.mark.slow
def test_a_final_policy_is_exported_and_decides_as_it_was_trained():
    policy = fit_final("direct", PARAMS, 2, PANEL, FOLDS, SCALERS, RULES, Gate())
    policy = dataclasses.replace(policy, gate_open=True)
    model = to_onnx(policy)
    decider = OnnxPolicy(model, policy_document(policy, model))
    position = np.tile([-1.0, 0.0, 1.0], 100)[: len(PANEL.features)]
    wanted, preference = jax_targets(policy, PANEL.features[:300], position)
    assert policy.models == 8
    np.testing.assert_allclose(decider.run(PANEL.features[:300], position)[1], preference, atol=1e-5)
    assert (decider.run(PANEL.features[:300], position)[0] == wanted).mean() > 0.99


@pytest.mark.slow
def test_a_breakdown_names_what_can_be_lowered(caplog):
    huge = PANEL.features * np.array([5e39] * 10 + [1.0] * 2)  # finite in float32, but not once scaled
    lane = Lane(4, 1, 2, {**PARAMS, "torso": "linear"})
    found = _train_all([lane], dataclasses.replace(PANEL, features=huge))
    assert found.lanes["failure"][0].startswith("inner fold 0, update ")
    assert re.search(r"Trial 4, fold 1, seed 2 broke down.*inner fold 0; lower learning_rate\.", caplog.text)
