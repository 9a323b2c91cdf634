"""Simulated bars: the promised drift, volatility and persistence, and nothing that hangs on other symbols."""

import numpy as np
import pandas as pd
import pytest

from outsample.config.data import SimulatedSource
from outsample.data.simulated_source import simulate_bars, simulate_states
from outsample.errors import DataError

LONG = SimulatedSource(bars=200_000)


@pytest.fixture(scope="module")
def bars() -> pd.DataFrame:
    return simulate_bars(LONG, "UP")


@pytest.fixture(scope="module")
def states() -> np.ndarray:
    return simulate_states(LONG, "UP")


def _returns(bars: pd.DataFrame) -> np.ndarray:
    return np.diff(np.log(bars["close"].to_numpy()))


def test_states_stay_with_the_promised_probability(states: np.ndarray) -> None:
    assert set(np.unique(states)) == {-1, 1}
    stays = (states[1:] == states[:-1]).mean()
    assert stays == pytest.approx(0.95, abs=4 * np.sqrt(0.95 * 0.05 / len(states)))


def test_the_return_from_close_to_close_has_the_drift_of_its_state(bars: pd.DataFrame, states: np.ndarray) -> None:
    returns, after = _returns(bars), states[1:]
    noise = returns - 0.004 * after
    error = 4 * 0.01 / np.sqrt((after == 1).sum())
    assert noise[after == 1].mean() == pytest.approx(0, abs=error)
    assert noise[after == -1].mean() == pytest.approx(0, abs=error)
    assert noise.std() == pytest.approx(0.01, rel=0.01)
    assert np.corrcoef(noise[1:], noise[:-1])[0, 1] == pytest.approx(0, abs=0.01)


def test_a_fill_at_the_next_open_still_earns_the_drift(bars: pd.DataFrame, states: np.ndarray) -> None:
    opens, closes = np.log(bars["open"].to_numpy()), np.log(bars["close"].to_numpy())
    earned = (closes - opens)[1:] * states[1:]
    assert earned.mean() == pytest.approx(0.004, abs=4 * 0.01 / np.sqrt(len(earned)))
    overnight = opens[1:] - closes[:-1]
    assert overnight.std() == pytest.approx(0.1 * 0.01, rel=0.01)
    assert (overnight != 0).all(), "opens never repeat the close before"


def test_the_start_state_is_random() -> None:
    starts = [simulate_states(SimulatedSource(bars=10), f"S{i}")[0] for i in range(200)]
    assert np.mean(starts) == pytest.approx(0, abs=4 / np.sqrt(200))


def test_no_drift_is_a_random_walk() -> None:
    returns = _returns(simulate_bars(SimulatedSource(bars=200_000, drift=0), "UP"))
    assert returns.mean() == pytest.approx(0, abs=4 * 0.01 / np.sqrt(len(returns)))
    assert np.corrcoef(returns[1:], returns[:-1])[0, 1] == pytest.approx(0, abs=0.01)


def test_prices_are_consistent_and_volume_varies(bars: pd.DataFrame) -> None:
    assert (bars["high"] >= bars[["open", "close"]].max(axis=1)).all()
    assert (bars["low"] <= bars[["open", "close"]].min(axis=1)).all()
    assert (bars["low"] > 0).all()
    assert (bars["volume"] > 0).all()
    assert bars["volume"].nunique() > 1000


def test_dates_are_the_weekdays_from_the_first_of_2000() -> None:
    dates = simulate_bars(SimulatedSource(bars=10), "UP")["date"].to_numpy()
    assert dates[0] == np.datetime64("2000-01-03")
    assert dates[5] == np.datetime64("2000-01-10")
    assert dates.dtype == "datetime64[us]"


def test_the_same_seed_and_name_give_the_same_bars_and_others_give_others() -> None:
    settings = SimulatedSource(bars=50)
    first = simulate_bars(settings, "UP")
    pd.testing.assert_frame_equal(first, simulate_bars(settings, "UP"))
    assert not np.isclose(first["close"], simulate_bars(settings, "DOWN")["close"]).any()
    assert not np.isclose(first["close"], simulate_bars(SimulatedSource(bars=50, seed=1), "UP")["close"]).any()


def test_more_bars_continue_the_series() -> None:
    short = simulate_bars(SimulatedSource(bars=50), "UP")
    longer = simulate_bars(SimulatedSource(bars=80), "UP")
    pd.testing.assert_series_equal(short["close"], longer["close"].iloc[:50])


def test_prices_beyond_all_numbers_are_refused() -> None:
    with pytest.raises(DataError, match="simulated symbol UP: prices leave the range of numbers; lower data"):
        simulate_bars(SimulatedSource(bars=1000, drift=1.0, persistence=1.0), "UP")
