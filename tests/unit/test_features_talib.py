"""The features against TA-Lib: from row 500 on they agree to 1e-8 of their largest value, however each begins."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import talib

from outsample.features.listing import EVERY
from outsample.features.registry import INDICATORS, requested_features
from outsample.features.streaming import seconds_of

MARKET = Path(__file__).parents[2] / "data/market"
FEATURES = {feature.name: feature for feature in requested_features(EVERY)}
Bars = dict[str, np.ndarray]


def ratio(bars: Bars, average: np.ndarray) -> np.ndarray:
    return bars["close"] / average - 1


def returns(close: np.ndarray, horizon: int = 1) -> np.ndarray:
    return np.log(talib.ROCR(close, horizon))


def late(values: np.ndarray, rows: int) -> np.ndarray:
    return np.append(np.full(rows, np.nan), values)[: len(values)]


def zscore(values: np.ndarray) -> np.ndarray:
    return (values - talib.SMA(values, 20)) / talib.STDDEV(values, 20)


def macd(bars: Bars, part: int) -> np.ndarray:
    return talib.MACD(bars["close"], 12, 26, 9)[part] / bars["close"]


def bands(bars: Bars) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return talib.BBANDS(bars["close"], 20, 2, 2)


def position(bars: Bars) -> np.ndarray:
    upper, middle, _ = bands(bars)
    return (bars["close"] - middle) / (upper - middle)


def width(bars: Bars) -> np.ndarray:
    upper, middle, lower = bands(bars)
    return (upper - lower) / middle


def ranged(function: Callable[..., np.ndarray]) -> Callable[[Bars], np.ndarray]:
    return lambda b: function(b["high"], b["low"], b["close"], 14)


def root_mean(values: np.ndarray) -> np.ndarray:
    return np.sqrt(talib.SMA(values, 20))


def realised(bars: Bars) -> np.ndarray:
    change = returns(bars["close"])[1:]
    return late(np.append(np.sqrt(talib.STDDEV(change, 20) ** 2 + talib.SMA(change, 20) ** 2), np.nan), 1)


def garman_klass(bars: Bars) -> np.ndarray:
    spread, drift = np.log(bars["high"] / bars["low"]), np.log(bars["close"] / bars["open"])
    return root_mean(0.5 * spread**2 - (2 * np.log(2) - 1) * drift**2)


def beta(bars: Bars) -> np.ndarray:
    own, other = returns(bars["close"])[1:], returns(bars["SPY:close"])[1:]
    slope = talib.CORREL(own, other, 60) * talib.STDDEV(own, 60) / talib.STDDEV(other, 60)
    return late(np.append(slope, np.nan), 1)


EXPECTED: dict[str, Callable[[Bars], np.ndarray]] = {
    **{f"return_lag_{lag}": lambda b, lag=lag: late(returns(b["close"]), lag) for lag in range(5)},
    **{f"return_{h}": lambda b, h=h: returns(b["close"], h) for h in (5, 10, 20, 60)},
    **{f"sma_{w}": lambda b, w=w: ratio(b, talib.SMA(b["close"], w)) for w in (10, 20, 50)},
    **{f"ema_{w}": lambda b, w=w: ratio(b, talib.EMA(b["close"], w)) for w in (12, 26)},
    "rsi_14": lambda b: talib.RSI(b["close"], 14),
    "macd_line": lambda b: macd(b, 0),
    "macd_signal": lambda b: macd(b, 1),
    "macd_histogram": lambda b: macd(b, 2),
    "bollinger_20": position,
    "atr_14": lambda b: ranged(talib.ATR)(b) / b["close"],
    "volatility_20": realised,
    "volume_z_20": lambda b: zscore(np.log1p(b["volume"])),
    "sma_cross_20_50": lambda b: talib.SMA(b["close"], 20) / talib.SMA(b["close"], 50) - 1,
    "plus_di_14": ranged(talib.PLUS_DI),
    "minus_di_14": ranged(talib.MINUS_DI),
    "adx_14": ranged(talib.ADX),
    "aroon_down_14": lambda b: talib.AROON(b["high"], b["low"], 14)[0],
    "aroon_up_14": lambda b: talib.AROON(b["high"], b["low"], 14)[1],
    "aroon_14": lambda b: talib.AROONOSC(b["high"], b["low"], 14),
    "bollinger_width_20": width,
    "deviation_20": lambda b: late(np.append(talib.STDDEV(returns(b["close"])[1:], 20), np.nan), 1),
    "parkinson_20": lambda b: root_mean(np.log(b["high"] / b["low"]) ** 2 / (4 * np.log(2))),
    "garman_klass_20": garman_klass,
    "drawdown_60": lambda b: b["close"] / talib.MAX(b["high"], 60) - 1,
    "dollar_volume_z_20": lambda b: zscore(np.log(b["close"]) + np.log1p(b["volume"])),
    "SPY:return_5": lambda b: returns(b["SPY:close"], 5),
    "SPY:beta_60": beta,
    "SPY:residual_60": lambda b: returns(b["close"]) - beta(b) * returns(b["SPY:close"]),
    "SPY:strength_20": lambda b: returns(b["close"], 20) - returns(b["SPY:close"], 20),
}


def random_bars() -> Bars:
    draw = np.random.Generator(np.random.PCG64(5))
    close = 50 * np.exp(np.cumsum(draw.normal(0, 0.02, 1500)))
    open_ = close * np.exp(draw.normal(0, 0.01, 1500))
    return {
        "open": open_,
        "high": np.maximum(open_, close) * np.exp(np.abs(draw.normal(0, 0.01, 1500))),
        "low": np.minimum(open_, close) * np.exp(-np.abs(draw.normal(0, 0.01, 1500))),
        "close": close,
        "volume": np.floor(draw.exponential(1e6, 1500)),
        "SPY:close": close**0.5 * np.exp(np.cumsum(draw.normal(0, 0.01, 1500))),
        "date": np.arange(1500) * 86_400.0,
    }


def market_bars() -> Bars:
    """AAPL as it was quoted, in which some highs and lows repeat, and GOOG as the other symbol."""
    own, other = (pd.read_csv(MARKET / f"{symbol}.csv", parse_dates=["date"]) for symbol in ("AAPL", "GOOG"))
    columns = {name: own[name].to_numpy(np.float64) for name in ("open", "high", "low", "close", "volume")}
    return columns | {"SPY:close": other["close"].to_numpy(), "date": seconds_of(own["date"].to_numpy())}


BARS = {"random": random_bars(), "AAPL": market_bars()}


def test_every_feature_with_a_counterpart_is_compared() -> None:
    named = {indicator.id for indicator in INDICATORS if indicator.ta_lib}
    assert {feature.indicator for name, feature in FEATURES.items() if name in EXPECTED} == named
    assert {name for name, feature in FEATURES.items() if feature.indicator in named} == set(EXPECTED)
    assert {indicator.group for indicator in INDICATORS if not indicator.ta_lib} == {"calendar"}


@pytest.mark.parametrize("bars", BARS.values(), ids=BARS)
@pytest.mark.parametrize("name", EXPECTED)
def test_a_feature_agrees_from_row_500_on(name: str, bars: Bars) -> None:
    found, expected = FEATURES[name].compute(bars)[500:], EXPECTED[name](bars)[500:]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-8 * np.abs(expected).max())
