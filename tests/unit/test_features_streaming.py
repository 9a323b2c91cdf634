"""The streaming features against the vectorised ones on real bars, by hand, and what a stream refuses."""

import copy
import csv
import functools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from outsample.errors import DataError, SchemaError
from outsample.features.listing import EVERY
from outsample.features.registry import INDICATORS, requested_features
from outsample.features.streaming import FORMS, FeatureStream, seconds_of

MARKET = Path(__file__).parents[2] / "data/market"
FEATURES = requested_features(EVERY)  # one of each indicator, so that each is covered below
SPEC = [feature.document() for feature in FEATURES]
COLUMNS = ("open", "high", "low", "close", "volume")


def adjusted_bars(symbol: str, other: str = "GOOG") -> dict[str, np.ndarray]:
    """Bars of a symbol, their dates, and another's closes of the same dates in the part of SPY."""
    columns = _file(symbol)
    dates = np.array(columns.pop("date"), "datetime64[us]")
    return columns | {"date": seconds_of(dates), "SPY:close": _file(other)["close"]}


@functools.cache
def _read(symbol: str) -> list[dict[str, str]]:
    with (MARKET / f"{symbol}.csv").open() as file:
        return list(csv.DictReader(file))


def _file(symbol: str) -> dict[str, np.ndarray]:
    rows = _read(symbol)
    columns = {name: np.array([float(row[name]) for row in rows]) for name in (*COLUMNS, "adj_close")}
    factor = columns["adj_close"] / columns["close"]
    adjusted = {name: columns[name] * (1.0 if name == "volume" else factor) for name in COLUMNS}
    return {**adjusted, "date": np.array([row["date"] for row in rows])}


def push_all(stream: FeatureStream, bars: dict[str, np.ndarray]) -> np.ndarray:
    found = []
    for seconds, other, *bar in zip(*(bars[name] for name in ("date", "SPY:close", *COLUMNS)), strict=True):
        found.append(stream.push(*bar, date=np.datetime64(round(seconds * 1e6), "us"), others={"SPY": other}))
    return np.array(found)


def entry(indicator: str, warm_up: int, inputs: tuple[str, ...] = ("close",), **parameters: int) -> dict:
    return {"name": "x", "indicator": indicator, "parameters": parameters, "inputs": list(inputs), "warm_up": warm_up}


def plain(stream: FeatureStream, *closes: float) -> list[float]:
    return [float(stream.push(c, c, c, c, 1.0)[0]) for c in closes]


def test_every_registered_indicator_has_a_streaming_form_of_the_same_inputs_and_parameters() -> None:
    found = {name: (form.inputs, form.parameters) for name, form in FORMS.items()}
    assert found == {indicator.id: (indicator.inputs, indicator.parameters) for indicator in INDICATORS}
    assert {feature.indicator for feature in FEATURES} == set(FORMS)


def test_indicator_ids_are_what_packages_call_them() -> None:
    assert [indicator.id for indicator in INDICATORS] == [
        *["lagged_return", "log_return", "sma_ratio", "ema_ratio", "rsi", "macd_line", "macd_signal"],
        *["macd_histogram", "bollinger_position", "atr_ratio", "realised_volatility", "volume_zscore"],
        *["sma_crossing", "plus_di", "minus_di", "adx", "aroon_up", "aroon_down", "aroon_oscillator"],
        *["bollinger_width", "return_deviation", "parkinson_volatility", "garman_klass_volatility", "drawdown"],
        *["dollar_volume_zscore", "weekday_sin", "weekday_cos", "month_day_sin", "month_day_cos", "month_sin"],
        *["month_cos", "time_of_day_sin", "time_of_day_cos", "other_return", "beta", "residual_return"],
        *["relative_strength"],
    ]


@pytest.mark.parametrize("symbol", ["AAPL", "AMZN", "GOOG", "NVDA"])
def test_real_bars_give_the_vectorised_features(symbol: str) -> None:
    bars = adjusted_bars(symbol)
    stream = FeatureStream.from_spec(json.loads(json.dumps(SPEC)))
    found = push_all(stream, bars)
    expected = np.stack([feature.compute(bars) for feature in FEATURES], axis=1)
    assert stream.names == tuple(feature.name for feature in FEATURES)
    assert (stream.warm_up, stream.bars_seen) == (60, len(bars["close"]))
    assert found.dtype == np.float64
    train = expected[60 : len(expected) * 3 // 4]
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    size = np.where(train.std(axis=0) > 0, train.std(axis=0), 1.0)  # the time of day of daily bars does not vary
    deviation = np.nanmax(np.abs(found - expected), axis=0) / size
    assert deviation.max() < 1e-9, FEATURES[int(deviation.argmax())].name


def test_values_by_hand() -> None:
    nan = np.nan
    returns = plain(FeatureStream.from_spec([entry("lagged_return", 2, lag=1)]), *np.exp([0.0, 1.0, 3.0, 6.0]))
    np.testing.assert_allclose(returns, [nan, nan, 1.0, 2.0], rtol=1e-14)
    # Span 3: starts with the mean 4 of 2, 4, 6; then 6, then 3.
    ratios = plain(FeatureStream.from_spec([entry("ema_ratio", 2, span=3)]), 2, 4, 6, 8, 1)
    np.testing.assert_allclose(ratios, [nan, nan, 6 / 4 - 1, 8 / 6 - 1, 1 / 3.5 - 1], rtol=1e-14)
    # Changes 1, -1, 0, 1 of window 2: averages (1/2, 1/2), (1/4, 1/4), (5/8, 1/8).
    index = plain(FeatureStream.from_spec([entry("rsi", 2, window=2)]), 1, 2, 1, 1, 2)
    np.testing.assert_allclose(index, [nan, nan, 50, 50, 100 * 5 / 6], rtol=1e-14)
    flat = plain(FeatureStream.from_spec([entry("bollinger_position", 1, window=2)]), 0.1, 0.1, 0.3)
    np.testing.assert_array_equal(flat, [nan, 0.0, 0.5])


def test_a_state_is_small_plain_data_and_belongs_to_nobody_else() -> None:
    stream = FeatureStream.from_spec(SPEC)
    assert stream.state()["bars_seen"] == 0
    push_all(stream, {name: values[:100] for name, values in adjusted_bars("AAPL").items()})
    state = stream.state()
    assert json.loads(json.dumps(state)) == state
    ema = next(entry["state"] for entry in state["features"] if entry["name"] == "ema_26")
    assert ema["average"]["first"] == []  # one number is carried, not 26 bars
    windows = [entry["state"].get("window", []) for entry in state["features"]]
    assert max(map(len, windows)) == 61
    before = copy.deepcopy(state)
    state["features"][0]["state"]["window"][0] = 1e9
    stream.push(100.0, 100.0, 100.0, 100.0, 1.0, *BESIDE)
    assert before == FeatureStream.from_state(SPEC, before).state()


BESIDE = (np.datetime64("2024-01-02", "us"), {"SPY": 470.0})
GOOD_BAR = (10.0, 11.0, 9.0, 10.5, 1000.0)


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (0, np.nan, "the open nan"),
        (1, np.inf, "the high inf"),
        (2, 0.0, "the low 0.0"),
        (3, -1.0, "the close -1.0"),
        (1, 8.9, "its high 8.9 below its low 9.0"),
        (4, -1.0, "the volume -1.0"),
        (4, np.nan, "the volume nan"),
    ],
)
def test_a_bad_bar_is_refused_and_leaves_the_stream_as_it_was(place: int, value: float, words: str) -> None:
    stream = FeatureStream.from_spec(SPEC)
    for _ in range(3):
        stream.push(*GOOD_BAR, *BESIDE)
    before, bad = stream.state(), list(GOOD_BAR)
    bad[place] = value
    with pytest.raises(DataError, match=f"^Bar 4 of the stream has {words}.*correct that bar.$"):
        stream.push(*bad, *BESIDE)
    assert stream.state() == before
    assert stream.bars_seen == 3


@pytest.mark.parametrize(
    ("date", "others", "words"),
    [
        (None, {"SPY": 470.0}, "no date, which its features take"),
        (np.datetime64("NaT", "us"), {"SPY": 470.0}, "no date, which its features take"),
        (np.datetime64("2024-01-02"), {}, "no close of SPY above 0 beside it; give the bars of SPY"),
        (np.datetime64("2024-01-02"), {"SPY": np.nan}, "no close of SPY above 0"),
        (np.datetime64("2024-01-02"), {"SPY": 0.0}, "no close of SPY above 0"),
    ],
)
def test_a_bar_without_what_stands_beside_it_is_refused(date, others, words) -> None:
    stream = FeatureStream.from_spec(SPEC)
    with pytest.raises(DataError, match=f"^Bar 1 of the stream has {words}"):
        stream.push(*GOOD_BAR, date=date, others=others)
    assert stream.bars_seen == 0


def test_a_stream_says_which_other_symbols_it_needs() -> None:
    assert FeatureStream.from_spec(SPEC).others == ("SPY",)
    assert FeatureStream.from_spec([entry("log_return", 1, horizon=1)]).others == ()


def test_a_bar_that_makes_a_feature_infinite_is_refused_and_leaves_the_stream_as_it_was() -> None:
    stream = FeatureStream.from_spec(
        [entry("sma_ratio", 0, window=1), entry("log_return", 1, horizon=1) | {"name": "r"}]
    )
    plain(stream, 1e-308)
    before = stream.state()
    with pytest.raises(DataError, match=r"Bar 2 of the stream makes the feature r inf; correct the 2 bars"):
        plain(stream, 1e308)
    assert stream.state() == before
    plain(stream, 2e-308)
    assert stream.bars_seen == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"indicator": "astrology"}, "feature sma_10 is the indicator astrology"),
        ({"parameters": {"span": 10}}, "sma_10 has inputs, parameters"),
        ({"parameters": {"window": 0}}, "sma_10 has inputs, parameters"),
        ({"parameters": {"window": 10.0}}, "sma_10 has inputs, parameters"),
        ({"inputs": ["open"]}, "sma_10 has inputs, parameters"),
        ({"warm_up": 8}, "sma_10 warms up in 8 bars, which sma_ratio of window 10 does not"),
        ({"warm_up": 10}, "sma_10 warms up in 10 bars, which sma_ratio of window 10 does not"),
    ],
)
def test_a_spec_that_cannot_be_streamed_is_refused(change: dict, words: str) -> None:
    place = [feature["name"] for feature in SPEC].index("sma_10")
    spec = [*SPEC[:place], SPEC[place] | change, *SPEC[place + 1 :]]
    with pytest.raises(SchemaError, match=words):
        FeatureStream.from_spec(spec)


def test_other_specs_that_cannot_be_streamed() -> None:
    with pytest.raises(SchemaError, match="lists no feature"):
        FeatureStream.from_spec([])
    with pytest.raises(SchemaError, match="feature ema_12 of the feature spec lacks indicator, parameters"):
        FeatureStream.from_spec([{"name": "ema_12", "warm_up": 11, "inputs": ["close"]}])
    with pytest.raises(SchemaError, match="macd_line does not take"):
        FeatureStream.from_spec([entry("macd_line", 11, fast=26, slow=12)])
    for inputs in (("close", "close"), ("close", ":close"), ("SPY:close", "close"), ("close",)):
        with pytest.raises(SchemaError, match="beta does not take"):
            FeatureStream.from_spec([entry("beta", 5, inputs, window=5, lag=0)])


def _altered(state: dict, path: tuple, value: object) -> dict:
    altered = copy.deepcopy(state)
    at = altered
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return altered


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("bars_seen",), 2, "damaged"),
        (("bars_seen",), -1, "damaged"),
        (("bars_seen",), True, "damaged"),
        (("features",), None, "damaged"),
        (("features", 0), 3, "damaged"),
        (("features", 0, "state", "window", 0), float("nan"), "damaged"),
        (("features", 0, "state", "window", 0), "1.0", "damaged"),
        (("features", 0, "state", "window"), [1.0], "damaged"),
        (("features", 0, "state"), {}, "damaged"),
        (("features", 0, "parameters", "lag"), 1, "other features"),
        (("features", 0, "name"), "y", "other features"),
    ],
)
def test_a_state_that_does_not_fit_is_refused(path: tuple, value: object, words: str) -> None:
    stream = FeatureStream.from_spec(SPEC)
    for _ in range(5):
        stream.push(*GOOD_BAR, *BESIDE)
    with pytest.raises(SchemaError, match=words):
        FeatureStream.from_state(SPEC, _altered(stream.state(), path, value))


def test_streams_and_the_market_need_numpy_only() -> None:
    modules = ["outsample.features.streaming", *(f"outsample.market.{m}" for m in ("accounting", "panel", "portfolio"))]
    program = (
        "import importlib, sys\n"
        "class OnlyNumPy:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        top = name.split('.')[0]\n"
        "        if top not in {'outsample', 'numpy'} | sys.stdlib_module_names:\n"
        "            raise ImportError(f'{name} is not there')\n"
        "sys.meta_path.insert(0, OnlyNumPy())\n"
        f"for name in {modules}: importlib.import_module(name)\n"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
