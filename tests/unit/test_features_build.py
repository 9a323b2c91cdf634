"""The registry of features and the feature table."""

import numpy as np
import pandas as pd
import pytest

from outsample.config.features import CalendarFeatures, CrossFeatures, FeatureSet
from outsample.errors import DataError
from outsample.features.build import build_features, symbol_rows, without_warm_up
from outsample.features.listing import EVERY, HEADERS, feature_rows
from outsample.features.registry import INDICATORS, requested_features


def bars_of(lengths: dict[str, int], seed: int = 0) -> pd.DataFrame:
    """Random validated bars; all symbols end on the same date."""
    draw = np.random.Generator(np.random.PCG64(seed))
    longest = max(lengths.values())
    calendar = pd.date_range("2020-01-01", periods=longest, freq="D", unit="us")
    parts = []
    for symbol, length in lengths.items():
        close = 50 * np.exp(np.cumsum(draw.normal(0, 0.02, length)))
        open_ = close * np.exp(draw.normal(0, 0.005, length))
        high, low = np.maximum(open_, close) * 1.003, np.minimum(open_, close) * 0.997
        volume = np.floor(1e6 * np.exp(draw.normal(0, 0.5, length)))
        columns = {"open": open_, "high": high, "low": low, "close": close, "volume": volume, "factor": 1.0}
        parts.append(pd.DataFrame({"symbol": symbol, "date": calendar[longest - length :], **columns}))
    return pd.concat(parts, ignore_index=True)


def test_default_features_have_readable_names_in_a_stable_order() -> None:
    assert [feature.name for feature in requested_features(FeatureSet())] == [
        *["return_lag_0", "return_lag_1", "return_lag_2", "return_lag_3", "return_lag_4"],
        *["return_5", "return_10", "return_20", "return_60"],
        *["sma_10", "sma_20", "sma_50", "ema_12", "ema_26"],
        *["rsi_14", "macd_line", "macd_signal", "macd_histogram"],
        *["bollinger_20", "atr_14", "volatility_20", "volume_z_20"],
    ]


def test_every_indicator_says_who_proposed_it_and_belongs_to_a_setting() -> None:
    for indicator in INDICATORS:
        assert indicator.reference.endswith(")")
    parts = {f"calendar.{name}" for name in CalendarFeatures.model_fields}
    parts |= {f"cross.{name}" for name in CrossFeatures.model_fields if name not in {"symbol", "lag"}}
    plain = set(FeatureSet.model_fields) - {"calendar", "cross", "cross_max_age", "user"}
    assert {indicator.setting for indicator in INDICATORS} == plain | parts


def test_every_registered_indicator_is_listed_at_its_usual_parameters() -> None:
    assert {feature.indicator for feature in requested_features(EVERY)} == {indicator.id for indicator in INDICATORS}
    assert all(len(row) == len(HEADERS) and all(row) for row in feature_rows())


def test_names_are_unique_whatever_the_lag() -> None:
    cross = [{"symbol": "SPY", "lag": lag, "returns": [1, 5], "beta": 5, "strength": [1]} for lag in (0, 1)]
    features = requested_features(FeatureSet.model_validate({"cross": [*cross, {"symbol": "B", "returns": [5]}]}))
    names = [feature.name for feature in features]
    assert len(names) == len(set(names))
    assert names[-8:] == [
        *["SPY:return_5_lag_1", "B:return_5", "SPY:beta_5", "SPY:beta_5_lag_1"],
        *["SPY:residual_5", "SPY:residual_5_lag_1", "SPY:strength_1", "SPY:strength_1_lag_1"],
    ]
    assert features[-1].inputs == ("close", "SPY:close")


def test_each_feature_is_empty_in_exactly_its_warm_up() -> None:
    frame, spec = build_features(bars_of({"A": 90, "B": 75}), FeatureSet())
    assert spec["warm_up"] == 60 == max(feature["warm_up"] for feature in spec["features"])
    for symbol, rows in symbol_rows(frame):
        for feature in spec["features"]:
            empty = frame[feature["name"]].isna().to_numpy()[rows]
            np.testing.assert_array_equal(np.flatnonzero(empty), np.arange(feature["warm_up"]), err_msg=symbol)


def test_the_spec_says_what_each_feature_is() -> None:
    _, spec = build_features(bars_of({"A": 90}), FeatureSet())
    assert spec["features"][5] == {
        "name": "return_5",
        "group": "return",
        "formula": "log(close[t] / close[t-5])",
        "warm_up": 5,
        "indicator": "log_return",
        "parameters": {"horizon": 5},
        "inputs": ["close"],
    }


def test_bars_stand_unchanged_before_the_features() -> None:
    bars = bars_of({"A": 70, "B": 90})
    frame, _ = build_features(bars, FeatureSet())
    pd.testing.assert_frame_equal(frame[list(bars.columns)], bars)
    assert frame.columns[len(bars.columns)] == "return_lag_0"


def test_a_symbol_is_computed_as_if_it_stood_alone() -> None:
    bars = bars_of({"A": 70, "B": 90})
    both, _ = build_features(bars, FeatureSet())
    alone, _ = build_features(bars[bars["symbol"] == "B"].reset_index(drop=True), FeatureSet())
    pd.testing.assert_frame_equal(both[both["symbol"] == "B"].reset_index(drop=True), alone, check_exact=True)


def test_without_warm_up_drops_the_first_rows_of_each_symbol() -> None:
    frame = bars_of({"A": 4, "B": 3})
    assert without_warm_up(frame, 2).index.tolist() == [2, 3, 6]


def test_a_symbol_shorter_than_the_warm_up_is_refused() -> None:
    with pytest.raises(DataError, match="B has 60 bars"):
        build_features(bars_of({"A": 90, "B": 60}), FeatureSet())


@pytest.mark.parametrize(("column", "value"), [("close", np.nan), ("close", -1.0), ("volume", -2.0)])
def test_a_feature_that_is_not_finite_is_refused_with_its_date(column: str, value: float) -> None:
    bars = bars_of({"A": 90})
    bars.loc[80, column] = value
    with pytest.raises(DataError, match=r"A: the feature \w+ is nan on 2020-03-21 00:00:00 \(row 80\)"):
        build_features(bars, FeatureSet())
