"""What a check is given and what it gives back: the bars of one symbol, and a finding."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from outsample.config.models import Market
from outsample.config.validation import Thresholds
from outsample.data.calendar import Calendar

PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True)
class SymbolBars:
    """Bars of one symbol [T], and what they are judged by.

    What is derived below needs dates that ascend and prices above 0, which the first checks see to.
    """

    frame: pd.DataFrame
    market: Market
    calendar: Calendar
    limits: Thresholds = field(default_factory=Thresholds)
    simulated: bool = False

    def __getitem__(self, column: str) -> NDArray[np.float64]:
        return self.frame[column].to_numpy()

    def __len__(self) -> int:
        return len(self.frame)

    @cached_property
    def dates(self) -> NDArray[np.datetime64]:
        """Dates [T]."""
        return self.frame["date"].to_numpy()

    @cached_property
    def days(self) -> NDArray[np.datetime64]:
        """Distinct days, ascending."""
        return self.dates.astype("datetime64[D]")[self.new_day]

    @cached_property
    def new_day(self) -> NDArray[np.bool_]:
        """Whether a bar is the first of its day [T]."""
        days = self.dates.astype("datetime64[D]")
        return np.concatenate([[True], days[1:] != days[:-1]])

    @cached_property
    def adjusted(self) -> bool:
        """Whether adj_close is known."""
        return bool(np.isfinite(self["adj_close"]).all())

    @cached_property
    def factor(self) -> NDArray[np.float64]:
        """adj_close / close, by which all prices of a bar are multiplied; 1 where it is not known [T]."""
        return self["adj_close"] / self["close"] if self.adjusted else np.ones(len(self))

    @cached_property
    def returns(self) -> NDArray[np.float64]:
        """Log change of the adjusted close from the bar before [T]; 0 in the first bar."""
        return np.diff(np.log(self["close"] * self.factor), prepend=np.log(self["close"][0] * self.factor[0]))

    @cached_property
    def gaps(self) -> NDArray[np.float64]:
        """Log change from the close of the bar before to the open, adjusted [T]; 0 in the first bar."""
        opens, closes = np.log(self["open"] * self.factor), np.log(self["close"] * self.factor)
        return opens - np.concatenate([opens[:1], closes[:-1]])

    @cached_property
    def usual_move(self) -> float:
        """Standard deviation of `returns` if they were normal, by their median size, which no outlier moves."""
        return float(1.4826 * np.median(np.abs(self.returns)))

    @cached_property
    def volume_is_known(self) -> bool:
        """Whether any bar has a volume."""
        return bool((self["volume"] > 0).any())


@dataclass(frozen=True)
class Finding:
    """What fails a check: the dates concerned, what is wrong there, and what to do."""

    dates: NDArray[np.datetime64]
    what: str
    advice: str


def finding_at(bars: SymbolBars, failed: NDArray[np.bool_], what: str, advice: str) -> Finding | None:
    """The finding of the bars that failed [T]; None where none did."""
    return Finding(bars.dates[failed], what, advice) if failed.any() else None


def unless_right(check: str, otherwise: str) -> str:
    """Advice that ends in the key which lets the bars pass as they are."""
    return f"{otherwise}, or, where the bars are right, set validation.severities.{check} to warning"
