"""No false alarm: bars as they come from real and simulated markets give no error, whatever they went through."""

import numpy as np
import pandas as pd
import pytest
from arch.data import sp500
from hypothesis import given, settings
from hypothesis import strategies as st

from outsample.config.data import CsvSource, Data, SimulatedSource
from outsample.config.models import Market
from outsample.data.checks import CHECKS
from outsample.data.simulated_source import simulate_bars
from outsample.data.validate import validate_bars

PRICES = ["open", "high", "low", "close"]
DATA = Data(source=CsvSource(path="{symbol}.csv"), symbols=["X"])


def _fat_tails(seed: int, bars: int = 1000) -> pd.DataFrame:
    """A GARCH(1,1) of Student noise with 3 degrees of freedom, over night as well as within the day."""
    rng = np.random.Generator(np.random.PCG64(seed))
    noise = rng.standard_t(3, (2, bars)) / np.sqrt(3)
    variance, returns = 1e-4, np.empty(bars)
    for t in range(bars):
        returns[t] = np.sqrt(variance) * noise[0, t]
        variance = 2e-6 + 0.1 * min(returns[t] ** 2, 0.01) + 0.88 * variance
    close = 100 * np.exp(np.cumsum(returns))
    opens = np.concatenate([[100.0], close[:-1]]) * np.exp(0.3 * returns.std() * noise[1])
    wicks = np.exp(0.5 * returns.std() * np.abs(rng.standard_normal((2, bars))))
    bars_as_drawn = simulate_bars(SimulatedSource(bars=bars, seed=seed, drift=0), "X")
    return bars_as_drawn.assign(
        open=opens, close=close, high=np.maximum(opens, close) * wicks[0], low=np.minimum(opens, close) / wicks[1]
    )


def _errors(frame: pd.DataFrame, market: Market) -> dict[str, int]:
    """Counts of the checks that found something; an error would be raised."""
    frame = frame.assign(symbol="X")[["symbol", "date", *PRICES, "volume", "adj_close"]]
    _, quality = validate_bars(frame, DATA, market)
    return {c["id"]: c["count"] for c in quality["checks"] if c["count"]}


@pytest.mark.parametrize("block", range(4))
def test_two_hundred_random_walks_give_no_error(block: int) -> None:
    for seed in range(50 * block, 50 * (block + 1)):
        walk = simulate_bars(SimulatedSource(bars=500, seed=seed, drift=0), "X")
        assert set(_errors(walk, Market())) <= {"holidays_quiet"}


def test_fat_tails_give_no_error() -> None:
    for seed in range(50):
        assert set(_errors(_fat_tails(seed), Market())) <= {"holidays_quiet", "large_move"}


@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    volatility=st.floats(0.0005, 0.06),
    unit=st.floats(1e-4, 1e4),
    bars=st.integers(10, 400),
)
def test_any_random_walk_in_any_unit_gives_no_error(seed: int, volatility: float, unit: float, bars: int) -> None:
    walk = simulate_bars(SimulatedSource(bars=bars, seed=seed, drift=0, volatility=volatility), "X")
    walk[PRICES] *= unit
    found = _errors(walk, Market())
    assert {c.id for c in CHECKS} >= set(found)


def test_the_bars_of_an_index_give_no_error() -> None:
    frame = sp500.load().reset_index()
    frame.columns = ["date", "open", "high", "low", "close", "adj_close", "volume"]
    frame = frame.astype(dict.fromkeys(frame.columns[1:], float) | {"date": "datetime64[us]"})
    assert _errors(frame, Market(fill="next_close")) == {}
