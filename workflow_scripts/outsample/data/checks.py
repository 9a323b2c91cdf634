"""The checks that bars must pass: each with an id and a function that finds what fails it.

What a finding does, by default and as set, stands in `outsample.config.validation.Severities`: an error stops the
stage; a warning is counted and shown in the report. Checks run in the order of `CHECKS`; the first ones are errors
always, so that those after them may rely on them: a price that is compared is there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from outsample.config.validation import Fixed, Severities
from outsample.data import coverage_checks as coverage
from outsample.data import price_checks as prices
from outsample.data.dates import first_disorder
from outsample.data.symbol_bars import PRICES, Finding, SymbolBars, finding_at

TOLERANCE = 1e-6  # relative; prices rounded to 7 digits may leave [low, high] by less than this


@dataclass(frozen=True)
class Check:
    """A check: `find` returns None where nothing fails it; `repair` would mend it, where there is one."""

    id: str
    find: Callable[[SymbolBars], Finding | None]
    repair: str | None = None

    @property
    def fixed(self) -> bool:
        """Whether it is an error always."""
        return Severities.model_fields[self.id].annotation == Fixed


def dates_unique(bars: SymbolBars) -> Finding | None:
    """No date is there twice."""
    if first_disorder(bars.dates) is None:  # the usual case, and far cheaper to see
        return None
    failed = bars.frame["date"].duplicated().to_numpy()
    if not failed.any():
        return None
    same = bars.frame[bars.frame["date"] == bars.dates[failed][0]].drop(columns="date").drop_duplicates()
    if len(same) > 1:
        return finding_at(bars, failed, "the date is there twice, with different bars", "keep the right one of them")
    advice = "keep one of them, or ask for the repair merge_duplicate_bars (validation.repairs)"
    return finding_at(bars, failed, "the date is there twice, with equal bars", advice)


def dates_ascend(bars: SymbolBars) -> Finding | None:
    """Dates are there and ascending."""
    disorder = first_disorder(bars.dates)
    if disorder is None:
        return None
    row, kind = disorder
    what = "the date is empty" if kind == "empty" else "the date is out of order"
    return Finding(bars.dates[row : row + 1], what, "sort the bars by date ascending, one bar a date")


def values_present(bars: SymbolBars) -> Finding | None:
    """Prices and volume are numbers."""
    lacking = {c: ~np.isfinite(bars[c]) for c in (*PRICES, "volume")}
    failed = np.logical_or.reduce(list(lacking.values()))
    columns = ", ".join(c for c, rows in lacking.items() if rows[failed.argmax()])
    advice = "delete such rows or complete them from the source (the repair drop_null_rows deletes them)"
    return finding_at(bars, failed, f"no value for {columns}", advice)


def prices_positive(bars: SymbolBars) -> Finding | None:
    """Prices are above zero."""
    failed = np.logical_or.reduce([bars[c] <= 0 for c in PRICES])
    first = failed.argmax()
    shown = ", ".join(f"{c} {bars[c][first]:g}" for c in PRICES if bars[c][first] <= 0)
    return finding_at(bars, failed, f"a price is not above 0 ({shown})", "correct or delete such rows")


def volume_not_negative(bars: SymbolBars) -> Finding | None:
    """Volume is at least zero."""
    failed = bars["volume"] < 0
    return finding_at(
        bars, failed, f"volume is negative ({bars['volume'][failed.argmax()]:g})", "correct or delete such rows"
    )


def high_not_below_low(bars: SymbolBars) -> Finding | None:
    """High is at least low."""
    high, low = bars["high"], bars["low"]
    failed = high < low
    row = failed.argmax()
    what = f"high {high[row]:.10g} is below low {low[row]:.10g}"
    return finding_at(bars, failed, what, "correct such rows, or see whether two columns are exchanged")


def prices_in_range(bars: SymbolBars) -> Finding | None:
    """Open and close lie between low and high."""
    high, low = bars["high"] * (1 + TOLERANCE), bars["low"] * (1 - TOLERANCE)
    outside = {c: (bars[c] > high) | (bars[c] < low) for c in ("open", "close")}
    failed = outside["open"] | outside["close"]
    row = failed.argmax()
    column = "open" if outside["open"][row] else "close"
    what = f"{column} {bars[column][row]:.10g} is outside low {bars['low'][row]:.10g} .. high {bars['high'][row]:.10g}"
    return finding_at(bars, failed, what, "correct such rows, or see whether two columns are exchanged")


def adjustment_known(bars: SymbolBars) -> Finding | None:
    """adj_close is above zero on every bar, or known on none."""
    adjusted = bars["adj_close"]
    if np.isnan(adjusted).all():
        return None
    failed = ~(np.isfinite(adjusted) & (adjusted > 0))
    what = f"adj_close is {adjusted[failed.argmax()]:g}, though other bars have it".replace("is nan", "is empty")
    return finding_at(bars, failed, what, "complete adj_close, or leave out the column to trade unadjusted prices")


CHECKS = (
    Check("dates_unique", dates_unique, "merge_duplicate_bars"),
    Check("dates_ascend", dates_ascend),
    Check("values_present", values_present, "drop_null_rows"),
    Check("prices_positive", prices_positive),
    Check("volume_not_negative", volume_not_negative),
    Check("adjustment_known", adjustment_known),
    Check("high_not_below_low", high_not_below_low),
    Check("prices_in_range", prices_in_range),
    Check("opens_real", prices.opens_real),
    Check("split_unadjusted", prices.split_unadjusted, "apply_splits"),
    Check("unit_error", prices.unit_error, "rescale_unit_error"),
    Check("spike_isolated", prices.spike_isolated),
    Check("scale_after_gap", prices.scale_after_gap),
    Check("sessions_dense", coverage.sessions_dense),
    Check("sessions_covered", coverage.sessions_covered),
    Check("bars_in_sessions", coverage.bars_in_sessions, "drop_bars_outside_sessions"),
    Check("bars_regular", coverage.bars_regular),
    Check("holidays_quiet", coverage.holidays_quiet),
    Check("bars_enough", coverage.bars_enough),
    Check("large_move", prices.large_move),
    Check("false_wick", prices.false_wick, "drop_false_wicks"),
    Check("split_in_close", prices.split_in_close, "apply_splits_by_adj_close"),
    Check("adjustment_smooth", prices.adjustment_smooth),
    Check("stale_run", prices.stale_run),
    Check("filled_bar", prices.filled_bar),
    Check("ranges_known", prices.ranges_known),
    Check("volume_known", coverage.volume_known),
    Check("volume_above_zero", coverage.volume_above_zero),
    Check("volume_varies", coverage.volume_varies),
)
