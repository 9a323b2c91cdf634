"""The block `validation` of the configuration: how bad a finding is, from where on it is one, and what is repaired."""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from outsample.config.block import Block, key, refusal

Fixed = Literal["error"]  # the checks after it rely on it, and so do features and accounting
Severity = Literal["error", "warning", "off"]
Ratio = Annotated[float, Field(gt=0)]
Repair = Literal[
    "merge_duplicate_bars",
    "drop_null_rows",
    "drop_bars_outside_sessions",
    "rescale_unit_error",
    "apply_splits",
    "apply_splits_by_adj_close",
    "drop_false_wicks",
]


class Severities(Block):
    """What a finding of each check does: an error stops the run, a warning is counted and shown."""

    dates_unique: Fixed = key("error", "A date is there twice.", "-")
    dates_ascend: Fixed = key("error", "A date is empty or out of order.", "-")
    values_present: Fixed = key("error", "A price or a volume is no number.", "-")
    prices_positive: Fixed = key("error", "A price is not above 0.", "-")
    volume_not_negative: Fixed = key("error", "A volume is below 0.", "-")
    adjustment_known: Fixed = key("error", "adj_close is known on some bars only, or not above 0.", "-")
    high_not_below_low: Severity = key("error", "The high is below the low.", "-")
    prices_in_range: Severity = key("error", "The open or the close is outside low .. high.", "-")
    opens_real: Severity = key("error", "Opens repeat the close before them, and fills are at the open.", "-")
    split_unadjusted: Severity = key("error", "Prices jump over night by a split's ratio and stay there, calmly.", "-")
    unit_error: Severity = key("error", "Prices jump by 100 or 1000, for a while or for good.", "-")
    spike_isolated: Severity = key("error", "A whole bar lies far outside the bars on both its sides.", "-")
    scale_after_gap: Severity = key("error", "After a long gap prices go on at another level.", "-")
    sessions_dense: Severity = key("error", "Most sessions have no bar, so bars a year are miscounted.", "-")
    sessions_covered: Severity = key("warning", "A session of the calendar has no bar.", "-")
    bars_in_sessions: Severity = key("warning", "A bar is on a day without a session.", "-")
    bars_regular: Severity = key("warning", "Bars within a day are missing.", "-")
    holidays_quiet: Severity = key("warning", "There are trades on 25 December or 1 January.", "-")
    bars_enough: Severity = key("warning", "There are few bars.", "-")
    large_move: Severity = key("warning", "A close is far from the one before: a crash, or an error.", "-")
    false_wick: Severity = key("warning", "A high or low is far outside its own bar and both neighbours.", "-")
    split_in_close: Severity = key("warning", "close has a split that adj_close takes out; volume is unadjusted.", "-")
    adjustment_smooth: Severity = key(
        "warning", "adj_close / close jumps as no split or dividend makes it, or is above 1.", "-"
    )
    stale_run: Severity = key("warning", "Open, high, low and close stay the same for many bars.", "-")
    filled_bar: Severity = key("warning", "A bar of zero volume repeats the close before it: filled forward.", "-")
    ranges_known: Severity = key("warning", "Most bars have open = high = low = close: only closes are known.", "-")
    volume_known: Severity = key("warning", "Volume is 0 throughout: none is known.", "-")
    volume_above_zero: Severity = key("warning", "Volume is 0 on some bars.", "-")
    volume_varies: Severity = key("warning", "Volume is the same on nearly all bars, as in simulated data.", "-")


class Thresholds(Block):
    """From where on something is a finding."""

    large_move: float = key(0.35, "Change of the close from which a move is large.", "fraction", gt=0)
    spike: float = key(
        0.5,
        "Distance of a spike from the bars beside it; less, but at least 0.1, where 30 times the usual move is less.",
        "fraction",
        gt=0,
    )
    wick: float = key(25.0, "Distance of a false wick from bodies and neighbours.", "usual ranges high - low", gt=1)
    stale_bars: int = key(5, "Equal bars in a row from which a run is stale.", "bars", ge=2)
    reuse_gap: int = key(60, "Gap after which another price level may be that of another instrument.", "days", ge=1)
    reuse_ratio: float = key(2.0, "Ratio of prices that is another level.", "1", gt=1)
    min_coverage: float = key(0.5, "Share of the sessions with a bar, in weeks that have one.", "1", ge=0, le=1)
    min_bars: int = key(250, "Bars of a symbol that are enough.", "bars", ge=1)


class BarRules(Block):
    """How bars are checked and repaired."""

    severities: Severities = Field(
        Severities(), description="What a finding of each check does.", json_schema_extra={"unit": "-"}
    )
    thresholds: Thresholds = Field(
        Thresholds(), description="From where on something is a finding.", json_schema_extra={"unit": "-"}
    )
    repairs: list[Repair] = key(
        [], "Repairs that are made, in an order of their own (docs/data.md); each changed value is logged.", "-"
    )
    splits: dict[str, dict[datetime.date, Ratio]] = key(
        {},
        "Splits for the repair apply_splits: {SYMBOL: {date: new shares for one old}}; the date is the first on the "
        "new scale.",
        "-",
    )

    @field_validator("repairs")
    @classmethod
    def _once(cls, repairs: list[Repair]) -> list[Repair]:
        twice = [r for r in repairs if repairs.count(r) > 1]
        if twice:
            raise refusal((), f"names {twice[0]} twice")
        return repairs

    @model_validator(mode="after")
    def _splits_used(self) -> BarRules:
        if self.splits and "apply_splits" not in self.repairs:
            raise refusal("splits", "has no effect unless validation.repairs holds apply_splits")
        if "apply_splits" in self.repairs and not self.splits:
            raise refusal("repairs", "holds apply_splits, which needs validation.splits, {SYMBOL: {date: ratio}}")
        return self
