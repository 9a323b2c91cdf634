"""The table of indicators: what each is called, what it needs, how long it warms up, and who proposed it.

One row here, one key in `outsample.config.features.FeatureSet` and one row in
`outsample.features.streaming_indicators` add a feature. A row here holds the indicator as a function of whole arrays;
the form that takes one bar at a time stands there under the same id, and is imported without pandas and Pydantic.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, NamedTuple, cast

from outsample.config.features import FeatureSet
from outsample.errors import UserFeatureError
from outsample.features import context_indicators as context
from outsample.features import indicators
from outsample.features.indicators import Array
from outsample.features.references import close_column
from outsample.features.user import USER, UserFeature, load_user_features

# How a feature begins.
WINDOW = "window alone"
EMA_START = "mean of the first values (EMA)"
WILDER_START = "mean of the first values (Wilder)"
OTHER = close_column("{symbol}")  # an input: the closes of the other symbol


@dataclass(frozen=True)
class Indicator:
    """A family of features that differ by their parameters.

    `column`, `formula`: templates of the parameters, and of `symbol`, the other symbol of a cross feature. `setting`:
    key of FeatureSet, dotted where it is a block or a list of blocks. `inputs`: columns of the bars that `compute`
    takes, before the parameters by name. `warm_up`: rows without a value at the start of a symbol. `start`: how it
    begins. `ta_lib`: the functions of TA-Lib that it agrees with once its start has faded; empty where there is none.
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
    ta_lib: str = ""
    start: str = WINDOW

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
    user: UserFeature | None = None  # what the user's file declares, where it is of one

    def compute(self, bars: Mapping[str, Array]) -> Array:
        """The feature [T] from one symbol's columns [T], oldest bar first; row t uses bars up to t."""
        if self.user is not None:
            return self.user.compute(bars)
        return self.function(*(bars[column] for column in self.inputs), **self.parameters)

    def document(self) -> dict[str, Any]:
        """The entry of the feature in the document `feature_spec`: plain data, enough to compute it elsewhere."""
        code = {"code": {"file": self.user.file, "sha256": self.user.sha256}} if self.user is not None else {}
        return {
            "name": self.name,
            "group": self.group,
            "formula": self.formula,
            "warm_up": self.warm_up,
            "indicator": self.indicator,
            "parameters": dict(self.parameters),
            "inputs": list(self.inputs),
            **code,
        }


_RANGE = ("high", "low", "close")
# Names of the values of a setting that holds several at once; every other setting holds windows one by one.
_TUPLES = {"macd": ("fast", "slow", "signal"), "sma_cross": ("fast", "slow")}

INDICATORS: tuple[Indicator, ...] = (
    Indicator(
        "return_lag_{lag}", "return", "return_lags", ("close",), ("lag",), lambda lag: lag + 1,
        "log(close[t] / close[t-1]), {lag} bars ago", "Fama (1965)", indicators.lagged_return, "ROCR",
    ),
    Indicator(
        "return_{horizon}", "return", "return_horizons", ("close",), ("horizon",), lambda horizon: horizon,
        "log(close[t] / close[t-{horizon}])", "Jegadeesh and Titman (1993)", indicators.log_return, "ROCR",
    ),
    Indicator(
        "sma_{window}", "trend", "sma", ("close",), ("window",), lambda window: window - 1,
        "close / SMA(close, {window}) - 1", "Brock, Lakonishok and LeBaron (1992)", indicators.sma_ratio,
        "SMA",
    ),
    Indicator(
        "ema_{span}", "trend", "ema", ("close",), ("span",), lambda span: span - 1,
        "close / EMA(close, {span}) - 1", "Brown (1959)", indicators.ema_ratio, "EMA", EMA_START,
    ),
    Indicator(
        "rsi_{window}", "momentum", "rsi", ("close",), ("window",), lambda window: window,
        "100 * gain / (gain + loss), Wilder averages over {window} bars", "Wilder (1978)", indicators.rsi,
        "RSI", WILDER_START,
    ),
    Indicator(
        "macd_line", "momentum", "macd", ("close",), ("fast", "slow"), lambda fast, slow: slow - 1,
        "(EMA(close, {fast}) - EMA(close, {slow})) / close", "Appel (1979)", indicators.macd_line, "MACD", EMA_START,
    ),
    Indicator(
        "macd_signal", "momentum", "macd", ("close",), ("fast", "slow", "signal"),
        lambda fast, slow, signal: slow + signal - 2,
        "EMA(EMA(close, {fast}) - EMA(close, {slow}), {signal}) / close", "Appel (1979)", indicators.macd_signal,
        "MACD", EMA_START,
    ),
    Indicator(
        "macd_histogram", "momentum", "macd", ("close",), ("fast", "slow", "signal"),
        lambda fast, slow, signal: slow + signal - 2,
        "macd_line - macd_signal", "Aspray (1986)", indicators.macd_histogram, "MACD", EMA_START,
    ),
    Indicator(
        "bollinger_{window}", "volatility", "bollinger", ("close",), ("window",), lambda window: window - 1,
        "(close - SMA(close, {window})) / (2 * std(close, {window}))", "Bollinger (2001)",
        indicators.bollinger_position, "BBANDS",
    ),
    Indicator(
        "atr_{window}", "volatility", "atr", ("high", "low", "close"), ("window",), lambda window: window,
        "Wilder average of the true range over {window} bars / close", "Wilder (1978)", indicators.atr_ratio,
        "ATR", WILDER_START,
    ),
    Indicator(
        "volatility_{window}", "volatility", "volatility", ("close",), ("window",), lambda window: window,
        "sqrt(mean of the last {window} squared log returns)", "Andersen and Bollerslev (1998)",
        indicators.realised_volatility, "STDDEV, SMA",
    ),
    Indicator(
        "volume_z_{window}", "volume", "volume", ("volume",), ("window",), lambda window: window - 1,
        "(log(1+volume) - mean) / std over {window} bars, 0 where volume does not vary", "Karpoff (1987)",
        indicators.volume_zscore, "STDDEV, SMA",
    ),
    Indicator(
        "sma_cross_{fast}_{slow}", "trend", "sma_cross", ("close",), ("fast", "slow"), lambda fast, slow: slow - 1,
        "SMA(close, {fast}) / SMA(close, {slow}) - 1", "Brock, Lakonishok and LeBaron (1992)",
        indicators.sma_crossing, "SMA",
    ),
    Indicator(
        "plus_di_{window}", "trend", "adx", _RANGE, ("window",), lambda window: window,
        "100 * W(+DM) / W(true range), Wilder averages over {window} bars", "Wilder (1978)", indicators.plus_di,
        "PLUS_DI", WILDER_START,
    ),
    Indicator(
        "minus_di_{window}", "trend", "adx", _RANGE, ("window",), lambda window: window,
        "100 * W(-DM) / W(true range), Wilder averages over {window} bars", "Wilder (1978)", indicators.minus_di,
        "MINUS_DI", WILDER_START,
    ),
    Indicator(
        "adx_{window}", "trend", "adx", _RANGE, ("window",), lambda window: 2 * window - 1,
        "W(100 * |+DI - -DI| / (+DI + -DI)), Wilder average over {window} bars", "Wilder (1978)", indicators.adx,
        "ADX", WILDER_START,
    ),
    Indicator(
        "aroon_up_{window}", "trend", "aroon", ("high",), ("window",), lambda window: window,
        "100 * ({window} - bars since the highest high) / {window}", "Chande (1995)", indicators.aroon_up, "AROON",
    ),
    Indicator(
        "aroon_down_{window}", "trend", "aroon", ("low",), ("window",), lambda window: window,
        "100 * ({window} - bars since the lowest low) / {window}", "Chande (1995)", indicators.aroon_down, "AROON",
    ),
    Indicator(
        "aroon_{window}", "trend", "aroon", ("high", "low"), ("window",), lambda window: window,
        "aroon_up - aroon_down", "Chande (1995)", indicators.aroon_oscillator, "AROONOSC",
    ),
    Indicator(
        "bollinger_width_{window}", "volatility", "bollinger_width", ("close",), ("window",),
        lambda window: window - 1, "4 * std(close, {window}) / SMA(close, {window})", "Bollinger (2001)",
        indicators.bollinger_width, "BBANDS",
    ),
    Indicator(
        "deviation_{window}", "volatility", "deviation", ("close",), ("window",), lambda window: window,
        "std of the last {window} log returns", "Officer (1973)", indicators.return_deviation, "STDDEV",
    ),
    Indicator(
        "parkinson_{window}", "volatility", "parkinson", ("high", "low"), ("window",), lambda window: window - 1,
        "sqrt(mean of the last {window} log(high / low)^2 / (4 log 2))", "Parkinson (1980)",
        indicators.parkinson_volatility, "SMA",
    ),
    Indicator(
        "garman_klass_{window}", "volatility", "garman_klass", ("open", "high", "low", "close"), ("window",),
        lambda window: window - 1,
        "sqrt(mean of the last {window} log(high / low)^2 / 2 - (2 log 2 - 1) log(close / open)^2)",
        "Garman and Klass (1980)", indicators.garman_klass_volatility, "SMA",
    ),
    Indicator(
        "drawdown_{window}", "trend", "drawdown", ("high", "close"), ("window",), lambda window: window - 1,
        "close / highest high of the last {window} bars - 1", "George and Hwang (2004)", indicators.drawdown, "MAX",
    ),
    Indicator(
        "dollar_volume_z_{window}", "volume", "dollar_volume", ("close", "volume"), ("window",),
        lambda window: window - 1, "(log(close * (1+volume)) - mean) / std over {window} bars", "Amihud (2002)",
        indicators.dollar_volume_zscore, "STDDEV, SMA",
    ),
    Indicator(
        "weekday_sin", "calendar", "calendar.weekday", ("date",), (), lambda: 0,
        "sin(2 pi days since Monday / 7)", "French (1980)", context.weekday_sin,
    ),
    Indicator(
        "weekday_cos", "calendar", "calendar.weekday", ("date",), (), lambda: 0,
        "cos(2 pi days since Monday / 7)", "French (1980)", context.weekday_cos,
    ),
    Indicator(
        "month_day_sin", "calendar", "calendar.month_day", ("date",), (), lambda: 0,
        "sin(2 pi days since the first / days of the month)", "Ariel (1987)", context.month_day_sin,
    ),
    Indicator(
        "month_day_cos", "calendar", "calendar.month_day", ("date",), (), lambda: 0,
        "cos(2 pi days since the first / days of the month)", "Ariel (1987)", context.month_day_cos,
    ),
    Indicator(
        "month_sin", "calendar", "calendar.month", ("date",), (), lambda: 0,
        "sin(2 pi months since January / 12)", "Rozeff and Kinney (1976)", context.month_sin,
    ),
    Indicator(
        "month_cos", "calendar", "calendar.month", ("date",), (), lambda: 0,
        "cos(2 pi months since January / 12)", "Rozeff and Kinney (1976)", context.month_cos,
    ),
    Indicator(
        "time_of_day_sin", "calendar", "calendar.time_of_day", ("date",), (), lambda: 0,
        "sin(2 pi time of day / day)", "Wood, McInish and Ord (1985)", context.time_of_day_sin,
    ),
    Indicator(
        "time_of_day_cos", "calendar", "calendar.time_of_day", ("date",), (), lambda: 0,
        "cos(2 pi time of day / day)", "Wood, McInish and Ord (1985)", context.time_of_day_cos,
    ),
    Indicator(
        "{symbol}:return_{horizon}", "cross-asset", "cross.returns", (OTHER,), ("horizon", "lag"),
        lambda horizon, lag: horizon + lag, "log({symbol}[t] / {symbol}[t-{horizon}])", "Lo and MacKinlay (1990)",
        context.other_return, "ROCR",
    ),
    Indicator(
        "{symbol}:beta_{window}", "cross-asset", "cross.beta", ("close", OTHER), ("window", "lag"),
        lambda window, lag: window + lag, "cov / var of the last {window} log returns, of the symbol on {symbol}",
        "Sharpe (1963)", context.beta, "CORREL, STDDEV",
    ),
    Indicator(
        "{symbol}:residual_{window}", "cross-asset", "cross.beta", ("close", OTHER), ("window", "lag"),
        lambda window, lag: window + lag, "log return - beta_{window} * log return of {symbol}",
        "Blitz, Huij and Martens (2011)", context.residual_return, "CORREL, STDDEV",
    ),
    Indicator(
        "{symbol}:strength_{horizon}", "cross-asset", "cross.strength", ("close", OTHER), ("horizon", "lag"),
        lambda horizon, lag: horizon + lag, "log(close[t] / close[t-{horizon}]) - that of {symbol}", "Levy (1967)",
        context.relative_strength, "ROCR",
    ),
)  # fmt: skip


class _Choice(NamedTuple):
    """What a setting asks for: one feature of each of its indicators."""

    parameters: dict[str, int]  # "": the value of a setting that does not name it
    other: str | None = None  # symbol


def _each(key: str, value: Any) -> list[dict[str, int]]:
    """The parameters that the value of a setting asks for; none where it is null, false or empty."""
    if value is None or value is False:
        return []
    if value is True:
        return [{}]
    names = _TUPLES.get(key)
    if names is None:
        return [{"": item} for item in (value if isinstance(value, (list, tuple)) else [value])]
    return [dict(zip(names, item, strict=True)) for item in (value if isinstance(value, list) else [value])]


def _choices(settings: FeatureSet, setting: str) -> list[_Choice]:
    key, _, part = setting.partition(".")
    value = getattr(settings, key)
    if not part:
        return [_Choice(found) for found in _each(key, value)]
    if isinstance(value, list):  # of cross features
        return [
            _Choice(found | {"lag": cross.lag}, cross.symbol)
            for cross in value
            for found in _each(part, getattr(cross, part))
        ]
    return [_Choice(found) for found in _each(part, getattr(value, part))]


def _feature(indicator: Indicator, choice: _Choice) -> Feature:
    given, symbol = choice.parameters, choice.other
    # A setting of windows one by one does not name them: the indicator has one parameter, and that is its name.
    values = {name: given[name] if name in given else given[""] for name in indicator.parameters}
    lag = values["lag"] if symbol else 0
    return Feature(
        name=indicator.column.format(**values, symbol=symbol) + (f"_lag_{lag}" if lag else ""),
        group=indicator.group,
        formula=indicator.formula.format(**values, symbol=symbol) + (f", {symbol} {lag} bars late" if lag else ""),
        warm_up=indicator.warm_up(**values),
        reference=indicator.reference,
        indicator=indicator.id,
        inputs=tuple(column.format(symbol=symbol) for column in indicator.inputs),
        parameters=values,
        function=indicator.compute,
    )


def requested_features(settings: FeatureSet, own: Sequence[UserFeature] = ()) -> tuple[Feature, ...]:
    """The features that the settings ask for, in the order of the policy's inputs; those of the user's file last."""
    built_in = [
        _feature(indicator, choice) for indicator in INDICATORS for choice in _choices(settings, indicator.setting)
    ]
    return (*built_in, *map(_of_user, own))


def own_features(settings: FeatureSet, source: bytes | None) -> tuple[UserFeature, ...]:
    """The features of the user's file that the settings ask for; reading them runs the code of the file.

    Args:
        source: bytes of the file `settings.user.file`; None where the settings name none.
    Raises: UserFeatureError as `load_user_features`, and where one has the name of a built-in feature.
    """
    if settings.user.file is None or source is None:
        return ()
    file = PurePath(settings.user.file).name
    own = load_user_features(source, file, settings.user.use)
    built_in = [re.compile(re.sub(r"{\w+}", r"\\d+", indicator.column)) for indicator in INDICATORS]
    for feature in own:
        if any(name.fullmatch(feature.name) for name in built_in):
            raise UserFeatureError(
                f"{file}: the feature {feature.name} has the name of a built-in feature; rename it, in "
                "features.user.use as well."
            )
    return own


def _of_user(own: UserFeature) -> Feature:
    return Feature(
        name=own.name,
        group=USER,
        formula=own.formula,
        warm_up=own.warm_up,
        reference=own.reference,
        indicator=USER,
        inputs=own.inputs,
        parameters=cast("Mapping[str, int]", own.parameters),  # of one's own features any numbers
        function=own.function,
        user=own,
    )
