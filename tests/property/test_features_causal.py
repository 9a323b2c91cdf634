"""Every feature: the past keeps its bits whatever follows it, and the price scale does not matter."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outsample.features.listing import EVERY
from outsample.features.registry import Feature, requested_features
from outsample.features.streaming import seconds_of

FEATURES = requested_features(EVERY.model_copy(update={"return_horizons": [1, 5, 60], "volatility": [2, 20]}))
PARAMETRISED = pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)


def random_bars(seed: int, length: int) -> dict[str, np.ndarray]:
    draw = np.random.Generator(np.random.PCG64(seed))
    # Ticks and repeated prices, so that windows without movement are among them.
    close = np.maximum(np.round(20 + np.cumsum(draw.normal(0, 0.3, length) * (draw.random(length) < 0.6)), 1), 0.1)
    open_ = np.maximum(np.round(close + draw.normal(0, 0.1, length), 1), 0.1)
    volume = np.floor(draw.exponential(1e6, length)) * (draw.random(length) < 0.7)
    return {
        "open": open_,
        "high": np.maximum(open_, close) + 0.1,
        "low": np.minimum(open_, close) * 0.99,
        "close": close,
        "volume": volume,
        "date": seconds_of(np.datetime64("2023-12-20T09:30", "us") + np.arange(length) * np.timedelta64(5413, "m")),
        "SPY:close": np.exp(np.cumsum(np.round(draw.normal(0, 0.02, length), 2) * (draw.random(length) < 0.5))),
    }


def bits(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values).view(np.int64)


@PARAMETRISED
@given(seed=st.integers(0, 2**32), length=st.integers(2, 200), share=st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_other_bars_after_a_row_leave_its_bits_alone(feature: Feature, seed: int, length: int, share: float) -> None:
    bars, other = random_bars(seed, length), random_bars(seed + 1, length)
    kept = 1 + int(share * (length - 1))
    replaced = {name: np.append(values[:kept], other[name][kept:]) for name, values in bars.items()}
    before, after = feature.compute(bars), feature.compute(replaced)
    np.testing.assert_array_equal(bits(before[:kept]), bits(after[:kept]))


@PARAMETRISED
@given(seed=st.integers(0, 2**32), length=st.integers(2, 200), share=st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_a_row_has_the_same_bits_when_nothing_follows_it(
    feature: Feature, seed: int, length: int, share: float
) -> None:
    bars = random_bars(seed, length)
    kept = 1 + int(share * (length - 1))
    cut = feature.compute({name: values[:kept].copy() for name, values in bars.items()})
    np.testing.assert_array_equal(bits(feature.compute(bars)[:kept]), bits(cut))


@PARAMETRISED
@given(seed=st.integers(0, 2**32), scale=st.floats(1e-4, 1e4))
@settings(max_examples=30, deadline=None)
def test_the_price_scale_does_not_matter(feature: Feature, seed: int, scale: float) -> None:
    bars = random_bars(seed, 150)
    scaled = {name: values if name in {"volume", "date"} else values * scale for name, values in bars.items()}
    np.testing.assert_allclose(feature.compute(scaled), feature.compute(bars), rtol=1e-7, atol=1e-10)


@PARAMETRISED
@given(seed=st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_finite_after_the_warm_up_and_empty_before_it(feature: Feature, seed: int) -> None:
    values = feature.compute(random_bars(seed, 150))
    assert np.isnan(values[: feature.warm_up]).all()
    assert np.isfinite(values[feature.warm_up :]).all()
