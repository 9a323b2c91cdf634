"""Policies that read their unrealised result and holding time: every way to take a decision takes the same one."""

import dataclasses
import importlib.util
import itertools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from outsample.agents import account, direct, export
from outsample.agents.decide import decide_rows
from outsample.agents.lanes import fit_final
from outsample.agents.network import row_outputs
from outsample.agents.onnx import OnnxPolicy, decide
from outsample.agents.policy import FinalPolicy
from outsample.agents.rollout import roll_out, rollout_draws, segment_bars
from outsample.agents.training import Job, MarketArrays, Program, RuleNumbers
from outsample.config.agents import Agents
from outsample.config.models import Gate
from outsample.market import holding
from outsample.market.accounting import MarketRules

pytestmark = pytest.mark.slow

_SPEC = importlib.util.spec_from_file_location("agents_case", Path(__file__).parents[1] / "reference/agents_case.py")
case = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(case)

BARS, SURE = 90, 1e4  # a policy so sure of itself draws what it prefers
PANEL = case.panel({"A": case.planted(BARS, 1)})
PANEL = dataclasses.replace(PANEL, open=PANEL.open * np.exp(0.01 * np.sin(np.arange(BARS))))
DRAW = np.random.Generator(np.random.PCG64(11))
ACTOR = {
    "out": {
        "kernel": DRAW.standard_normal((case.LAGS, 3)).astype(np.float32),
        "bias": DRAW.standard_normal(3).astype(np.float32),
    },
    "table": (2 * DRAW.standard_normal((3, 3))).astype(np.float32),
    "account": (4 * DRAW.standard_normal((2, 3))).astype(np.float32),
}
SCALE = np.full((1, case.LAGS), 0.01, np.float32)
NUMBERS = RuleNumbers(*map(jnp.float32, (6e-4, 4e-5, 0.01, 0.0)))


def _program(agent, fill, **settings):
    static = {"account_inputs": True, "layers": 1, "torso": "linear", "units": 1, "segment": BARS - 1} | settings
    return Program(agent, tuple(sorted(static.items())), (-1, 0, 1), fill, True)


def _market():
    return MarketArrays(*(jnp.asarray(x, jnp.float32) for x in (PANEL.features, PANEL.open, PANEL.close)))


def _bars(program, center=0.0, scale=0.01):
    span = (jnp.array([0]), jnp.array([BARS - 1]))
    width = jnp.ones(case.LAGS)
    job = Job(jnp.uint32(0), jnp.int32(0), jnp.int32(0), *span, center * width, scale * width)
    return segment_bars(program, _market(), job, BARS - 1)


def test_rollouts_gate_and_export_decide_alike():
    fill = "next_open"
    policy = FinalPolicy(
        **{"agent": "ppo", "features": PANEL.feature_names, "actions": (-1, 0, 1), "torso": "linear", "units": 1},
        **{"layers": 1, "fill": fill, "seeds": 1, "actor": jax.tree.map(lambda x: x[None], ACTOR)},
        **{"center": np.zeros_like(SCALE), "scale": SCALE, "networks": ("linear",)},
        **{"gate_level": 0.05, "gate_bound": 1.0, "gate_open": True},
        curves=pd.DataFrame(),
    )
    model = export.to_onnx(policy)
    wanted = decide(OnnxPolicy(model, export.policy_document(policy, model)), PANEL).target
    assert np.unique(wanted, return_counts=True)[1].min() > 5

    program = _program("ppo", fill)
    actors = jax.tree.map(lambda x: jnp.asarray(x)[None, None], ACTOR)
    reset = jnp.arange(BARS) == 0
    found = decide_rows(program, _market(), actors, jnp.zeros_like(SCALE), SCALE, jnp.zeros(BARS, jnp.int32), reset)
    assert np.array_equal(found, wanted)

    bars = _bars(program)
    rows = row_outputs(program.head(3), ACTOR, bars.features[:-1])
    sure = jax.nn.log_softmax(SURE * (rows[:, :, None] + ACTOR["table"]))
    rolled = roll_out(
        program, NUMBERS, bars, sure, rollout_draws(jax.random.key(1), 1, 8, 3), SURE * jnp.asarray(ACTOR["account"])
    )
    from_flat = np.flatnonzero(rolled.position[0, 0] == 1)
    assert len(from_flat)
    assert np.array_equal(rolled.action[:, 0, from_flat[0]] - 1, wanted[:-1])

    held = direct.hold(
        *(program, NUMBERS, bars, SURE * rows, SURE * jnp.asarray(ACTOR["table"])),
        SURE * jnp.asarray(ACTOR["account"]),
    )
    assert np.array_equal(held.share[:, 0].argmax(-1) - 1, wanted[:-1])


@pytest.mark.parametrize("fill", ["next_open", "next_close"])
def test_a_rollout_records_what_its_account_tells(fill):
    program = _program("ppo", fill)
    bars = _bars(program)
    stay = jnp.log(jnp.where(jnp.eye(3) > 0, 0.9, 0.05))
    log_policy = jnp.broadcast_to(stay, (BARS - 1, 1, 3, 3))
    draws = rollout_draws(jax.random.key(3), 1, 3, 3)
    rolled = roll_out(program, NUMBERS, bars, log_policy, draws, jnp.zeros((2, 3)))
    plain = roll_out(program, NUMBERS, bars, log_policy, draws)
    assert np.array_equal(rolled.action, plain.action)  # weights of 0 change no decision
    assert np.array_equal(rolled.log_return, plain.log_return)
    assert plain.numbers is None
    unit = PANEL.close[0]
    fills = (PANEL.open if fill == "next_open" else PANEL.close) / unit
    oldest = 0.0
    for lane in range(3):
        target = float(rolled.position[0, 0, lane]) - 1
        now = holding.Holding(target, 1.0, float(target != 0))  # a start position counts as filled at the first close
        for t in range(BARS - 1):
            read = holding.policy_numbers(np, holding.unrealised(np, now, PANEL.close[t] / unit), np.array(now.bars))
            np.testing.assert_allclose([of[t, 0, lane] for of in rolled.numbers], read, atol=1e-4)
            now = holding.advance(np, now, float(rolled.action[t, 0, lane]) - 1, fills[t + 1])
            later = holding.unrealised(np, now, PANEL.close[t + 1] / unit)
            read = holding.policy_numbers(np, later, np.array(now.bars))
            np.testing.assert_allclose([of[t, 0, lane] for of in rolled.next_numbers], read, atol=1e-4)
            oldest = max(oldest, float(now.bars))
    assert oldest > 10


def test_the_accounts_of_all_pairs_are_those_of_the_bars_before():
    """Two segments side by side; each position was filled `age - 1` bars before, or at the first close."""
    draw = np.random.Generator(np.random.PCG64(2))
    fill, close = np.exp(0.03 * draw.standard_normal((2, 7, 2)))
    fill[0] = close[0] = 1.0
    prices = account.Prices(*(jnp.asarray(x.reshape(-1), jnp.float32) for x in (fill, close)))
    pairs = [(t, g, age) for t, g in itertools.product(range(6), range(2)) for age in range(1, t + 2)]
    time, segment, age = (jnp.array(column) for column in zip(*pairs, strict=True))
    found = account.pair_accounts(prices, 2 * time + segment, age, 2, (-1, 0, 1))
    for row, (t, g, held) in enumerate(pairs):
        for p, target in enumerate((-1.0, 0.0, 1.0)):
            now = holding.flat(np, ())
            for past in range(t - held + 1, t + 1):
                now = holding.advance(np, now, target, fill[past, g])
            kept = holding.advance(np, now, target, fill[t + 1, g])
            taken = holding.advance(np, holding.flat(np, ()), target, fill[t + 1, g])
            for numbers, state, bar in zip(found, (now, kept, taken), (t, t + 1, t + 1), strict=True):
                wanted = holding.policy_numbers(np, holding.unrealised(np, state, close[bar, g]), state.bars)
                np.testing.assert_allclose([of[row, p] for of in numbers], wanted, atol=1e-4)


def test_drawn_ages_reach_from_1_to_the_start_of_the_segment():
    time = jnp.repeat(jnp.array([0, 1, 40]), 4000)
    drawn = account.ages(time, jax.random.uniform(jax.random.key(0), time.shape)).reshape(3, -1)
    assert [(int(of.min()), int(of.max())) for of in drawn] == [(1, 1), (1, 2), (1, 41)]
    # log(1 + bars) is about uniform: half of the ages are below the root of the largest.
    assert (drawn[2] < 42**0.5).mean() == pytest.approx(0.5, abs=0.05)


def test_a_mixture_of_whole_shares_keeps_the_account_of_a_position():
    target = [1, 1, 1, -1, -1, 0, 1, 1]
    move, since_fill = 0.01 * np.random.Generator(np.random.PCG64(6)).standard_normal((2, 8))
    actions = jnp.array([-1.0, 0.0, 1.0])
    share, known = jnp.array([[0.0, 1.0, 0.0]]), direct.Mixed(jnp.zeros((1, 3)), jnp.zeros((1, 3)))
    log_price, state = 0.0, holding.flat(np, ())
    for t, asked in enumerate(target):
        before, share = share, (actions == asked).astype(jnp.float32)[None]
        prices = jnp.array([move[t]]), jnp.array([since_fill[t]])
        known = direct.mixed_account(known, before, share, actions, *prices)
        log_price += move[t]
        state = holding.advance(np, state, float(asked), np.exp(log_price - since_fill[t]))
        wanted = (holding.unrealised(np, state, np.exp(log_price)), state.bars)
        np.testing.assert_allclose([known.gain[0, asked + 1], known.bars[0, asked + 1]], wanted, atol=1e-6)


def test_a_share_that_grows_is_younger_by_average_cost():
    actions, prices = jnp.array([0.0, 1.0]), (jnp.array([0.02]), jnp.array([0.01]))
    known = direct.Mixed(jnp.array([[0.0, 0.1]]), jnp.array([[0.0, 4.0]]))
    shares = jnp.array([[0.8, 0.2]]), jnp.array([[0.2, 0.8]])
    grown = direct.mixed_account(known, *shares, actions, *prices)  # a quarter goes on, the rest is new
    np.testing.assert_allclose(grown.gain, [[0, 0.25 * 0.12 + 0.75 * 0.01]], atol=1e-7)
    np.testing.assert_allclose(grown.bars, [[0, 0.25 * 4 + 1]], atol=1e-6)
    shrunk = direct.mixed_account(known, *shares[::-1], actions, *prices)
    np.testing.assert_allclose([shrunk.gain[0, 1], shrunk.bars[0, 1]], [0.12, 5], atol=1e-6)


def test_the_gradient_of_the_mixture_is_finite_at_shares_of_0():
    program = _program("direct", "next_open")
    bars = _bars(program)
    rows = row_outputs(program.head(3), ACTOR, bars.features[:-1])

    def earned(weights):
        held = direct.hold(program, NUMBERS, bars, SURE * rows, SURE * jnp.asarray(ACTOR["table"]), weights)
        return held.log_return.sum()

    assert np.isfinite(jax.grad(earned)(SURE * jnp.asarray(ACTOR["account"]))).all()


@pytest.mark.parametrize("agent", ["a2c", "direct", "dqn", "ppo"])
def test_every_agent_learns_to_read_its_account(agent):
    panel = case.panel({"A": case.planted(280, 2)})
    folds = case.folds(panel, {-1: (280, 280)}, inner_folds=2)
    rules = MarketRules("next_open", cost_rate=6e-4, borrow_per_bar=4e-5, short_selling=True, grid=0.01, band=0.0)
    changes = {"account_inputs": True, "updates": 4, "segment": 30, "torso": "linear"}
    settings = {**getattr(Agents(), agent).model_dump(), "alternatives": [], **changes}
    if agent == "dqn":
        settings["batch"] = 64  # of the 150 bars of a rollout
    policy = fit_final(agent, settings, 1, panel, folds, case.scalers(panel, folds), rules, Gate())
    assert tuple(policy.inputs) == ("features", "position", "unrealised", "holding")
    assert policy.actor["account"].shape == (2, 2, 3)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(policy.actor))
    assert (np.abs(policy.actor["account"]).max(-1) > 1e-4).all()
