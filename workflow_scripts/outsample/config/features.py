"""The block `features` of the configuration: what the policy sees of the market."""

from __future__ import annotations

from typing import Annotated, Any, get_origin

from pydantic import Field, model_validator

from outsample.config.block import Block, Name, key, refusal

Lag = Annotated[int, Field(ge=0)]
Horizon = Annotated[int, Field(ge=1)]
Window = Annotated[int, Field(ge=2)]


class CalendarFeatures(Block):
    """Parts of the date, each as the sine and the cosine of its place in its cycle."""

    weekday: bool = key(False, "Day of the week.", "-")
    month_day: bool = key(False, "Day of the month; the turn of the month is the start of the cycle.", "-")
    month: bool = key(False, "Month of the year.", "-")
    time_of_day: bool = key(False, "Time of day, as the bars have it; for intraday bars.", "-")


class CrossFeatures(Block):
    """Features of a symbol against another one, by the close of its last bar at or before the symbol's own date."""

    symbol: Name = Field(
        description="The other symbol, of data.symbols or data.references.", json_schema_extra={"unit": "-"}
    )
    lag: Lag = key(
        0,
        "Bars of the symbol by which the other one is taken late; 1 where its bar of a date closes after the symbol's.",
        "bars",
    )
    returns: list[Horizon] = key([], "Horizons of the other symbol's log return.", "bars")
    beta: int | None = key(
        None, "Window of the beta to the other symbol, and of the return which that leaves over.", "bars", ge=2
    )
    strength: list[Horizon] = key([], "Horizons of the log return less that of the other symbol.", "bars")

    @model_validator(mode="after")
    def _consistent(self) -> CrossFeatures:
        if not (self.returns or self.beta or self.strength):
            raise refusal(
                "returns", "is empty, and so are beta and strength; ask for one of them or leave the entry out"
            )
        for name in ("returns", "strength"):
            _refuse_repeats(name, getattr(self, name))
        return self


class UserFeatures(Block):
    """Features of one's own, from one Python file; see docs/own_features.md."""

    file: str | None = key(None, "The Python file, relative to the working directory; null is none.", "-")
    use: list[str] = key([], "Names of the features of that file, in the order of the policy's inputs.", "-")

    @model_validator(mode="after")
    def _named_once(self) -> UserFeatures:
        if (self.file is None) != (not self.use):
            raise refusal("use", "and file go together: name the file and its features, or neither")
        twice = [name for name in self.use if self.use.count(name) > 1]
        if twice:
            raise refusal("use", f"names {twice[0]} twice")
        return self


class FeatureSet(Block):
    """Look-backs of the built-in features; an empty list or null leaves one out."""

    return_lags: list[Lag] = key([0, 1, 2, 3, 4], "Lags of the one-bar log return.", "bars")
    return_horizons: list[Horizon] = key([5, 10, 20, 60], "Horizons of the multi-bar log return.", "bars")
    sma: list[Window] = key([10, 20, 50], "Windows of close over its simple moving average.", "bars")
    ema: list[Window] = key([12, 26], "Spans of close over its exponential moving average.", "bars")
    rsi: int | None = key(14, "Window of the relative strength index (Wilder).", "bars", ge=2)
    macd: tuple[Horizon, Horizon, Horizon] | None = key(
        (12, 26, 9), "Fast, slow and signal span of MACD, over close.", "bars"
    )
    bollinger: int | None = key(
        20, "Window of the position within the Bollinger bands (2 standard deviations).", "bars", ge=2
    )
    atr: int | None = key(14, "Window of the average true range (Wilder), over close.", "bars", ge=2)
    volatility: list[Window] = key([20], "Windows of the realised volatility of log returns.", "bars")
    volume: int | None = key(20, "Window of the z-score of log volume.", "bars", ge=2)
    sma_cross: list[tuple[Horizon, Horizon]] = key(
        [], "Pairs of a fast and a slow window, of the fast simple moving average over the slow one.", "bars"
    )
    adx: int | None = key(
        None, "Window of the average directional index and the two directional indicators (Wilder).", "bars", ge=2
    )
    aroon: int | None = key(None, "Window of Aroon up, down and oscillator.", "bars", ge=1)
    bollinger_width: int | None = key(
        None, "Window of the width of the Bollinger bands (2 standard deviations), over their middle.", "bars", ge=2
    )
    deviation: list[Window] = key([], "Windows of the standard deviation of log returns.", "bars")
    parkinson: list[Horizon] = key([], "Windows of the volatility by Parkinson, from high and low.", "bars")
    garman_klass: list[Horizon] = key([], "Windows of the volatility by Garman and Klass, from all prices.", "bars")
    drawdown: list[Window] = key([], "Windows of close over the highest high.", "bars")
    dollar_volume: int | None = key(None, "Window of the z-score of log close times volume.", "bars", ge=2)
    calendar: CalendarFeatures = Field(
        CalendarFeatures(), description="Which parts of the date are features.", json_schema_extra={"unit": "-"}
    )
    cross: list[CrossFeatures] = key([], "Features against other symbols, e.g. [{symbol: SPY, returns: [1]}].", "-")
    cross_max_age: int = key(
        5, "How old the other symbol's last bar may be at a date; an older one stops the run.", "days", ge=0
    )

    user: UserFeatures = Field(UserFeatures(), description="Features of one's own.")

    @model_validator(mode="after")
    def _consistent(self) -> FeatureSet:
        for name, field in type(self).model_fields.items():
            if get_origin(field.annotation) is list:
                _refuse_repeats(name, getattr(self, name))
        crosses = [("macd", self.macd)] if self.macd else []
        for name, spans in [*crosses, *(("sma_cross", pair) for pair in self.sma_cross)]:
            if spans[0] >= spans[1]:
                raise refusal(name, f"has the fast span {spans[0]}, which is not below the slow span {spans[1]}")
        against = [(cross.symbol, cross.lag) for cross in self.cross]
        for pair in against:
            if against.count(pair) > 1:
                raise refusal("cross", f"has two entries of {pair[0]} with lag {pair[1]}; write them as one")
        return self

    @property
    def others(self) -> list[str]:
        """The other symbols whose closes the features take, sorted."""
        return sorted({cross.symbol for cross in self.cross})


def _refuse_repeats(name: str, values: list[Any]) -> None:
    twice = [value for value in values if values.count(value) > 1]
    if twice:
        raise refusal(name, f"names {twice[0]} twice")
