"""Repairs of bars: each by hand on a few bars, what is logged, and that nothing runs unless it is asked for."""

import numpy as np
import pandas as pd
import pytest

from outsample.config.data import CsvSource, Data, SimulatedSource
from outsample.config.models import Market, Settings
from outsample.config.validation import BarRules
from outsample.data.repairs import REPAIRS
from outsample.data.simulated_source import simulate_bars
from outsample.data.validate import Validation
from outsample.errors import DataError
from outsample.io.files import read_table, writing_table

PRICES = ["open", "high", "low", "close"]
VALUES = [*PRICES, "volume", "adj_close"]
# Monday 2024-01-08 to Friday 2024-01-12, and a Saturday.
ROWS = [
    ("2024-01-08", 10.0, 12.0, 9.0, 11.0, 500.0),
    ("2024-01-09", 10.5, 12.0, 9.0, 11.5, 600.0),
    ("2024-01-10", 11.2, 12.0, 9.0, 10.0, 700.0),
    ("2024-01-11", 10.1, 12.0, 9.0, 11.0, 800.0),
    ("2024-01-12", 10.8, 12.0, 9.0, 10.5, 900.0),
    ("2024-01-13", 10.6, 12.0, 9.0, 10.2, 100.0),
]


def bars(rows: list[tuple] = ROWS) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["date", *PRICES, "volume"]).assign(symbol="X", adj_close=np.nan)
    frame["date"] = frame["date"].astype("datetime64[us]")
    return frame[["symbol", "date", *VALUES]]


def walk(count: int = 60) -> pd.DataFrame:
    """A random walk of 1 % a day, the first on Monday 2000-01-03."""
    frame = simulate_bars(SimulatedSource(bars=count, drift=0, seed=3), "X")
    return frame.assign(symbol="X")[["symbol", "date", *VALUES]]


def mend(frame: pd.DataFrame, *repairs: str, **keys: object) -> tuple[pd.DataFrame, pd.DataFrame, list[dict]]:
    """Validated bars, the log and the entries of the quality document."""
    rules = BarRules.model_validate({"repairs": list(repairs)} | keys)
    data = Data(source=CsvSource(path="{symbol}.csv"), symbols=["X"], calendar="weekdays")
    validation = Validation(data, Market(), [("X", frame["date"])], rules)
    validated = validation.validate("X", frame)
    return validated, validation.repaired, validation.document()["repairs"]


def listed(log: pd.DataFrame) -> list[tuple]:
    log = log.assign(date=log["date"].dt.strftime("%m-%d"), before=log["before"].round(9), after=log["after"].round(9))
    return list(log[["date", "column", "before", "after"]].itertuples(index=False, name=None))


def test_nothing_is_repaired_unless_asked_for() -> None:
    validated, log, entries = mend(bars())
    assert len(validated) == 6
    assert log.empty
    assert entries == []
    assert Settings().validation.repairs == []


def test_equal_bars_of_a_date_are_merged_and_logged() -> None:
    frame = bars([ROWS[0], ROWS[1], ROWS[1], ROWS[1], ROWS[2]])
    with pytest.raises(DataError, match="or ask for the repair merge_duplicate_bars"):
        mend(frame)
    validated, log, entries = mend(frame, "merge_duplicate_bars")
    assert validated["close"].tolist() == [11.0, 11.5, 10.0]
    gone = [("01-09", c, v) for c, v in zip(VALUES, (10.5, 12.0, 9.0, 11.5, 600.0), strict=False)]
    assert [row[:3] for row in listed(log) if row[1] != "adj_close"] == gone * 2
    assert log["after"].isna().all()
    assert log["order"].tolist() == list(range(12))
    assert entries == [
        {"rule": "merge_duplicate_bars", "symbol": "X", "bars": 2, "values": 12,
         "detail": "2024-01-09, 2024-01-09 dropped"}
    ]  # fmt: skip


def test_bars_of_a_date_that_differ_are_not_merged() -> None:
    frame = bars([ROWS[0], ROWS[1], (*ROWS[1][:5], 601.0), ROWS[2]])
    with pytest.raises(DataError, match="the date is there twice, with different bars; keep the right one of them"):
        mend(frame, "merge_duplicate_bars")


def test_rows_that_lack_a_value_are_dropped_and_nothing_is_filled() -> None:
    frame = bars()
    frame.loc[1, PRICES] = np.nan
    frame.loc[3, "volume"] = np.nan
    validated, log, (entry,) = mend(frame, "drop_null_rows")
    assert validated["date"].dt.day.tolist() == [8, 10, 12, 13]
    pd.testing.assert_frame_equal(
        validated[["date", *PRICES, "volume"]],
        frame.loc[[0, 2, 4, 5], ["date", *PRICES, "volume"]].reset_index(drop=True),
    )
    assert (entry["bars"], entry["values"]) == (2, 12)
    assert ("01-11", "close", 11.0) in [row[:3] for row in listed(log)]


def test_bars_outside_the_sessions_are_dropped() -> None:
    validated, _, (entry,) = mend(bars(), "drop_bars_outside_sessions")
    assert validated["date"].dt.day.tolist() == [8, 9, 10, 11, 12]
    assert (entry["bars"], entry["detail"]) == (1, "2024-01-13 dropped")


def test_an_error_of_the_unit_is_divided_out_of_prices_only() -> None:
    good = walk()
    frame = good.copy()
    frame.loc[20:22, PRICES] *= 100
    frame.loc[40:40, PRICES] /= 1000
    with pytest.raises(DataError, match="ask for the repair rescale_unit_error"):
        mend(frame)
    validated, log, (entry,) = mend(frame, "rescale_unit_error")
    np.testing.assert_allclose(validated[PRICES], good[PRICES], rtol=1e-12)
    assert validated["volume"].tolist() == good["volume"].tolist()
    assert (entry["bars"], entry["values"]) == (4, 16)
    assert log["before"].tolist()[:4] == frame.loc[20, PRICES].tolist()


def test_a_unit_that_never_comes_back_is_not_guessed() -> None:
    frame = walk()
    frame.loc[30:, PRICES] *= 100
    with pytest.raises(DataError, match="it never comes back, so no repair can tell which side is right"):
        mend(frame, "rescale_unit_error")


def test_splits_given_by_hand_divide_earlier_prices_and_multiply_earlier_volume() -> None:
    good = walk()
    frame = good.copy()
    frame.loc[:19, PRICES] *= 6
    frame.loc[20:39, PRICES] *= 2
    frame.loc[:19, "volume"] /= 6
    frame.loc[20:39, "volume"] /= 2
    days = frame["date"].dt.strftime("%Y-%m-%d")
    splits = {"X": {days[20]: 3, days[40]: 2}}
    validated, log, (entry,) = mend(frame, "apply_splits", splits=splits)
    np.testing.assert_allclose(validated[[*PRICES, "volume"]], good[[*PRICES, "volume"]], rtol=1e-12)
    assert (entry["bars"], entry["values"]) == (40, 200)
    assert set(log["rule"]) == {"apply_splits"}


@pytest.mark.parametrize("in_adj_close", [True, False])
def test_a_split_given_by_hand_is_taken_out_of_adj_close_where_it_is_there_too(in_adj_close: bool) -> None:
    good = walk()
    frame = good.copy()
    frame.loc[:29, PRICES] *= 4
    frame["adj_close"] = frame["close"] if in_adj_close else good["close"]
    day = str(frame["date"][30].date())
    validated, _, _ = mend(frame, "apply_splits", splits={"X": {day: 4}})
    np.testing.assert_allclose(validated["factor"], 1, rtol=1e-12)
    np.testing.assert_allclose(validated["close"], good["close"], rtol=1e-12)


def test_a_wrong_split_is_caught_by_the_checks() -> None:
    frame = walk()
    with pytest.raises(DataError, match="a split of 1:4"):
        mend(frame.assign(volume=1.0), "apply_splits", splits={"X": {str(frame["date"][30].date()): 4}})


def test_splits_that_adj_close_tells_put_close_and_volume_on_one_scale() -> None:
    good = walk()
    frame = good.assign(adj_close=good["close"])
    frame.loc[:29, PRICES] *= 4
    frame.loc[:29, "volume"] /= 4
    before, _, _ = mend(frame)
    validated, _, (entry,) = mend(frame, "apply_splits_by_adj_close")
    np.testing.assert_allclose(before[PRICES], good[PRICES], rtol=1e-12)
    np.testing.assert_allclose(validated[[*PRICES, "volume"]], good[[*PRICES, "volume"]], rtol=1e-12)
    np.testing.assert_allclose(validated["factor"], 1, rtol=1e-12)
    assert (entry["bars"], entry["values"]) == (30, 150)


def test_false_wicks_are_cut_to_the_body() -> None:
    frame = walk()
    frame.loc[20, "low"] = 0.06
    frame.loc[30, "high"] = 900.0
    body = frame[["open", "close"]]
    validated, log, (entry,) = mend(frame, "drop_false_wicks")
    assert validated.loc[20, "low"] == body.loc[20].min()
    assert validated.loc[30, "high"] == body.loc[30].max()
    assert [row[1:] for row in listed(log)] == [
        ("low", 0.06, round(body.loc[20].min(), 9)),
        ("high", 900.0, round(body.loc[30].max(), 9)),
    ]
    assert entry["bars"] == 2


@pytest.mark.parametrize("repair", [r.name for r in REPAIRS])
def test_a_repair_that_finds_nothing_says_so_and_changes_nothing(repair: str) -> None:
    frame = walk()
    splits = {"splits": {"X": {"1999-01-04": 4}}} if repair == "apply_splits" else {}
    validated, log, entries = mend(frame, repair, **splits)
    assert entries == [{"rule": repair, "symbol": "X", "bars": 0, "values": 0, "detail": "nothing to repair"}]
    assert log.empty
    pd.testing.assert_frame_equal(validated[["date", *PRICES, "volume"]], frame[["date", *PRICES, "volume"]])


def test_repairs_run_in_their_own_order_whatever_the_list_says() -> None:
    frame = bars([ROWS[0], ROWS[1], ROWS[1], ROWS[2], ROWS[5]])
    first = mend(frame, "merge_duplicate_bars", "drop_bars_outside_sessions")
    second = mend(frame, "drop_bars_outside_sessions", "merge_duplicate_bars")
    pd.testing.assert_frame_equal(first[1], second[1])
    assert first[2] == second[2]
    assert first[1]["rule"].drop_duplicates().tolist() == ["merge_duplicate_bars", "drop_bars_outside_sessions"]


def test_repairs_that_drop_every_bar_are_an_error() -> None:
    with pytest.raises(DataError, match=r"X\.csv: validation\.repairs drop every bar of X; take out the repair"):
        mend(bars().assign(close=np.nan), "drop_null_rows")


def test_the_log_is_a_table_of_its_schema_and_may_be_empty(tmp_path) -> None:
    frame = walk()
    frame.loc[20, "low"] = 0.06
    for name, repairs, rows in (("some", ["drop_false_wicks"], 1), ("none", [], 0)):
        log = mend(frame, *repairs)[1]
        with writing_table(tmp_path / name, "repairs", may_be_empty=True) as write:
            write(log)
        assert len(read_table(tmp_path / name, "repairs")) == rows


def test_a_repair_at_a_bar_does_not_depend_on_bars_long_after() -> None:
    """Nothing is filled from the future: cutting the bars after the next one changes no dropped or cut value."""
    frame = walk()
    frame.loc[20, "low"] = 0.06
    frame.loc[10, PRICES] = np.nan
    whole = mend(frame, "drop_null_rows", "drop_false_wicks")[0]
    part = mend(frame[:22], "drop_null_rows", "drop_false_wicks")[0]
    pd.testing.assert_frame_equal(whole[: len(part)], part)


def test_every_repair_of_the_configuration_is_one() -> None:
    names = BarRules.model_json_schema()["properties"]["repairs"]["items"]["enum"]
    assert [r.name for r in REPAIRS] == names
