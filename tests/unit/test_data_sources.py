"""Reading bars: what comes out of a file, and what the manifest says of it."""

import hashlib
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest

from outsample.config.data import AnySource, CsvSource, Data, SimulatedSource
from outsample.config.sentences import blocks_of
from outsample.data.csv_source import parse_csv
from outsample.data.sources import SOURCES, read_bars
from outsample.hashing import sha256_frame
from outsample.io.files import read_json, read_table, sha256_file, write_json, write_table

SHIPPED = ("AAPL", "AMZN", "GOOG", "NVDA")


def test_columns_are_found_by_name_in_any_order_and_case() -> None:
    text = b"Volume,note,CLOSE,Low,High,Open,Date,Adj Close\n500,x,11,9,12,10,2024-01-02,5.5\n"
    expected = pd.DataFrame(
        {
            "date": pd.to_datetime(["2024-01-02"]).astype("datetime64[us]"),
            "open": [10.0],
            "high": [12.0],
            "low": [9.0],
            "close": [11.0],
            "volume": [500.0],
            "adj_close": [5.5],
        }
    )
    pd.testing.assert_frame_equal(parse_csv(text, "X.csv"), expected)


@pytest.mark.parametrize("cell", ["", "null", "NULL", "NaN", "nan", "-", '""', '"null"'])
def test_an_empty_cell_is_null_and_left_to_the_checks(cell: str) -> None:
    bars = parse_csv(f"date,open,high,low,close,volume\n2024-01-02,10,12,9,{cell},500\n".encode(), "X.csv")
    assert np.isnan(bars.loc[0, "close"])
    assert bars.loc[0, "low"] == 9


def test_without_adj_close_it_is_null_throughout() -> None:
    bars = parse_csv(b"date,open,high,low,close,volume\n2024-01-02,10,12,9,11,500\n", "X.csv")
    assert bars["adj_close"].isna().all()
    assert bars["adj_close"].dtype == np.float64


@pytest.mark.parametrize(
    ("cell", "moment"),
    [
        ("2024-01-02", "2024-01-02T00:00:00"),
        ("2024-01-02 15:30", "2024-01-02T15:30:00"),
        ("2024-01-02T15:30:05", "2024-01-02T15:30:05"),
        ("2024-01-02 15:30:05.25", "2024-01-02T15:30:05.25"),
    ],
)
def test_dates_are_iso_with_or_without_a_time(cell: str, moment: str) -> None:
    bars = parse_csv(f"date,open,high,low,close,volume\n{cell},10,12,9,11,500\n".encode(), "X.csv")
    assert bars["date"].to_numpy()[0] == np.datetime64(moment)
    assert bars["date"].dtype == "datetime64[us]"


def test_unequal_spans_come_sorted_by_symbol_whatever_the_order_of_the_configuration(tmp_path: Path) -> None:
    header = "date,open,high,low,close,volume\n"
    (tmp_path / "A.csv").write_text(header + "2024-01-02,10,12,9,11,500\n2024-01-03,10,12,9,11,500\n")
    (tmp_path / "B.csv").write_text(header + "2020-05-04,1,2,1,2,5\n")
    source = CsvSource(path="{symbol}.csv")
    bars, manifest = read_bars(Data(source=source, symbols=["B", "A"]), tmp_path)
    assert bars["symbol"].tolist() == ["A", "A", "B"]
    again, same = read_bars(Data(source=source, symbols=["A", "B"]), tmp_path)
    pd.testing.assert_frame_equal(bars, again)
    assert manifest == same
    assert manifest["simulated"] is False
    assert manifest["source"] == {"kind": "csv", "path": "{symbol}.csv"}
    assert manifest["symbols"]["A"] == {
        "file": "A.csv",
        "rows": 2,
        "first": "2024-01-02",
        "last": "2024-01-03",
        "sha256": hashlib.sha256((tmp_path / "A.csv").read_bytes()).hexdigest(),
        "bars_sha256": sha256_frame(bars[bars["symbol"] == "A"].drop(columns="symbol")),
        "adjustment_known": False,
        "files": [
            {
                "file": "A.csv",
                "sha256": hashlib.sha256((tmp_path / "A.csv").read_bytes()).hexdigest(),
                "rows": 2,
                "layout": {
                    "encoding": "utf-8",
                    "separator": ",",
                    "header_line": 1,
                    "columns": {c: c for c in ("date", "open", "high", "low", "close", "volume")},
                    "decimal": ".",
                    "dates": "yyyy-mm-dd",
                    "timezone": "as in the file",
                    "order": "ascending",
                },
            }
        ],
    }


def test_one_changed_cell_changes_the_hash_of_the_bars(tmp_path: Path) -> None:
    data = Data(source=CsvSource(path="{symbol}.csv"), symbols=["A"])
    text = "date,open,high,low,close,volume\n2024-01-02,10,12,9,11,500\n"
    (tmp_path / "A.csv").write_text(text)
    before = read_bars(data, tmp_path)[1]["sha256"]
    (tmp_path / "A.csv").write_text(text.replace("500", "501"))
    assert read_bars(data, tmp_path)[1]["sha256"] != before


def test_shipped_bars_are_those_of_the_readme_and_fit_their_schemas(repository: Path, tmp_path: Path) -> None:
    bars, manifest = read_bars(Data(), repository)
    assert bars.groupby("symbol").size().to_dict() == dict.fromkeys(SHIPPED, 2699)
    readme = (repository / "data/market/README.md").read_text()
    for symbol in SHIPPED:
        assert f"{sha256_file(repository / f'data/market/{symbol}.csv')}  {symbol}.csv" in readme
        assert manifest["symbols"][symbol]["last"] == "2023-09-21"
    write_table(bars, tmp_path / "bars.parquet", "bars")
    pd.testing.assert_frame_equal(read_table(tmp_path / "bars.parquet", "bars"), bars)
    write_json(manifest, tmp_path / "bars.manifest.json", "bars_manifest")
    assert read_json(tmp_path / "bars.manifest.json", "bars_manifest") == manifest


def test_simulated_bars_say_so_in_their_manifest(tmp_path: Path) -> None:
    data = Data(source=SimulatedSource(bars=20), symbols=["UP"])
    bars, manifest = read_bars(data, tmp_path)
    assert len(bars) == 20
    assert manifest["simulated"] is True
    assert manifest["source"]["drift"] == 0.004
    assert manifest["symbols"]["UP"]["file"] is None
    assert len(manifest["symbols"]["UP"]["sha256"]) == 64


def test_every_kind_of_the_configuration_has_a_source() -> None:
    kinds = {block.model_fields["kind"].default for block in blocks_of(get_args(AnySource)[0])}
    assert kinds == set(SOURCES)
