"""Streaming features on random bars and settings: what the vectorised ones are, wherever the stream is cut."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outsample.config.features import CalendarFeatures, CrossFeatures, FeatureSet
from outsample.errors import DataError
from outsample.features.registry import INDICATORS, requested_features
from outsample.features.streaming import FeatureStream, seconds_of

WINDOW = st.integers(2, 30)


@st.composite
def cross_features(draw):
    return CrossFeatures(
        symbol=draw(st.sampled_from(["SPY", "A"])),
        lag=draw(st.integers(0, 2)),
        returns=[draw(st.integers(1, 9))],
        beta=draw(st.one_of(st.none(), WINDOW)),
        strength=draw(st.lists(st.integers(1, 9), max_size=1)),
    )


@st.composite
def feature_sets(draw):
    fast = draw(st.integers(1, 10))
    windows = st.lists(WINDOW, max_size=1, unique=True)
    one = st.one_of(st.none(), WINDOW)
    return FeatureSet(
        return_lags=draw(st.lists(st.integers(0, 9), max_size=3, unique=True)),
        return_horizons=draw(st.lists(st.integers(1, 30), max_size=2, unique=True)),
        sma=draw(st.lists(WINDOW, max_size=2, unique=True)),
        ema=draw(st.lists(WINDOW, min_size=1, max_size=2, unique=True)),
        rsi=draw(WINDOW),
        macd=(fast, fast + draw(st.integers(1, 20)), draw(st.integers(1, 12))),
        bollinger=draw(WINDOW),
        atr=draw(WINDOW),
        volatility=draw(st.lists(WINDOW, max_size=2, unique=True)),
        volume=draw(one),
        sma_cross=draw(st.sampled_from([[], [(fast, fast + 7)]])),
        adx=draw(one),
        aroon=draw(one),
        bollinger_width=draw(one),
        deviation=draw(windows),
        parkinson=draw(windows),
        garman_klass=draw(windows),
        drawdown=draw(windows),
        dollar_volume=draw(one),
        calendar=CalendarFeatures(**{name: draw(st.booleans()) for name in CalendarFeatures.model_fields}),
        cross=draw(st.lists(cross_features(), max_size=2, unique_by=lambda cross: (cross.symbol, cross.lag))),
    )


def test_these_sets_hold_every_indicator_that_there_is() -> None:
    seen: set[str] = set()

    @settings(max_examples=100, deadline=None, derandomize=True, database=None)
    @given(feature_sets())
    def draw(chosen):
        seen.update(feature.indicator for feature in requested_features(chosen))

    draw()
    assert seen == {indicator.id for indicator in INDICATORS}


def random_bars(seed: int, length: int) -> dict[str, np.ndarray]:
    """Prices on ticks, with spans in which neither price nor volume moves, on scales from 1e-3 to 1e5."""
    draw = np.random.Generator(np.random.PCG64(seed))
    moves = np.round(draw.normal(0, 0.02, length), 3) * (draw.random(length) < draw.choice([0.1, 0.6, 1.0]))
    close = 10.0 ** draw.integers(-3, 6) * np.exp(np.cumsum(moves))
    open_ = close * np.exp(np.round(draw.normal(0, 0.01, length), 2))
    return {
        "open": open_,
        "high": np.maximum(open_, close) * np.exp(0.01 * (draw.random(length) < 0.5)),
        "low": np.minimum(open_, close) * np.exp(-0.01 * (draw.random(length) < 0.5)),
        "close": close,
        "volume": np.floor(draw.exponential(1e6, length)) * (draw.random(length) < draw.choice([0.1, 0.9])),
        "date": seconds_of(np.datetime64("2023-12-20T09:30", "us") + np.arange(length) * np.timedelta64(5413, "m")),
        # One that moves with the symbol at times, and one that does not move at times.
        "SPY:close": close**0.5 * np.exp(np.cumsum(draw.normal(0, 0.01, length))),
        "A:close": np.exp(np.cumsum(np.round(draw.normal(0, 0.02, length), 3) * (draw.random(length) < 0.3))),
    }


def pushed(stream: FeatureStream, bar: list[float]) -> np.ndarray:
    *values, date, spy, a = bar
    return stream.push(*values, date=np.datetime64(round(date), "s"), others={"SPY": spy, "A": a})


def push_all(stream: FeatureStream, bars: dict[str, np.ndarray], rows: slice = slice(None)) -> np.ndarray:
    found = [pushed(stream, bar) for bar in zip(*(values[rows] for values in bars.values()), strict=True)]
    return np.array(found).reshape(-1, len(stream.names))


@settings(max_examples=60, deadline=None)
@given(feature_sets(), st.integers(0, 2**32), st.integers(1, 200))
def test_each_bar_has_the_vectorised_features(chosen, seed, length):
    features, bars = requested_features(chosen), random_bars(seed, length)
    found = push_all(FeatureStream.from_spec([feature.document() for feature in features]), bars)
    for index, feature in enumerate(features):
        expected = feature.compute(bars)
        size = 1e-9 * np.nanstd(expected) if np.isfinite(expected).any() else 0.0
        np.testing.assert_allclose(found[:, index], expected, rtol=1e-13, atol=size, err_msg=feature.name)


@settings(max_examples=60, deadline=None)
@given(feature_sets(), st.integers(0, 2**32), st.integers(1, 120), st.lists(st.floats(0, 1), min_size=1, max_size=4))
def test_a_stream_that_is_saved_and_restored_goes_on_with_the_same_bits(chosen, seed, length, shares):
    spec, bars = [feature.document() for feature in requested_features(chosen)], random_bars(seed, length)
    whole = push_all(FeatureStream.from_spec(spec), bars)
    cuts = sorted({0, length, *(int(share * length) for share in shares)})
    stream, parts = FeatureStream.from_spec(spec), []
    for start, end in itertools.pairwise(cuts):
        stream = FeatureStream.from_state(spec, json.loads(json.dumps(stream.state())))
        assert stream.bars_seen == start
        parts.append(push_all(stream, bars, slice(start, end)))
    np.testing.assert_array_equal(np.concatenate(parts).view(np.int64), whole.view(np.int64))


@settings(max_examples=40, deadline=None)
@given(feature_sets(), st.integers(0, 2**32), st.integers(2, 80), st.floats(0, 0.999))
def test_refused_bars_leave_no_trace(chosen, seed, length, share):
    spec, bars = [feature.document() for feature in requested_features(chosen)], random_bars(seed, length)
    whole = push_all(FeatureStream.from_spec(spec), bars)
    stream, at = FeatureStream.from_spec(spec), int(share * length)
    before = push_all(stream, bars, slice(0, at))
    draw = np.random.Generator(np.random.PCG64(seed))
    for _ in range(5):
        bar = [float(values[at]) for values in bars.values()]
        bar[draw.integers(0, 5)] = float(draw.choice([np.nan, -1.0, np.inf]))
        with pytest.raises(DataError):
            pushed(stream, bar)
    after = push_all(stream, bars, slice(at, None))
    np.testing.assert_array_equal(np.concatenate([before, after]).view(np.int64), whole.view(np.int64))
