"""Invariants of the market on random spans, and its agreement with a plain-Python market and with JAX."""

import importlib.util
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from outsample.market.accounting import MarketRules, fill_prices, simulate, start, step

_SPEC = importlib.util.spec_from_file_location("market_reference", Path(__file__).parents[1] / "reference/market.py")
reference = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(reference)


@st.composite
def spans(draw, wild=True, whole_shares=False):
    """(targets, open, close, rules, equity) of 2 to 40 bars; a wild span moves by up to a factor of 3 or so a bar."""
    bars = draw(st.integers(2, 40))
    generator = np.random.Generator(np.random.PCG64(draw(st.integers(0, 2**32))))
    scale = draw(st.sampled_from([0.01, 0.05, 0.4] if wild else [0.01, 0.03]))
    close = 10 ** draw(st.integers(-2, 3)) * np.exp(np.cumsum(generator.normal(0, scale, bars)))
    open_ = close * np.exp(generator.normal(0, scale, bars))
    levels = draw(st.sampled_from([[-1, 0, 1], [-0.5, 0.25, 0.5], np.linspace(-1.2, 1.2, 481).round(3)]))
    targets = generator.choice(levels, bars)
    if draw(st.booleans()):
        targets = np.repeat(targets, 5)[:bars]
    rules = MarketRules(
        fill=draw(st.sampled_from(["next_open", "next_close"])),
        cost_rate=draw(st.sampled_from([0.0, 6e-4, 0.02])),
        borrow_per_bar=draw(st.sampled_from([0.0, 4e-5, 0.01])),
        short_selling=draw(st.booleans()),
        grid=draw(st.sampled_from([0.01, 0.05, 0.25])),
        band=draw(st.sampled_from([0.0, 0.0, 0.03])),
        whole_shares=whole_shares,
    )
    return targets, open_, close, rules, draw(st.sampled_from([1.0, 250_000.0]))


@settings(max_examples=300, deadline=None)
@given(spans())
def test_books_equal_those_of_the_plain_loop(span):
    targets, open_, close, rules, equity = span
    ledger = simulate(targets, open_, close, rules, equity)
    rows = reference.run(targets.tolist(), open_.tolist(), close.tolist(), equity=equity, **vars(rules))
    money = max(equity, np.abs(ledger.equity).max())
    for name in ("equity", "cash", "traded", "cost"):
        expected = np.array([row[name] for row in rows])
        assert_allclose(getattr(ledger, name), expected, rtol=1e-12, atol=1e-12 * money, err_msg=name)
    shares = np.array([row["units"] for row in rows])
    assert_allclose(ledger.units * close, shares * close, rtol=1e-12, atol=1e-12 * money)
    assert_array_equal(ledger.ruined, [row["ruined"] for row in rows])


@settings(max_examples=200, deadline=None)
@given(spans())
def test_equity_is_cash_plus_position_and_changes_by_price_moves_less_cost(span):
    targets, open_, close, rules, equity = span
    ledger = simulate(targets, open_, close, rules, equity)
    money = max(equity, np.abs(ledger.equity).max())
    assert_allclose(ledger.equity, ledger.cash + ledger.units * close, rtol=0, atol=1e-12 * money)
    fill = fill_prices(open_, close, rules)
    # While the sleeve lives: shares of before until the fill, shares of after until the close, less fee and borrow.
    before = ledger.units[:-1] * (fill[1:] - close[:-1])
    after = ledger.units[1:] * (close[1:] - fill[1:])
    alive = ~ledger.ruined[1:]
    change = np.diff(ledger.equity)
    assert_allclose(change[alive], (before + after - ledger.cost[1:])[alive], rtol=0, atol=1e-11 * money)
    assert_allclose(ledger.net_return, ledger.gross_return - ledger.cost_return, rtol=0, atol=1e-12)
    borrow = rules.borrow_per_bar * np.maximum(-ledger.units[:-1] * close[:-1], 0)
    assert_allclose(ledger.cost[1:][alive], (ledger.fee[1:] + borrow)[alive], rtol=0, atol=1e-12 * money)


@settings(max_examples=200, deadline=None)
@given(spans())
def test_positions_are_what_was_asked_and_cash_is_never_borrowed(span):
    targets, open_, close, rules, equity = span
    ledger = simulate(targets, open_, close, rules, equity)
    fill = fill_prices(open_, close, rules)
    filled = (ledger.traded[1:] > 0) & ~ledger.ruined[1:]
    left = ledger.fill_equity[1:] - ledger.fee[1:]
    assert_allclose(
        (ledger.units[1:] * fill[1:])[filled], (ledger.target[:-1] * left)[filled], rtol=1e-9, atol=1e-12 * equity
    )
    living_long = ~ledger.ruined & (ledger.units > 0)
    owed = np.cumsum(ledger.cost - ledger.fee)  # a borrow cost may be due in the bar of a flip to target 1
    assert (ledger.cash[living_long] >= -1e-12 * max(equity, ledger.equity.max()) - owed[living_long]).all()
    assert ledger.units[-1] == 0
    assert (ledger.traded >= 0).all()
    assert (ledger.cost >= 0).all()
    if not rules.short_selling:
        assert (ledger.units >= 0).all()
        assert not ledger.ruined.any()


@st.composite
def whole_spans(draw):
    """A span traded in whole shares, and its factors, which rise at some bars; equity buys none to many shares."""
    targets, open_, close, rules, _ = draw(spans(whole_shares=True))
    generator = np.random.Generator(np.random.PCG64(draw(st.integers(0, 2**32))))
    paid = generator.random(len(close)) < draw(st.sampled_from([0.0, 0.2]))
    factor = draw(st.sampled_from([1.0, 0.83])) * np.cumprod(1 + 0.01 * paid)
    equity = float(close[0]) * draw(st.sampled_from([0.7, 3.3, 47.1, 31_234.5]))
    return targets, open_, close, rules, equity, factor


@settings(max_examples=300, deadline=None)
@given(whole_spans())
def test_whole_shares_are_the_most_that_the_target_allows(span):
    targets, open_, close, rules, equity, factor = span
    ledger = simulate(targets, open_, close, rules, equity, factor)
    bars = (array.tolist() for array in (targets, open_, close))
    rows = reference.run(*bars, equity=equity, factors=factor.tolist(), **vars(rules))
    money = max(equity, np.abs(ledger.equity).max())
    for name in ("equity", "cash", "traded", "cost"):
        expected = np.array([row[name] for row in rows])
        assert_allclose(getattr(ledger, name), expected, rtol=1e-11, atol=1e-11 * money, err_msg=name)
    assert_allclose(ledger.shares, [row["units"] * f for row, f in zip(rows, factor, strict=True)], rtol=1e-12)
    assert_array_equal(ledger.ruined, [row["ruined"] for row in rows])


@settings(max_examples=200, deadline=None)
@given(whole_spans())
def test_whole_shares_are_whole_at_their_fill_and_never_more_than_asked(span):
    targets, open_, close, rules, equity, factor = span
    ledger = simulate(targets, open_, close, rules, equity, factor)
    money = max(equity, np.abs(ledger.equity).max())
    filled = (ledger.traded > 0) & ~ledger.ruined
    assert_allclose(ledger.shares[filled], np.rint(ledger.shares[filled]), rtol=1e-12)
    assert_array_equal(ledger.shares, ledger.units * factor)
    asked = np.append(0.0, ledger.target[:-1]) * (ledger.fill_equity - ledger.fee)
    short_of = np.abs(asked) - np.abs(ledger.placed)
    share = fill_prices(open_, close, rules) / factor
    assert (short_of[filled] >= -1e-12 * money).all()
    # The cost of the rounding is itself at the expense of what is left, so a share less up to 2 cost rates of it.
    assert (short_of[filled] <= share[filled] * (1 + 2 * rules.cost_rate) + 1e-12 * money).all()
    assert (np.sign(ledger.placed[filled]) * np.sign(asked[filled]) >= 0).all()
    living_long = ~ledger.ruined & (ledger.units > 0)
    owed = np.cumsum(ledger.cost - ledger.fee)
    assert (ledger.cash[living_long] >= -1e-12 * money - owed[living_long]).all()
    assert ledger.units[-1] == 0
    assert_allclose(ledger.equity, ledger.cash + ledger.units * close, rtol=0, atol=1e-12 * money)


@settings(max_examples=100, deadline=None)
@given(spans(), st.sampled_from([2.0**-7, 2.0**5]))
def test_scaling_all_prices_changes_nothing(span, scale):
    targets, open_, close, rules, equity = span
    plain = simulate(targets, open_, close, rules, equity)
    scaled = simulate(targets, open_ * scale, close * scale, rules, equity)
    # A power of two scales without rounding, so the books agree to the last bit.
    assert_array_equal(plain.equity, scaled.equity)
    assert_array_equal(plain.units, scaled.units * scale)
    richer = simulate(targets, open_, close, rules, equity * scale)
    assert_array_equal(plain.net_return, richer.net_return)


@settings(max_examples=50, deadline=None)
@given(spans(), st.integers(1, 39))
def test_books_do_not_know_later_bars(span, cut):
    targets, open_, close, rules, equity = span
    plain = simulate(targets, open_, close, rules, equity)
    other = [array.copy() for array in (targets, open_, close)]
    for array, value in zip(other, (0.5, 7.0, 9.0), strict=True):
        array[cut:] = value
    changed = simulate(*other, rules, equity)
    rows = slice(0, min(cut, len(targets) - 1))  # the flat end is known
    assert_array_equal(plain.equity[rows], changed.equity[rows])


@pytest.mark.parametrize("rate", [0.0, 6e-4, 0.01])
def test_buy_and_hold_has_its_closed_form(rate):
    generator = np.random.Generator(np.random.PCG64(5))
    close = 50 * np.exp(np.cumsum(generator.normal(0, 0.02, 300)))
    open_ = close * np.exp(generator.normal(0, 0.01, 300))
    rules = MarketRules("next_open", rate, 1e-4, short_selling=True, grid=0.01, band=0.0)
    ledger = simulate(np.ones(300), open_, close, rules, equity=1000.0)
    shares = 1000 / (1 + rate) / open_[1]
    assert_allclose(ledger.equity[1:-1], shares * close[1:-1], rtol=1e-12)
    assert ledger.equity[-1] == pytest.approx(shares * open_[-1] * (1 - rate), rel=1e-12)
    assert_allclose(ledger.cash[1:-1], 0, atol=1e-10)
    assert ledger.cost.sum() == pytest.approx(rate * shares * (open_[1] + open_[-1]))


def jax_equity(targets, fills, closes, rules, equity):
    """The loop of the trainer: one lax.scan of `step`, float32, rules traced."""

    @jax.jit
    def run(cost_rate, borrow_per_bar, grid, band):
        traced = MarketRules(rules.fill, cost_rate, borrow_per_bar, rules.short_selling, grid, band)

        def body(sleeve, bar):
            return step(jnp, sleeve, *bar, traced)

        inputs = [jnp.asarray(a, dtype=jnp.float32) for a in (targets[:-1], fills[1:], closes[1:])]
        return jax.lax.scan(body, start(jnp, jnp.full(targets.shape[1:], equity)), tuple(inputs))[1]

    return run(rules.cost_rate, rules.borrow_per_bar, rules.grid, rules.band)


@pytest.mark.parametrize("band", [0.0, 0.05])
@pytest.mark.parametrize("short_selling", [True, False])
def test_jax_in_float32_follows_numpy_in_float64(short_selling, band):
    generator = np.random.Generator(np.random.PCG64(11))
    shape = (400, 3, 8)  # bars, symbols, lanes
    close = 100 * np.exp(np.cumsum(generator.normal(0, 0.02, shape), axis=0))
    open_ = close * np.exp(generator.normal(0, 0.01, shape))
    targets = np.repeat(generator.uniform(-1, 1, shape), 4, axis=0)[:400]
    targets[::7] = np.round(targets[::7] * 2) / 2
    targets[-2:] = 0
    rules = MarketRules("next_open", 6e-4, 4e-5, short_selling, grid=0.01, band=band)
    bars = jax_equity(targets, open_, close, rules, 1.0)
    ledger = simulate(targets, open_, close, rules)
    assert bars.equity.dtype == jnp.float32
    assert_allclose(bars.equity, ledger.equity[1:], rtol=2e-4)
    assert_allclose(bars.position, ledger.position[1:], atol=2e-4)
    assert_allclose(bars.cost, ledger.cost[1:], atol=1e-5)
    assert_array_equal(np.asarray(bars.traded) > 0, ledger.traded[1:] > 0)


def test_jax_is_ruined_where_numpy_is():
    close = np.array([10.0, 10, 30, 30, 10])
    targets = np.array([[-1.0, -0.25]] * 3 + [[0.0, 0.0]] * 2)
    rules = MarketRules("next_close", 6e-4, 4e-5, short_selling=True, grid=0.01, band=0.0)
    prices = np.broadcast_to(close[:, None], targets.shape)
    bars = jax_equity(targets, prices, prices, rules, 1.0)
    ledger = simulate(targets, close, close, rules)
    assert_array_equal(bars.ruined, ledger.ruined[1:])
    assert ledger.ruined[-1].tolist() == [True, False]
    assert_allclose(bars.equity, ledger.equity[1:], rtol=1e-5)


def test_many_lanes_are_each_what_they_are_alone():
    generator = np.random.Generator(np.random.PCG64(2))
    close = 10 * np.exp(np.cumsum(generator.normal(0, 0.3, 60)))
    targets = generator.choice([-1.0, 0.0, 1.0], (60, 40))
    rules = MarketRules("next_open", 6e-4, 4e-5, short_selling=True, grid=0.01, band=0.0)
    together = simulate(targets, close, close, rules)
    assert together.ruined[-1].any()
    for lane in range(40):
        assert_array_equal(together.equity[:, lane], simulate(targets[:, lane], close, close, rules).equity)
