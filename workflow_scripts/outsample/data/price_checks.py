"""Checks of what prices do from bar to bar: jumps, spikes, wicks, runs of equal bars, and adj_close."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from outsample.data import price_patterns as patterns
from outsample.data.calendar import EVERY_DAY, FX, OBSERVED, WEEKDAYS
from outsample.data.price_patterns import Mask
from outsample.data.symbol_bars import Finding, SymbolBars, finding_at, unless_right

REPEATED_OPENS = 0.5  # share of bars from which opens that repeat the previous close are no opens
FLAT_BARS = 0.5  # share of bars with open = high = low = close from which only closes are known
_GAPLESS = {EVERY_DAY, FX, "24/5"}
_LARGEST_DIVIDEND = 0.3  # log step of adj_close / close


def _mask(bars: SymbolBars, rows: Sequence[int]) -> Mask:
    mask = np.zeros(len(bars), bool)
    mask[list(rows)] = True
    return mask


def opens_real(bars: SymbolBars) -> Finding | None:
    """Opens do not repeat the previous close, where fills take place at the open.

    Only opens after a pause are judged: where trading never stops, one bar opens where the one before closed.
    """
    if bars.market.fill != "next_open" or len(bars) < 2:
        return None
    days = bars.dates.astype("datetime64[D]")
    paused = np.diff(days).astype(np.int64) > (1 if bars.calendar.name in _GAPLESS else 0)
    repeats = np.isclose(bars["open"][1:], bars["close"][:-1], rtol=1e-9, atol=0)
    if not paused.any() or repeats[paused].mean() < REPEATED_OPENS:
        return None
    share = repeats[paused].mean()
    what = f"the open repeats the close before it ({share:.0%} of the bars do so), so it is no open"
    advice = "set market.fill to next_close, or take a source with opens"
    if bars.calendar.name in {WEEKDAYS, OBSERVED}:
        advice += f", or set data.calendar to 24/5, {FX} or {EVERY_DAY} where trading does not pause over night"
    return Finding(bars.dates[1:][repeats & paused], what, advice)


def split_unadjusted(bars: SymbolBars) -> Finding | None:
    """No split is left in the prices."""
    splits = patterns.splits_in_prices(bars)
    if not splits:
        return None
    first = splits[0]
    what = (
        f"open {bars['open'][first.row]:.7g} after a close of {bars['close'][first.row - 1]:.7g} is a split of "
        f"{_ratio(first.ratio)} that the prices are not adjusted for"
    )
    symbol, day = bars.frame["symbol"].iloc[0], bars.dates[first.row].astype("datetime64[D]")
    advice = (
        "take adjusted prices, or ask for the repair apply_splits with validation.splits: "
        f"{{{symbol}: {{{day}: {first.ratio:.6g}}}}}"
    )
    return finding_at(bars, _mask(bars, [s.row for s in splits]), what, unless_right("split_unadjusted", advice))


def _ratio(ratio: float) -> str:
    """New shares for old.

    >>> _ratio(4.0), _ratio(1.5), _ratio(0.1)
    ('4:1', '3:2', '1:10')
    """
    new, old = (ratio, 1.0) if ratio > 1 else (1.0, 1 / ratio)
    while round(new, 6) % 1 or round(old, 6) % 1:
        new, old = 2 * new, 2 * old
    return f"{new:.0f}:{old:.0f}"


def unit_error(bars: SymbolBars) -> Finding | None:
    """Prices have one unit."""
    errors = patterns.unit_errors(bars)
    if not errors:
        return None
    first, mask = errors[0], np.zeros(len(bars), bool)
    for error in errors:
        mask[error.start : error.end if error.returns else error.start + 1] = True
    times = f"{first.factor:g} times" if first.factor > 1 else f"1/{1 / first.factor:g} of"
    close, before = bars["close"][first.start], bars["close"][first.start - 1]
    what = f"close {close:.7g} is about {times} the close before it ({before:.7g}), an error of the unit"
    mend = (
        "ask for the repair rescale_unit_error"
        if first.returns
        else "correct the unit at the source (it never comes back, so no repair can tell which side is right)"
    )
    return finding_at(bars, mask, what, unless_right("unit_error", mend))


def spike_isolated(bars: SymbolBars) -> Finding | None:
    """No whole bar lies far outside both its neighbours."""
    found = patterns.spikes(bars) & ~_unit_rows(bars)
    row = int(found.argmax())
    what = (
        f"the whole bar (low {bars['low'][row]:.7g}, high {bars['high'][row]:.7g}) lies far outside the bars beside it"
    )
    return finding_at(bars, found, what, unless_right("spike_isolated", "correct or delete such bars"))


def _unit_rows(bars: SymbolBars) -> Mask:
    mask = np.zeros(len(bars), bool)
    for error in patterns.unit_errors(bars):
        mask[error.start : error.end if error.returns else error.start + 1] = True
        if error.returns:
            mask[error.end] = True  # the way back
    return mask


def scale_after_gap(bars: SymbolBars) -> Finding | None:
    """After a long gap prices go on where they were."""
    found = _new_scale(bars)
    if not found.any():
        return None
    row = int(found.argmax())
    days = int(np.diff(bars.dates[row - 1 : row + 1].astype("datetime64[D]")).astype(np.int64)[0])
    what = (
        f"after a gap of {days} days the price goes on at {bars['open'][row]:.7g} from {bars['close'][row - 1]:.7g}, "
        "as where a symbol was given to another instrument"
    )
    return finding_at(bars, found, what, unless_right("scale_after_gap", "start after the gap (data.start)"))


def _new_scale(bars: SymbolBars) -> Mask:
    steps = np.diff(bars.dates, prepend=bars.dates[0]).astype("timedelta64[us]").astype(np.float64) / 86_400e6
    if len(bars) < 2:
        return np.zeros(len(bars), bool)
    long = steps > max(bars.limits.reuse_gap, 10 * float(np.median(steps[1:])))
    return np.asarray(long & (np.abs(bars.gaps) > np.log(bars.limits.reuse_ratio)))


def large_move(bars: SymbolBars) -> Finding | None:
    """No close is far from the one before; what another check explains is left to it."""
    explained = _unit_rows(bars) | _new_scale(bars) | _mask(bars, [s.row for s in patterns.splits_in_prices(bars)])
    spiked = patterns.spikes(bars)
    explained |= spiked | np.concatenate([[False], spiked[:-1]])
    found = (np.abs(bars.returns) > np.log1p(bars.limits.large_move)) & ~explained
    row = int(found.argmax())
    what = f"the close moves by {np.expm1(bars.returns[row]):+.0%} in one bar, which looks like a crash or a rally"
    return finding_at(bars, found, what, "see whether it is true")


def false_wick(bars: SymbolBars) -> Finding | None:
    """No high or low is far outside its own open and close and both neighbours."""
    low, high = patterns.false_wicks(bars)
    found = low | high
    row = int(found.argmax())
    column = "low" if low[row] else "high"
    what = (
        f"{column} {bars[column][row]:.7g} is far outside the bar's open {bars['open'][row]:.7g} and close "
        f"{bars['close'][row]:.7g} and the bars beside it"
    )
    return finding_at(bars, found, what, "see whether it was traded; the repair drop_false_wicks cuts it off")


def split_in_close(bars: SymbolBars) -> Finding | None:
    """close and volume are adjusted for splits, not adj_close alone."""
    splits = patterns.splits_in_factor(bars)
    if not splits:
        return None
    what = f"a split of {_ratio(splits[0].ratio)} is taken out by adj_close, but not from the close and the volume"
    advice = "prices are right; the repair apply_splits_by_adj_close puts volume on one scale too"
    return finding_at(bars, _mask(bars, [s.row for s in splits]), what, advice)


def adjustment_smooth(bars: SymbolBars) -> Finding | None:
    """adj_close / close rises by splits and dividends only, and is at most 1."""
    if not bars.adjusted:
        return None
    steps = np.diff(np.log(bars.factor), prepend=np.log(bars.factor[0]))
    cents = 0.01 / np.minimum(bars["adj_close"], bars["close"])  # what rounding to cents may do
    rounding = 0.002 + np.maximum(cents, np.concatenate([cents[:1], cents[:-1]]))
    splits = patterns.splits_in_factor(bars)
    reverse = np.ones(len(bars))
    for split in splits:  # before a reverse split the factor is above 1
        reverse[: split.row] *= max(1.0, 1 / split.ratio)
    found = ((steps < -rounding) | (steps > _LARGEST_DIVIDEND)) & ~_mask(bars, [s.row for s in splits])
    above = bars.factor > reverse * (1 + rounding)
    if not found.any():
        row = int(above.argmax())
        what = f"adj_close {bars['adj_close'][row]:.7g} is above close {bars['close'][row]:.7g}"
        return finding_at(bars, above, what, "see whether the two columns are exchanged or of two sources")
    row = int(found.argmax())
    what = (
        f"adj_close / close goes from {bars.factor[row - 1]:.4g} to {bars.factor[row]:.4g}, which no split or dividend "
        "explains"
    )
    return finding_at(bars, found, what, "see whether close and adj_close are of the same source and day")


def stale_run(bars: SymbolBars) -> Finding | None:
    """Bars do not stay the same for long."""
    found = patterns.long_runs(patterns.equal_to_before(bars), bars.limits.stale_bars - 1)
    what = f"open, high, low and close repeat the bar before, {bars.limits.stale_bars} equal bars or more in a row"
    return finding_at(bars, found, what, "see whether the source had stopped, or the market was closed")


def filled_bar(bars: SymbolBars) -> Finding | None:
    """No bar without volume repeats the close before it."""
    if not bars.volume_is_known:
        return None
    before = np.concatenate([[np.nan], bars["close"][:-1]])
    found = np.logical_and.reduce([bars[c] == before for c in ("open", "high", "low", "close")])
    found &= bars["volume"] == 0
    what = "the bar has no volume and repeats the close before it, as if it had been filled in"
    return finding_at(bars, found, what, "take a source that leaves out what was not traded")


def ranges_known(bars: SymbolBars) -> Finding | None:
    """Most bars have a range."""
    flat = np.logical_and.reduce([bars["open"] == bars[c] for c in ("high", "low", "close")])
    if flat.mean() < FLAT_BARS:
        return None
    what = f"open, high, low and close are one price ({flat.mean():.0%} of the bars), so only closes are known"
    return finding_at(bars, flat, what, "set market.fill to next_close, and leave out features of ranges")
