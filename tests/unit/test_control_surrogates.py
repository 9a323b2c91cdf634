"""Surrogate markets keep what they claim to keep, and hold nothing that could be predicted."""

import numpy as np
import pandas as pd
import pytest

from outsample.config.control import KINDS
from outsample.control.planted import PERIOD, edge_size, oracle_sharpe, plant, sharpe_of_symbol
from outsample.control.surrogates import Moves, surrogate
from outsample.market.accounting import MarketRules

RULES = MarketRules("next_open", 6e-4, 4e-5, short_selling=True, grid=0.01, band=0.0)
PRICES = ["open", "high", "low", "close"]


def market(bars=2000, symbols=("AA", "BB", "CC"), late=0):
    """A market with volatility clustering, correlated symbols and momentum; the last symbol may begin late."""
    draw = np.random.Generator(np.random.PCG64(3))
    volatility = 0.01 * np.exp(0.8 * np.sin(np.arange(bars) / 40))
    noise = 0.6 * draw.standard_normal((bars, 1)) + 0.8 * draw.standard_normal((bars, len(symbols)))
    noise[1:] += 0.3 * noise[:-1]
    close = 50 * np.exp(np.cumsum(0.0005 + volatility[:, None] * noise, axis=0))
    parts = []
    for number, symbol in enumerate(symbols):
        own = close[:, number]
        opened = np.r_[own[0], own[:-1]] * np.exp(0.001 * draw.standard_normal(bars))
        up, down = np.exp(0.002 * draw.random((2, bars)))
        part = pd.DataFrame(
            {
                "symbol": symbol,
                "date": pd.bdate_range("2010-01-01", periods=bars).astype("datetime64[us]"),
                "open": opened,
                "high": np.maximum(opened, own) * up,
                "low": np.minimum(opened, own) / down,
                "close": own,
                "volume": draw.integers(1, 1000, bars).astype(float),
                "factor": 0.5,
            }
        )
        parts.append(part.iloc[late:] if late and number == len(symbols) - 1 else part)
    return pd.concat(parts, ignore_index=True)


BARS = market()


def returns(bars):
    wide = bars.pivot(index="date", columns="symbol", values="close").to_numpy()
    return np.diff(np.log(wide), axis=0)


def lag_one(series):
    centred = series - series.mean(axis=0)
    return (centred[1:] * centred[:-1]).mean(axis=0) / centred.var(axis=0)


@pytest.mark.parametrize("kind", [*KINDS, "two_state", "sine"])
def test_symbols_dates_and_shapes_of_bars_stay(kind):
    bars = BARS if kind in KINDS else BARS[BARS["symbol"] == "AA"]
    made = surrogate(bars, kind, 0, 0, 10) if kind in KINDS else plant(bars, kind, 1.0, 0, 0, RULES, 252.0)
    pd.testing.assert_frame_equal(made[["symbol", "date"]], bars[["symbol", "date"]])
    assert list(made.columns) == list(bars.columns)
    assert (made[PRICES] > 0).all().all()
    assert np.isfinite(made[PRICES]).all().all()
    assert (made["high"] >= made[["open", "close"]].max(axis=1) * (1 - 1e-12)).all()
    assert (made["low"] <= made[["open", "close"]].min(axis=1) * (1 + 1e-12)).all()
    assert (made["factor"] == 1.0).all()
    first = made.groupby("symbol").head(1)
    np.testing.assert_allclose(first["close"], bars.groupby("symbol").head(1)["close"])


@pytest.mark.parametrize("kind", KINDS)
def test_returns_cannot_be_predicted_and_symbols_move_together(kind):
    found = returns(surrogate(BARS, kind, 1, 0, 1))
    assert (lag_one(returns(BARS)) > 0.15).all()
    assert (abs(lag_one(found)) < 4 / np.sqrt(len(found))).all()
    np.testing.assert_allclose(np.corrcoef(found.T), np.corrcoef(returns(BARS).T), atol=0.06)
    np.testing.assert_allclose(found.std(axis=0), returns(BARS).std(axis=0), rtol=0.05)


def test_volatility_keeps_the_swings_and_gives_nothing_to_earn():
    found, real = returns(surrogate(BARS, "volatility", 0, 0, 10)), returns(BARS)
    np.testing.assert_allclose(abs(found + np.log(np.cosh(real))), abs(real), atol=1e-12)
    assert (lag_one(abs(found)) > 0.8 * lag_one(abs(real))).all()
    many = [np.expm1(returns(surrogate(BARS, "volatility", n, 0, 10))).mean(axis=0) for n in range(12)]
    error = real.std(axis=0) / np.sqrt(12 * len(real))
    assert (abs(np.mean(many, axis=0)) < 4 * error).all()


def test_a_turned_bar_has_its_high_below():
    bars = BARS.iloc[:3].assign(open=[10, 10, 10.0], high=[10, 12, 11.0], low=[10, 9, 10.0], close=[10, 11, 11.0])
    for number in range(8):
        made = surrogate(bars, "volatility", number, 0, 10)
        second = np.log(made[PRICES].iloc[1] / 10.0) + np.log(np.cosh(np.log(1.1)))
        kept = np.log([1.0, 1.2, 0.9, 1.1])
        turned = -np.log([1.0, 0.9, 1.2, 1.1])
        assert np.allclose(second, kept) or np.allclose(second, turned)


def test_blocks_are_a_permutation_of_whole_days():
    found = surrogate(BARS, "blocks", 0, 0, 10)
    real, made = returns(BARS), returns(found)
    assert not np.allclose(real, made)
    order = np.array([np.abs(real - row).sum(axis=1).argmin() for row in made])
    np.testing.assert_allclose(real[order], made, atol=1e-12)  # all symbols together
    assert sorted(order) == list(range(len(real)))
    jumps = np.flatnonzero(np.diff(order) != 1)
    assert len(jumps) <= len(real) / 10 + 2
    volume = found.loc[found["symbol"] == "BB", "volume"].to_numpy()
    np.testing.assert_array_equal(volume[1:], BARS.loc[BARS["symbol"] == "BB", "volume"].to_numpy()[1:][order])


def test_symbols_that_begin_late_keep_their_own_returns():
    bars = market(400, late=100)
    made = surrogate(bars, "blocks", 0, 0, 7)
    for symbol in ("AA", "CC"):
        own, other = (np.diff(np.log(b.loc[b["symbol"] == symbol, "close"].to_numpy())) for b in (bars, made))
        np.testing.assert_allclose(np.sort(own), np.sort(other), atol=1e-12)


def test_a_drift_is_there_where_it_is_asked_for():
    real = returns(BARS)
    flat, drift = (np.mean([returns(surrogate(BARS, kind, n, 0, 1)).mean(axis=0) for n in range(8)], axis=0)
                   for kind in ("gaussian", "gaussian_drift"))  # fmt: skip
    error = 4 * real.std(axis=0) / np.sqrt(8 * len(real))
    assert (abs(flat + real.std(axis=0) ** 2 / 2) < error).all()
    assert (abs(drift - real.mean(axis=0)) < error).all()


def test_numbers_and_seeds_are_apart_and_repeat():
    one = surrogate(BARS, "volatility", 0, 0, 10)
    pd.testing.assert_frame_equal(one, surrogate(BARS, "volatility", 0, 0, 10))
    for other in (surrogate(BARS, "volatility", 1, 0, 10), surrogate(BARS, "volatility", 0, 1, 10)):
        assert not np.allclose(one["close"], other["close"])
    with pytest.raises(ValueError, match="no kind"):
        surrogate(BARS, "walk", 0, 0, 10)


def test_one_symbol_is_enough():
    alone = BARS[BARS["symbol"] == "AA"].reset_index(drop=True)
    for kind in KINDS:
        assert len(surrogate(alone, kind, 0, 0, 10)) == len(alone)


def test_planted_edge_has_the_size_of_its_oracle():
    size = edge_size("two_state", 1.0, 0.01, RULES, 252.0)
    assert oracle_sharpe(size, 0.01, RULES, 252.0) == pytest.approx(1.0, abs=0.05)
    assert oracle_sharpe(1.5 * size, 0.01, RULES, 252.0) > 1.3
    assert sharpe_of_symbol(2.0, np.array([0.02])) == pytest.approx(2.0)


def test_sine_is_as_large_as_its_sign_earns():
    """The mean of a rectified sine is 2 / pi, and a position turns over 4 times its size in a period."""
    size = edge_size("sine", 1.0, 0.01, RULES, 252.0)
    turn = np.sign(np.sin(2 * np.pi * (np.arange(40_000) + 0.5) / PERIOD))
    drift = 0.01 * size * np.sin(2 * np.pi * (np.arange(40_000) + 0.5) / PERIOD)
    cost = 6e-4 * np.abs(np.diff(turn, prepend=0)).mean()
    assert ((turn * drift).mean() - cost) / 0.01 * np.sqrt(252) == pytest.approx(1.0, abs=0.01)


def test_moves_know_no_first_bar():
    moves = Moves.of(market(50, late=10))
    assert moves.known.sum(axis=0).tolist() == [49, 49, 39]
    assert not moves.known[:11, 2].any()
