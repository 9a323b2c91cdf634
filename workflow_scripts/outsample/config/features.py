"""The block `features` of the configuration: what the policy sees of the market."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from outsample.config.block import Block, key, refusal

Lag = Annotated[int, Field(ge=0)]
Horizon = Annotated[int, Field(ge=1)]
Window = Annotated[int, Field(ge=2)]


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

    @model_validator(mode="after")
    def _consistent(self) -> FeatureSet:
        for name in ("return_lags", "return_horizons", "sma", "ema", "volatility"):
            values = getattr(self, name)
            twice = [v for v in values if values.count(v) > 1]
            if twice:
                raise refusal(name, f"names {twice[0]} twice")
        if self.macd and self.macd[0] >= self.macd[1]:
            raise refusal("macd", f"has the fast span {self.macd[0]}, which is not below the slow span {self.macd[1]}")
        return self
