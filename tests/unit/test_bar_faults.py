"""Faults of bars, each with the check that finds it, and beside it what looks like it and is right."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from outsample.config.data import CsvSource, Data, SimulatedSource
from outsample.config.models import Market
from outsample.config.validation import BarRules, Severities
from outsample.data.calendar import sessions_between
from outsample.data.checks import CHECKS
from outsample.data.repairs import REPAIRS
from outsample.data.simulated_source import simulate_bars
from outsample.data.validate import validate_bars
from outsample.errors import DataError

PRICES = ["open", "high", "low", "close"]
SESSIONS = sessions_between("XNYS", np.datetime64("2015-01-02"), np.datetime64("2017-05-01"))
AT = 300  # the row of most faults, 2016-03-14
Frame = pd.DataFrame
Mutation = Callable[[Frame], Frame]


def clean() -> Frame:
    """A random walk of 1 % a day on the sessions of New York."""
    frame = simulate_bars(SimulatedSource(bars=500, drift=0, seed=11), "X").assign(date=SESSIONS[:500])
    frame["date"] = frame["date"].astype("datetime64[us]")
    return frame.assign(symbol="X")


def judge(frame: Frame, rules: dict | None = None, market: dict | None = None, **data: object) -> dict[str, dict]:
    """Entries of the quality document, by check, of the bars of a file X.csv."""
    settings = Data.model_validate({"source": CsvSource(path="{symbol}.csv"), "symbols": ["X"]} | data)
    frame = frame[["symbol", "date", *PRICES, "volume", "adj_close"]].reset_index(drop=True)
    _, quality = validate_bars(frame, settings, Market(**market or {}), BarRules.model_validate(rules or {}))
    return {entry["id"]: entry for entry in quality["checks"]}


def scaled(frame: Frame, rows: slice, factor: float, columns: list[str] = PRICES) -> Frame:
    frame = frame.copy()
    frame.loc[frame.index[rows], columns] *= factor
    return frame


def split(ratio: float, volume: bool = True) -> Mutation:
    """Prices are divided from the row AT on, and the number of shares multiplied."""

    def apply(frame: Frame) -> Frame:
        frame = scaled(frame, slice(AT, None), 1 / ratio)
        return scaled(frame, slice(AT, None), ratio, ["volume"]) if volume else frame.assign(volume=0.0)

    return apply


def times(factor: float, first: int = AT, bars: int | None = 1, columns: list[str] = PRICES) -> Mutation:
    return lambda frame: scaled(frame, slice(first, first + bars if bars else None), factor, columns)


def cell(column: str, value: float, row: int = AT) -> Mutation:
    def apply(frame: Frame) -> Frame:
        frame = frame.copy()
        frame.loc[row, column] = value
        return frame

    return apply


def crash(wild: bool, shares: float) -> Mutation:
    """Over night the price is halved for good; then days are wild, or more shares are traded, or both."""

    def apply(frame: Frame) -> Frame:
        frame = scaled(frame, slice(AT, None), 0.5)
        frame = scaled(frame, slice(AT, AT + 10), shares, ["volume"])
        swing = np.where(np.arange(10) % 2, 1.08, 0.92) if wild else np.ones(10)
        frame.loc[AT : AT + 9, "close"] *= swing
        frame["high"] = frame[PRICES].max(axis=1)
        frame["low"] = frame[PRICES].min(axis=1)
        return frame

    return apply


def traded_down(frame: Frame) -> Frame:
    """Within one bar the price falls by half and stays there."""
    fallen = scaled(frame, slice(AT, None), 0.5)
    fallen.loc[AT, ["open", "high"]] = frame.loc[AT, ["open", "high"]]
    return fallen


def back_within_the_day(frame: Frame) -> Frame:
    """Over night the price is halved, comes back within the bar and falls again, for good."""
    halved = scaled(frame, slice(AT, None), 0.5)
    halved.loc[AT, "high"] = frame.loc[AT, "low"]
    return halved


def low_twice(first: int) -> Mutation:
    """The lows of AT and of a bar beside it are half as high."""
    return lambda frame: scaled(frame, slice(first, first + 2), 0.5, ["low"])


def repeated(bars: int) -> Mutation:
    """`bars` equal bars in a row."""

    def apply(frame: Frame) -> Frame:
        frame = frame.copy()
        for column in PRICES:
            frame.loc[AT : AT + bars - 1, column] = frame.loc[AT, column]
        return frame

    return apply


def filled(volume: float) -> Mutation:
    def apply(frame: Frame) -> Frame:
        frame = frame.copy()
        frame.loc[AT, PRICES] = frame.loc[AT - 1, "close"]
        frame.loc[AT, "volume"] = volume
        return frame

    return apply


def without(first: int, bars: int, factor: float = 1.0) -> Mutation:
    """Some bars are missing; from then on prices are multiplied."""
    return lambda frame: scaled(frame, slice(first + bars, None), factor).drop(range(first, first + bars))


def adjusted(*steps: tuple[int, float], decimals: int = 9) -> Mutation:
    """adj_close = close, times a factor before each row."""

    def apply(frame: Frame) -> Frame:
        factor = np.ones(len(frame))
        for row, step in steps:
            factor[:row] *= step
        return frame.assign(adj_close=(frame["close"] * factor).round(decimals))

    return apply


def split_and_adjusted(frame: Frame) -> Frame:
    return split(4)(frame).assign(adj_close=frame["close"] / 4)


def reverse_split_and_adjusted(frame: Frame) -> Frame:
    return split(0.1)(frame).assign(adj_close=frame["close"] * 10)


def opens_repeat_within_days(frame: Frame) -> Frame:
    """Only the first bar of a day has an open of its own."""
    days = frame["date"].dt.normalize()
    return opens_repeat(frame)[days == days.shift()].combine_first(frame)


def opens_repeat(frame: Frame) -> Frame:
    frame = frame.copy()
    frame.loc[1:, "open"] = frame["close"].to_numpy()[:-1]
    frame["high"], frame["low"] = frame[PRICES].max(axis=1), frame[PRICES].min(axis=1)
    return frame


def on_days(first: str, *weekdays: int) -> Mutation:
    """The bars on consecutive days, or on those weekdays (0 is Monday) only."""

    def apply(frame: Frame) -> Frame:
        days = np.arange(np.datetime64(first), np.datetime64(first) + 5000)
        kept = days[np.isin((days.astype(np.int64) + 3) % 7, weekdays or range(7))]
        return frame.assign(date=kept[: len(frame)].astype("datetime64[us]"))

    return apply


def minutes(lost: list[int], pause: bool = False) -> Mutation:
    """Five-minute bars, 25 a session, some lost; with a pause of an hour at noon."""

    def apply(frame: Frame) -> Frame:
        of_day = np.arange(25) * 5 + np.where(np.arange(25) >= 12, 60, 0) * pause + 10 * 60
        moments = (SESSIONS[:20, None] + of_day.astype("timedelta64[m]")).ravel()
        return frame.assign(date=moments.astype("datetime64[us]")).drop(lost)

    return apply


def chain(*mutations: Mutation) -> Mutation:
    def apply(frame: Frame) -> Frame:
        for mutation in mutations:
            frame = mutation(frame)
        return frame

    return apply


def one_price(frame: Frame) -> Frame:
    return frame.assign(**dict.fromkeys(PRICES, frame["close"]))


def of_three(mutation: Mutation) -> Mutation:
    """Only every third bar is changed."""

    def apply(frame: Frame) -> Frame:
        return mutation(frame)[frame.index % 3 == 0].combine_first(frame)

    return apply


def extra_day(day: str) -> Mutation:
    def apply(frame: Frame) -> Frame:
        row = frame.iloc[[100]].assign(date=np.datetime64(day, "us"))
        return pd.concat([frame, row]).sort_values("date", ignore_index=True)

    return apply


def again(volume: float) -> Mutation:
    """The bar AT stands twice, the second time with its volume multiplied."""
    return lambda frame: pd.concat(
        [frame[: AT + 1], frame[AT : AT + 1].assign(volume=frame["volume"] * volume), frame[AT + 1 :]]
    )


ON = "X.csv, 2016-03-14: "
# Fault: (what is done to clean bars, check, its severity, words of the message, settings).
FAULTS: dict[str, tuple[Mutation, str, str, str] | tuple[Mutation, str, str, str, dict]] = {
    "split 4:1": (split(4), "split_unadjusted", "error", "a split of 4:1 that the prices are not adjusted for; take "
        "adjusted prices, or ask for the repair apply_splits with validation.splits: {X: {2016-03-14: 4}}, or, where "
        "the bars are right, set validation.severities.split_unadjusted to warning."),
    "split 2:1": (split(2), "split_unadjusted", "error", ON + "open "),
    "split 3:2": (split(1.5), "split_unadjusted", "error", "a split of 3:2"),
    "split 20:1": (split(20), "split_unadjusted", "error", "a split of 20:1"),
    "split 100:1, which is no error of the unit": (split(100), "split_unadjusted", "error", "a split of 100:1"),
    "reverse split 1:10": (split(0.1), "split_unadjusted", "error", "a split of 1:10 that"),
    "split 3:1, no volume known": (split(3, volume=False), "split_unadjusted", "error", "a split of 3:1"),
    "split that adj_close has too": (chain(split(4), adjusted()), "split_unadjusted", "error", "a split of 4:1"),
    "split that adj_close takes out": (split_and_adjusted, "split_in_close", "warning",
        "a split of 4:1 is taken out by "
        "adj_close, but not from the close and the volume (2016-03-14)"),
    "one bar in cents": (times(100), "unit_error", "error", "is about 100 times the close before it"),
    "ten bars in hundreds": (times(0.01, bars=10), "unit_error", "error", "is about 1/100 of the close before it"),
    "ten bars in hundreds: all are counted": (times(0.01, bars=10), "unit_error", "error", "(and on 9 more dates)"),
    "one bar in thousandths": (times(1000), "unit_error", "error", "about 1000 times"),
    "in cents for good": (times(100, bars=None), "unit_error", "error",
        "correct the unit at the source (it never comes "
        "back, so no repair can tell"),
    "spike up": (times(3), "spike_isolated", "error", ON + "the whole bar (low "),
    "spike down": (times(0.5), "spike_isolated", "error", "lies far outside the bars beside it; correct or delete"),
    "false low": (cell("low", 0.06), "false_wick", "warning", "low 0.06 is far outside the bar's open"),
    "false high": (cell("high", 400), "false_wick", "warning", "high 400 is far outside the bar's open"),
    "false low in the last bar": (cell("low", 1, row=499), "false_wick", "warning", "low 1 is far outside"),
    "crash": (crash(wild=True, shares=6), "large_move", "warning", "which looks like a crash or a rally (2016-03-14"),
    "rally": (times(1.6, bars=None), "large_move", "warning", "the close moves by +5"),
    "opens that repeat the close": (opens_repeat, "opens_real", "error",
        "(100% of the bars do so), so it is no open (and "
        "on 498 more dates); set market.fill to next_close"),
    "opens of Mondays that repeat the close": (chain(on_days("2015-01-05", 0, 1, 2, 3, 4), opens_repeat), "opens_real",
        "error", "set market.fill to next_close", {"calendar": "24/5"}),
    "another instrument after a gap": (without(AT, 80, factor=3), "scale_after_gap", "error", "after a gap of "),
    "weekly bars said to be daily": (on_days("2015-01-02", 4), "sessions_dense", "error",
        "% of the sessions of XNYS have "
        "a bar, so a year has fewer bars than the 252", {"calendar": "XNYS"}),
    "missing sessions": (without(AT, 3), "sessions_covered", "warning", "3 sessions of XNYS have no bar (2016-03-14"),
    "bar on a holiday": (extra_day("2015-12-25"), "bars_in_sessions", "warning", "a mark of simulated bars"),
    "bar on a Saturday": (extra_day("2016-03-12"), "bars_in_sessions", "warning",
        "1 bars are on days without a session"),
    "missing minutes": (minutes([110, 111, 130]), "bars_regular", "warning",
        "bars are missing after it, 3 in all, where "
        "one comes every 5 minutes (2015-01-08 10:45:00, 2015-01-09 10:20:00)"),
    "missing minutes beside a pause": (minutes([110], pause=True), "bars_regular", "warning",
        "missing after it, 1 in all"),
    "traded on Christmas": (on_days("2015-01-05", 0, 1, 2, 3, 4), "holidays_quiet", "warning",
        "2 bars with volume are on "
        "25 December or 1 January"),
    "too few bars": (lambda frame: frame[:249], "bars_enough", "warning", "there are 249 bars, fewer than the 250"),
    "adj_close above close": (adjusted((500, 1.1)), "adjustment_smooth", "warning", "is above close"),
    "adj_close of another day": (adjusted((AT, 0.98), (AT + 1, 1 / 0.98)), "adjustment_smooth", "warning",
        "which no split "
        "or dividend explains (2016-03-15)"),
    "adj_close that jumps": (adjusted((AT, 0.6)), "adjustment_smooth", "warning",
        "adj_close / close goes from 0.6 to 1"),
    "stale": (repeated(5), "stale_run", "warning", "5 equal bars or more in a row (2016-03-15"),
    "filled forward": (filled(0), "filled_bar", "warning", "as if it had been filled in (2016-03-14)"),
    "closes only": (one_price, "ranges_known", "warning", "(100% of the bars), so only closes are known"),
    "no volume": (lambda frame: frame.assign(volume=0.0), "volume_known", "warning", "volume is 0 on every bar"),
    "some volume 0": (cell("volume", 0), "volume_above_zero", "warning", "volume is 0 (2016-03-14)"),
    "one volume": (lambda frame: frame.assign(volume=5e5), "volume_varies", "warning", "volume is 500000 on 100%"),
    "bar twice": (again(1), "dates_unique", "error", ON + "the date is there twice, with equal bars; keep one"),
    "date twice": (again(2), "dates_unique",
        "error", ON + "the date is there twice, with different bars; keep the right"),
    "newest first": (lambda frame: frame[::-1], "dates_ascend", "error", "the date is out of order; sort"),
    "empty date": (lambda frame: frame.assign(date=frame["date"].where(frame.index != AT)), "dates_ascend", "error",
        "NaT: "
        "the date is empty"),
    "null": (cell("close", np.nan), "values_present",
        "error", ON + "no value for close; delete such rows or complete them "
        "from the source (the repair drop_null_rows deletes them)."),
    "infinite": (cell("high", np.inf), "values_present", "error", ON + "no value for high"),
    "price 0": (cell("low", 0), "prices_positive", "error", ON + "a price is not above 0 (low 0)"),
    "negative volume": (cell("volume", -1), "volume_not_negative", "error", ON + "volume is negative (-1)"),
    "high below low": (cell("high", 1), "high_not_below_low", "error", ON + "high 1 is below low"),
    "close above high": (cell("close", 150), "prices_in_range", "error", ON + "close 150 is outside low"),
    "adj_close with a hole": (chain(adjusted(), cell("adj_close", np.nan)), "adjustment_known", "error",
        "adj_close is empty"),
}  # fmt: skip


def _settings(case: tuple) -> dict:
    return case[4] if len(case) == 5 else {}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_by_its_check(fault: str) -> None:
    mutate, check, severity, words = FAULTS[fault][:4]
    if severity == "warning":
        entry = judge(mutate(clean()), **_settings(FAULTS[fault]))[check]
        assert entry["severity"] == "warning"
        assert entry["count"] > 0
        assert words in entry["detail"]
        return
    with pytest.raises(DataError) as caught:
        judge(mutate(clean()), **_settings(FAULTS[fault]))
    sentence = str(caught.value)
    assert words in sentence
    assert sentence.startswith("X.csv, ")
    assert "\n" not in sentence
    assert not re.search(r"\. [A-Z]", sentence), "one sentence"
    if check in SETTABLE:
        assert judge(mutate(clean()), **RELAXED, **_settings(FAULTS[fault]))[check]["count"] > 0


SETTABLE = [c.id for c in CHECKS if not c.fixed]
RELAXED = {"rules": {"severities": dict.fromkeys(SETTABLE, "warning")}}
# What looks like a fault and is none: (what is done to clean bars, checks that must find nothing, settings).
NEAR_MISSES: dict[str, tuple[Mutation, list[str]] | tuple[Mutation, list[str], dict]] = {
    "clean bars": (lambda frame: frame, [c.id for c in CHECKS]),
    "crash by half, wild days and many shares": (crash(wild=True, shares=6), ["split_unadjusted", "spike_isolated"]),
    "crash by half, wild days": (crash(wild=True, shares=2), ["split_unadjusted"]),
    "crash by half, many shares": (crash(wild=False, shares=5), ["split_unadjusted"]),
    "crash by half within a day": (traded_down, ["split_unadjusted", "false_wick", "spike_isolated"]),
    "crash by 39 %": (times(0.61, bars=None), ["split_unadjusted", "unit_error", "spike_isolated", "false_wick"]),
    "crash by 20 %, as a split of 5:4": (times(0.8, bars=None), ["split_unadjusted", "large_move", "false_wick"]),
    "tenfold for good": (times(10, bars=None), ["unit_error", "spike_isolated"]),
    "split that adj_close takes out": (split_and_adjusted, ["split_unadjusted", "adjustment_smooth", "large_move"]),
    "split in an adjusted file": (adjusted(), ["split_in_close", "adjustment_smooth"]),
    "up by half for two days": (times(1.5, bars=2), ["spike_isolated", "unit_error", "split_unadjusted"]),
    "a spike that was traded": (
        chain(times(2.2, columns=["high", "close"]), times(2.0, AT + 1, columns=["open", "high"])),
        ["spike_isolated", "unit_error", "split_unadjusted", "false_wick"],
    ),
    "a long but likely wick": (times(0.93, columns=["low"]), ["false_wick", "spike_isolated"]),
    "opens that repeat the close, filled at closes": (opens_repeat, ["opens_real"], {"market": {"fill": "next_close"}}),
    "opens that repeat the close, without pauses": (chain(on_days("2015-01-01"), opens_repeat), ["opens_real"]),
    "a third of the opens repeat the close": (
        of_three(opens_repeat),
        ["opens_real"],
    ),
    "opens of later bars of a day repeat the close": (chain(minutes([]), opens_repeat_within_days), ["opens_real"]),
    "a halved price that comes back within the day": (back_within_the_day, ["split_unadjusted"]),
    "a low that the next bar reaches": (low_twice(AT), ["false_wick"]),
    "a low that the bar before reached": (low_twice(AT - 1), ["false_wick"]),
    "split 100:1 is no error of the unit": (split(100), ["unit_error"], RELAXED),
    "what another check explains is no large move": (without(AT, 80, factor=3), ["large_move"], RELAXED),
    "a spike is no large move": (times(3), ["large_move", "unit_error", "false_wick"], RELAXED),
    "reverse split that adj_close takes out": (reverse_split_and_adjusted, ["adjustment_smooth", "split_unadjusted"]),
    "a long gap, the same level": (without(AT, 80), ["scale_after_gap", "sessions_dense"]),
    "another level after a short gap": (without(AT, 20, factor=3), ["scale_after_gap", "split_unadjusted"]),
    "weekly bars": (on_days("2015-01-02", 4), ["sessions_dense", "sessions_covered", "bars_regular"]),
    "six days a week from Sunday": (on_days("2015-01-04", 0, 1, 2, 3, 4, 6), ["sessions_covered", "bars_in_sessions"]),
    "every day": (on_days("2015-01-01"), ["sessions_covered", "bars_in_sessions", "holidays_quiet"]),
    "a pause at noon": (minutes([], pause=True), ["bars_regular", "sessions_covered"]),
    "the first and last minutes of a day": (minutes([100, 124]), ["bars_regular"]),
    "Christmas without trades": (chain(on_days("2015-01-05", 0, 1, 2, 3, 4), lambda f: f.assign(volume=0.0)),
        ["holidays_quiet"]),
    "traded on Christmas, as the calendar that is set has it": (
        on_days("2015-01-05", 0, 1, 2, 3, 4),
        ["holidays_quiet"],
        {"calendar": "weekdays"},
    ),
    "enough bars": (lambda frame: frame[:250], ["bars_enough"]),
    "dividends": (adjusted((100, 0.99), (200, 0.985), (AT, 0.9)), ["adjustment_smooth", "split_in_close",
        "large_move"]),
    "adj_close in cents": (adjusted((100, 0.2), decimals=2), ["split_in_close"]),
    "four equal bars": (repeated(4), ["stale_run"]),
    "the same price, but traded": (filled(500), ["filled_bar", "volume_above_zero"]),
    "some bars without a range": (
        of_three(one_price), ["ranges_known", "stale_run"]),
    "no volume": (lambda frame: frame.assign(volume=0.0), ["volume_above_zero", "volume_varies", "filled_bar"]),
    "a volume that comes often": (
        lambda frame: frame.assign(volume=frame["volume"].where(frame.index % 10 == 0, 5e5)), ["volume_varies"]),
    "a high that is the close": (lambda frame: frame.assign(high=frame[["open", "close"]].max(axis=1)),
        ["prices_in_range"]),
}  # fmt: skip


@pytest.mark.parametrize("oddity", NEAR_MISSES)
def test_what_is_right_is_let_be(oddity: str) -> None:
    mutate, checks, *settings = NEAR_MISSES[oddity]
    entries = judge(mutate(clean()), **(settings[0] if settings else {}))
    assert [c for c in checks if entries[c]["count"]] == []


def test_every_check_has_a_fault_and_a_severity() -> None:
    assert {c.id for c in CHECKS} == {case[1] for case in FAULTS.values()}
    assert [c.id for c in CHECKS] == list(Severities.model_fields)
    assert len(FAULTS) >= 30


def test_of_several_errors_the_first_is_said_and_the_others_are_named() -> None:
    broken = chain(times(3, 100), cell("high", 1))(clean())
    with pytest.raises(DataError, match=r"high 1 is below low .*; prices_in_range, spike_isolated fail too\.$"):
        judge(broken)


def test_severities_make_errors_pass_and_warnings_stop() -> None:
    fault = split(4)(clean())
    assert judge(fault, {"severities": {"split_unadjusted": "warning"}})["split_unadjusted"]["count"] == 1
    off = judge(fault, {"severities": {"split_unadjusted": "off"}})["split_unadjusted"]
    assert off == {
        "id": "split_unadjusted", "severity": "off", "symbol": "X", "count": 0,
        "detail": "not looked for, by validation.severities"}  # fmt: skip
    with pytest.raises(DataError, match="volume is 0"):
        judge(cell("volume", 0)(clean()), {"severities": {"volume_above_zero": "error"}})


@pytest.mark.parametrize(
    ("mutate", "check", "thresholds"),
    [
        (times(1.3, bars=None), "large_move", {"large_move": 0.2}),
        (times(1.25), "spike_isolated", {"spike": 0.2}),
        (times(0.93, columns=["low"]), "false_wick", {"wick": 2.0}),
        (repeated(3), "stale_run", {"stale_bars": 3}),
        (without(AT, 20, factor=3), "scale_after_gap", {"reuse_gap": 20}),
        (without(AT, 80, factor=1.5), "scale_after_gap", {"reuse_ratio": 1.3}),
        (without(AT, 3), "sessions_dense", {"min_coverage": 1.0}),
        (lambda frame: frame, "bars_enough", {"min_bars": 501}),
    ],
)
def test_thresholds_move_what_is_found(mutate: Mutation, check: str, thresholds: dict) -> None:
    relaxed = {"severities": {check: "warning"}}
    assert judge(mutate(clean()), relaxed)[check]["count"] == 0
    assert judge(mutate(clean()), relaxed | {"thresholds": thresholds})[check]["count"] > 0


def test_a_table_of_another_shape_is_refused() -> None:
    with pytest.raises(DataError, match=r"X\.csv: the bars are no table of bars \(.*volume.*float64.*\)"):
        judge(clean().astype({"volume": "int64"}))


def test_the_documentation_names_exactly_the_checks_and_repairs_that_exist(repository: Path) -> None:
    text = (repository / "docs" / "data.md").read_text().split("## Checks and repairs\n")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    found = {row[0].strip("`"): row[1] for row in rows if row[1].startswith(("error", "warning"))}
    defaults = Severities()
    assert found == {c.id: getattr(defaults, c.id) + ", always" * c.fixed for c in CHECKS}
    mended = {row[0].strip("`"): row[3].split("`")[1] for row in rows if len(row) > 3 and "`" in row[3]}
    assert mended == {c.id: c.repair for c in CHECKS if c.repair}
    assert [row[0].strip("`") for row in rows if len(row) == 2] == [r.name for r in REPAIRS]


def test_pandera_is_imported_where_bars_are_checked_only() -> None:
    code = "import sys, outsample.data.validate, outsample.cli.main; print('pandera' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
