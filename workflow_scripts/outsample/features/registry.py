"""The table of indicators: what each is called, what it needs, how long it warms up, and who proposed it.

One row here, one key in `outsample.config.features.FeatureSet` and one row in
`outsample.features.streaming_indicators` add a feature. A row here holds the indicator as a function of whole arrays;
the form that takes one bar at a time stands there under the same id, and is imported without pandas and Pydantic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from outsample.config.features import FeatureSet
from outsample.features import indicators
from outsample.features.indicators import Array


@dataclass(frozen=True)
class Indicator:
    """A family of features that differ by their parameters.

    `column`, `formula`: templates of the parameters. `setting`: key of FeatureSet. `inputs`: columns of the bars that
    `compute` takes, before the parameters by name. `warm_up`: rows without a value at the start of a symbol.
    """

    column: str
    group: str
    setting: str
    inputs: tuple[str, ...]
    parameters: tuple[str, ...]
    warm_up: Callable[..., int]
    formula: str
    reference: str
    compute: Callable[..., Array]

    @property
    def id(self) -> str:
        """The name of the function: the indicator's name in feature specifications, so in packages."""
        return self.compute.__name__


@dataclass(frozen=True)
class Feature:
    """One column of the feature table: an indicator with its parameters."""

    name: str
    group: str
    formula: str
    warm_up: int
    reference: str
    indicator: str  # id
    inputs: tuple[str, ...]
    parameters: Mapping[str, int]
    function: Callable[..., Array]

    def compute(self, bars: Mapping[str, Array]) -> Array:
        """The feature [T] from one symbol's columns [T], oldest bar first; row t uses bars up to t."""
        return self.function(*(bars[column] for column in self.inputs), **self.parameters)

    def document(self) -> dict[str, Any]:
        """The entry of the feature in the document `feature_spec`: plain data, enough to compute it elsewhere."""
        return {
            "name": self.name,
            "group": self.group,
            "formula": self.formula,
            "warm_up": self.warm_up,
            "indicator": self.indicator,
            "parameters": dict(self.parameters),
            "inputs": list(self.inputs),
        }


# Names of the values of a setting that holds several at once; every other setting holds windows one by one.
_TUPLES = {"macd": ("fast", "slow", "signal")}

INDICATORS: tuple[Indicator, ...] = (
    Indicator(
        "return_lag_{lag}", "return", "return_lags", ("close",), ("lag",), lambda lag: lag + 1,
        "log(close[t] / close[t-1]), {lag} bars ago", "Fama (1965)", indicators.lagged_return,
    ),
    Indicator(
        "return_{horizon}", "return", "return_horizons", ("close",), ("horizon",), lambda horizon: horizon,
        "log(close[t] / close[t-{horizon}])", "Jegadeesh and Titman (1993)", indicators.log_return,
    ),
    Indicator(
        "sma_{window}", "trend", "sma", ("close",), ("window",), lambda window: window - 1,
        "close / SMA(close, {window}) - 1", "Brock, Lakonishok and LeBaron (1992)", indicators.sma_ratio,
    ),
    Indicator(
        "ema_{span}", "trend", "ema", ("close",), ("span",), lambda span: span - 1,
        "close / EMA(close, {span}) - 1", "Brown (1959)", indicators.ema_ratio,
    ),
    Indicator(
        "rsi_{window}", "momentum", "rsi", ("close",), ("window",), lambda window: window,
        "100 * gain / (gain + loss), Wilder averages over {window} bars", "Wilder (1978)", indicators.rsi,
    ),
    Indicator(
        "macd_line", "momentum", "macd", ("close",), ("fast", "slow"), lambda fast, slow: slow - 1,
        "(EMA(close, {fast}) - EMA(close, {slow})) / close", "Appel (1979)", indicators.macd_line,
    ),
    Indicator(
        "macd_signal", "momentum", "macd", ("close",), ("fast", "slow", "signal"),
        lambda fast, slow, signal: slow + signal - 2,
        "EMA(EMA(close, {fast}) - EMA(close, {slow}), {signal}) / close", "Appel (1979)", indicators.macd_signal,
    ),
    Indicator(
        "macd_histogram", "momentum", "macd", ("close",), ("fast", "slow", "signal"),
        lambda fast, slow, signal: slow + signal - 2,
        "macd_line - macd_signal", "Aspray (1986)", indicators.macd_histogram,
    ),
    Indicator(
        "bollinger_{window}", "volatility", "bollinger", ("close",), ("window",), lambda window: window - 1,
        "(close - SMA(close, {window})) / (2 * std(close, {window}))", "Bollinger (2001)",
        indicators.bollinger_position,
    ),
    Indicator(
        "atr_{window}", "volatility", "atr", ("high", "low", "close"), ("window",), lambda window: window,
        "Wilder average of the true range over {window} bars / close", "Wilder (1978)", indicators.atr_ratio,
    ),
    Indicator(
        "volatility_{window}", "volatility", "volatility", ("close",), ("window",), lambda window: window,
        "sqrt(mean of the last {window} squared log returns)", "Andersen and Bollerslev (1998)",
        indicators.realised_volatility,
    ),
    Indicator(
        "volume_z_{window}", "volume", "volume", ("volume",), ("window",), lambda window: window - 1,
        "(log(1+volume) - mean) / std over {window} bars, 0 where volume does not vary", "Karpoff (1987)",
        indicators.volume_zscore,
    ),
)  # fmt: skip


def _choices(settings: FeatureSet, key: str) -> list[dict[str, int]]:
    """The parameters that a setting asks for, one mapping a feature; none where the setting is null."""
    value = getattr(settings, key)
    if value is None:
        return []
    if key in _TUPLES:
        return [dict(zip(_TUPLES[key], value, strict=True))]
    return [{"": item} for item in (value if isinstance(value, (list, tuple)) else [value])]


def _feature(indicator: Indicator, choice: dict[str, int]) -> Feature:
    # A setting of windows one by one does not name them: the indicator has one parameter, and that is its name.
    values = {name: choice[name] if name in choice else choice[""] for name in indicator.parameters}
    return Feature(
        name=indicator.column.format(**values),
        group=indicator.group,
        formula=indicator.formula.format(**values),
        warm_up=indicator.warm_up(**values),
        reference=indicator.reference,
        indicator=indicator.id,
        inputs=indicator.inputs,
        parameters=values,
        function=indicator.compute,
    )


def requested_features(settings: FeatureSet) -> tuple[Feature, ...]:
    """The features that the settings ask for, in the order of the policy's inputs."""
    return tuple(
        _feature(indicator, choice) for indicator in INDICATORS for choice in _choices(settings, indicator.setting)
    )
