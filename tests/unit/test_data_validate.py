"""Validated bars: adjusted prices, the cut, and the quality document."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from outsample.config.data import CsvSource, Data, SimulatedSource
from outsample.config.models import Market
from outsample.data.checks import CHECKS
from outsample.data.sources import read_bars
from outsample.data.validate import validate_bars
from outsample.errors import DataError
from outsample.io.files import read_json, read_table, write_json, write_table

HEADER = "date,open,high,low,close,volume,adj_close\n"
A = HEADER + "2024-01-02,10,12,8,10,500,5\n2024-01-03,8,12,8,10,600,10\n2024-01-05,11,12,8,9,0,9\n"
B = "date,open,high,low,close,volume\n2024-01-02,1,2,1,2,5\n2024-01-03,1,2,1,2,5\n2024-01-04,1,2,1,2,5\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "A.csv").write_text(A)
    (tmp_path / "B.csv").write_text(B)
    return tmp_path


def _validated(root: Path, **keys: object) -> tuple[pd.DataFrame, dict]:
    data = Data.model_validate({"source": CsvSource(path="{symbol}.csv"), "symbols": ["B", "A"]} | keys)
    return validate_bars(read_bars(data, root)[0], data, Market())


def test_prices_are_multiplied_by_adj_close_over_close_and_volume_is_not(root: Path) -> None:
    bars, quality = _validated(root, symbols=["A"])
    assert bars["factor"].tolist() == [0.5, 1.0, 1.0]
    assert bars["open"].tolist() == [5.0, 8.0, 11.0]
    assert bars["high"].tolist() == [6.0, 12.0, 12.0]
    assert bars["low"].tolist() == [4.0, 8.0, 8.0]
    assert bars["close"].tolist() == [5.0, 10.0, 9.0]
    assert bars["volume"].tolist() == [500.0, 600.0, 0.0]
    assert (
        quality["adjustment"] == "Open, high, low and close of A are multiplied by adj_close / close of the same day."
    )


def test_unadjusted_prices_stay_and_are_named(root: Path) -> None:
    bars, quality = _validated(root)
    assert bars.loc[bars["symbol"] == "B", "factor"].tolist() == [1.0, 1.0, 1.0]
    assert quality["adjustment"].endswith("Prices of B are as they came, for no adj_close is known.")


def test_start_and_end_are_both_used(root: Path) -> None:
    bars, quality = _validated(root, start="2024-01-03", end="2024-01-04")
    assert bars[["symbol", "date"]].astype(str).agg(" ".join, axis=1).tolist() == [
        "A 2024-01-03", "B 2024-01-03", "B 2024-01-04"]  # fmt: skip
    assert quality["symbols"]["A"] == {"rows": 1, "first": "2024-01-03", "last": "2024-01-03"}


def test_bars_at_any_time_of_the_last_day_are_used(root: Path) -> None:
    (root / "A.csv").write_text(A.replace("2024-01-03", "2024-01-03 21:00"))
    bars, _ = _validated(root, symbols=["A"], end="2024-01-03")
    assert len(bars) == 2


def test_missing_sessions_are_a_warning_with_count_and_dates(root: Path) -> None:
    _, quality = _validated(root, calendar="XNYS")
    gaps = {c["symbol"]: c for c in quality["checks"] if c["id"] == "sessions_covered"}
    assert gaps["A"]["count"] == 1
    assert gaps["A"]["severity"] == "warning"
    assert gaps["A"]["detail"].startswith("1 sessions of XNYS have no bar (2024-01-04)")
    assert gaps["B"] == {"id": "sessions_covered", "severity": "warning", "symbol": "B", "count": 0, "detail": ""}


def test_bars_on_holidays_are_a_warning_not_an_error(root: Path) -> None:
    (root / "B.csv").write_text(B.replace("2024-01-02", "2024-01-01"))
    _, quality = _validated(root, calendar="XNYS")
    (entry,) = [c for c in quality["checks"] if c["id"] == "bars_in_sessions" and c["count"]]
    assert (entry["symbol"], entry["severity"], entry["count"]) == ("B", "warning", 1)
    assert "2024-01-01" in entry["detail"]


def test_every_check_of_every_symbol_is_listed(root: Path) -> None:
    _, quality = _validated(root)
    assert [(c["symbol"], c["id"]) for c in quality["checks"]] == [(s, c.id) for s in "AB" for c in CHECKS]


def test_bars_of_no_known_calendar_are_said_to_be_so(root: Path) -> None:
    days = np.arange("2015-01-02", "2020-01-01", 7, dtype="datetime64[D]")
    (root / "A.csv").write_text(HEADER + "".join(f"{day},10,12,8,11,500,5\n" for day in days))
    _, quality = _validated(root, symbols=["A"])
    assert quality["calendar"] == {"name": "observed", "inferred": True, "periods_per_year": 52.18}
    assert quality["checks"][-1]["id"] == "calendar_known"


def test_a_reference_is_checked_and_has_no_say_in_the_calendar_nor_needs_opens(root: Path) -> None:
    days = pd.bdate_range("2024-01-01", "2024-06-28").date
    (root / "A.csv").write_text(HEADER + "".join(f"{day},10,12,8,11,500,5\n" for day in days))
    every = np.arange("2023-12-01", "2024-06-30", dtype="datetime64[D]")
    rows = [f"{day},{10 + i % 3},14,8,{10 + (i + 1) % 3},500,5\n" for i, day in enumerate(every)]  # opens repeat closes
    (root / "B.csv").write_text(HEADER + "".join(rows))
    bars, quality = _validated(root, symbols=["A"], references=["B"])
    assert quality["calendar"] == {"name": "weekdays", "inferred": True, "periods_per_year": 261.0}
    assert set(bars["symbol"]) == set(quality["symbols"]) == {"A", "B"}
    (root / "B.csv").write_text(HEADER + "".join(row for row in rows if np.is_busday(np.datetime64(row[:10]))))
    assert set(_validated(root, symbols=["A"], references=["B"])[1]["symbols"]) == {"A", "B"}
    with pytest.raises(DataError, match="repeats the close before it"):
        _validated(root, symbols=["B"], references=["A"])
    (root / "B.csv").write_text(HEADER + "2024-01-02,10,12,13,10,500,5\n")
    with pytest.raises(DataError, match=r"B\.csv, 2024-01-02: high 12 is below low 13"):
        _validated(root, symbols=["A"], references=["B"])


def test_bars_out_of_order_are_refused_here_too(root: Path) -> None:
    data = Data(source=CsvSource(path="{symbol}.csv"), symbols=["A"])
    bars, _ = read_bars(data, root)
    with pytest.raises(DataError, match=r"A\.csv, 2024-01-03: the date is out of order"):
        validate_bars(bars.iloc[::-1], data, Market())


def test_a_symbol_that_was_not_read_is_refused(root: Path) -> None:
    data = Data(source=CsvSource(path="{symbol}.csv"), symbols=["A"])
    bars, _ = read_bars(data, root)
    with pytest.raises(DataError, match=r"B\.csv: no bars of B were read"):
        validate_bars(bars, data.model_copy(update={"symbols": ["A", "B"]}), Market())


def test_the_input_is_left_as_it_was(root: Path) -> None:
    data = Data(source=CsvSource(path="{symbol}.csv"), symbols=["A", "B"])
    bars, _ = read_bars(data, root)
    before = bars.copy(deep=True)
    validate_bars(bars, data, Market())
    pd.testing.assert_frame_equal(bars, before)


def test_shipped_bars_pass_without_a_warning_on_the_new_york_calendar(repository: Path, tmp_path: Path) -> None:
    bars, quality = validate_bars(read_bars(Data(), repository)[0], Data(), Market())
    assert quality["calendar"] == {"name": "XNYS", "inferred": True, "periods_per_year": 252.0}
    assert quality["simulated"] is False
    assert sum(c["count"] for c in quality["checks"]) == 0
    write_table(bars, tmp_path / "bars.parquet", "validated_bars")
    pd.testing.assert_frame_equal(read_table(tmp_path / "bars.parquet", "validated_bars"), bars)
    write_json(quality, tmp_path / "quality.json", "quality")
    assert read_json(tmp_path / "quality.json", "quality") == quality


def test_simulated_bars_are_marked_and_follow_weekdays() -> None:
    data = Data(source=SimulatedSource(bars=300), symbols=["UP", "OTHER"])
    bars, quality = validate_bars(read_bars(data, Path())[0], data, Market())
    assert quality["simulated"] is True
    assert quality["calendar"] == {"name": "weekdays", "inferred": True, "periods_per_year": 261.0}
    assert sum(c["count"] for c in quality["checks"]) == 0
    assert (bars["factor"] == 1).all()
