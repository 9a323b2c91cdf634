"""Where bars lie: one file a symbol, several, one of many symbols, Parquet, packages, and several sources at once."""

import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from outsample.cli.main import main
from outsample.config.data import CsvSource, Data, SimulatedSource
from outsample.config.files import FileFormat, PackageSource, ParquetSource
from outsample.config.models import Market, Settings
from outsample.data.paths import input_files
from outsample.data.sources import read_bars
from outsample.data.validate import validate_bars
from outsample.errors import DataError
from outsample.io.files import sha256_file

HEADER = "date,open,high,low,close,volume\n"
ROWS = ["2024-01-15,10.5,12.25,9,11,1500\n", "2024-01-16,11,13,10,12.5,2000\n", "2024-01-17,12,14,11,13,1750\n"]
CLOSES = [11.0, 12.5, 13.0]


def _data(source: object, *symbols: str, **data: object) -> Data:
    return Data.model_validate({"source": source, "symbols": list(symbols), **data})


def _closes(bars: pd.DataFrame, symbol: str) -> list[float]:
    return bars.loc[bars["symbol"] == symbol, "close"].tolist()


def test_files_of_a_pattern_are_joined_and_equal_bars_merged(tmp_path: Path) -> None:
    (tmp_path / "X_2.csv").write_text(HEADER + ROWS[2] + ROWS[1])
    (tmp_path / "X_1.csv").write_text(HEADER + ROWS[0] + ROWS[1])
    data = _data(CsvSource(path="{symbol}_*.csv"), "X")
    bars, manifest = read_bars(data, tmp_path)
    assert bars["close"].tolist() == CLOSES
    entry = manifest["symbols"]["X"]
    assert entry["file"] == "X_*.csv"
    assert entry["equal_bars_merged"] == 1
    assert [(f["file"], f["sha256"], f["rows"], f["layout"]["order"]) for f in entry["files"]] == [
        ("X_1.csv", sha256_file(tmp_path / "X_1.csv"), 2, "ascending"),
        ("X_2.csv", sha256_file(tmp_path / "X_2.csv"), 2, "descending"),
    ]
    assert input_files(data, ["X"], tmp_path) == ["X_1.csv", "X_2.csv"]


def test_files_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    (tmp_path / "X_1.csv").write_text(HEADER + ROWS[0] + ROWS[1])
    (tmp_path / "X_2.csv").write_text(HEADER + ROWS[1].replace("12.5", "12.6") + ROWS[2])
    words = r"X_1\.csv and X_2\.csv: both have a bar of 2024-01-16, with different values \(close 12\.5 and 12\.6\)"
    with pytest.raises(DataError, match=words):
        read_bars(_data(CsvSource(path="{symbol}_*.csv"), "X"), tmp_path)


def test_rows_of_each_symbol_are_taken_from_one_file(tmp_path: Path) -> None:
    rows = [f"{s},{row}" for row in ROWS for s in ("A", "B")]
    (tmp_path / "all.csv").write_text(
        "Ticker," + HEADER + "".join(rows).replace("B,2024-01-15,10.5", "B,2024-01-15,9.5")
    )
    bars, manifest = read_bars(_data(CsvSource(path="all.csv"), "A", "B"), tmp_path)
    assert _closes(bars, "A") == _closes(bars, "B") == CLOSES
    assert bars.groupby("symbol")["open"].first().to_dict() == {"A": 10.5, "B": 9.5}
    assert manifest["symbols"]["B"]["files"][0]["layout"]["symbols"] == ["A", "B"]
    with pytest.raises(DataError, match=r"all\.csv: no row is of symbol AB \(there are A, B\); did you mean"):
        read_bars(_data(CsvSource(path="all.csv"), "AB"), tmp_path)


def test_columns_of_each_ticker_are_taken_from_one_file(tmp_path: Path) -> None:
    names, tickers = "Close,Close,High,High,Low,Low,Open,Open,Volume,Volume", ",".join(["A", "B"] * 5)
    rows = "2024-01-15,1,2,1,2,1,2,1,2,7,8\n2024-01-16,1.5,2.5,2,3,1,2,1,2,7,8\n"
    (tmp_path / "all.csv").write_text(f"Price,{names}\nTicker,{tickers}\nDate{',' * 10}\n{rows}")
    bars, _ = read_bars(_data(CsvSource(path="all.csv"), "A", "B"), tmp_path)
    assert (_closes(bars, "A"), _closes(bars, "B")) == ([1, 1.5], [2, 2.5])


def test_a_file_of_one_symbol_is_not_traded_twice(tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("symbol," + HEADER + "".join(f"A,{row}" for row in ROWS))
    with pytest.raises(DataError, match=r"data\.source\.path: one\.csv is the file of A and of B; write \{symbol\}"):
        read_bars(_data(CsvSource(path="one.csv"), "A", "B"), tmp_path)


UTC = [datetime.datetime(2024, 1, d, 14, 30, tzinfo=datetime.UTC) for d in (15, 16, 17)]
NAIVE = [datetime.datetime(2024, 1, d) for d in (15, 16, 17)]
# Column of dates -> (its name, its values, whether New York's clock is needed).
DATES = {
    "moments": ("date", pa.array(NAIVE, pa.timestamp("ns")), False),
    "days": ("Date", pa.array([m.date() for m in NAIVE]), False),
    "text": ("date", pa.array(["15.01.2024", "16.01.2024", "17.01.2024"]), False),
    "large text": ("date", pa.array(["2024-01-15", "2024-01-16", "2024-01-17"], pa.large_string()), False),
    "categories": ("date", pa.array(["20240115", "20240116", "20240117"]).dictionary_encode(), False),
    "milliseconds": ("timestamp", pa.array([1705276800000, 1705363200000, 1705449600000]), False),
    "yyyymmdd": ("date", pa.array([20240115, 20240116, 20240117], pa.int32()), False),
    "an index of pandas": ("__index_level_0__", pa.array(NAIVE, pa.timestamp("us")), False),
    "UTC": ("date", pa.array(UTC, pa.timestamp("us", "UTC")), True),
    "New York": ("date", pa.array(UTC, pa.timestamp("us", "America/New_York")), True),
}


@pytest.mark.parametrize("kind", DATES)
def test_parquet_is_read_whatever_its_dates_are(kind: str, tmp_path: Path) -> None:
    name, dates, local = DATES[kind]
    table = pa.table(
        {
            "Adj Close": pa.array([5.5, 6, 7], pa.float32()),
            name: dates,
            "Open": pa.array(["10,5", "11,0", "12,0"]),
            "High": [12.25, 13, 14],
            "Low": pa.array([9, 10, 11], pa.int32()),
            "Close": pa.array([11, 12.5, 13]),
            "Volume": pa.array([1500, None, 1750]),
        }
    )
    pq.write_table(table, tmp_path / "X.parquet", row_group_size=2)
    form = FileFormat(timezone="America/New_York") if local else FileFormat()
    bars, manifest = read_bars(_data(ParquetSource(path="{symbol}.parquet", format=form), "X"), tmp_path)
    expected = [m + datetime.timedelta(hours=9, minutes=30) * local for m in NAIVE]
    assert bars["date"].tolist() == [pd.Timestamp(m) for m in expected]
    assert bars["open"].tolist() == [10.5, 11, 12]
    assert bars["low"].tolist() == [9, 10, 11]
    assert bars["adj_close"].tolist() == [5.5, 6, 7]
    np.testing.assert_array_equal(bars["volume"], [1500, np.nan, 1750])
    assert manifest["source"]["kind"] == "parquet"
    assert manifest["symbols"]["X"]["adjustment_known"] is True


def _parquet(path: Path, **columns: object) -> None:
    base = {"date": NAIVE, "open": [1.0] * 3, "high": [1.0] * 3, "low": [1.0] * 3, "close": CLOSES, "volume": [1.0] * 3}
    pq.write_table(pa.table(base | columns), path, row_group_size=2)


def test_parquet_of_many_symbols(tmp_path: Path) -> None:
    _parquet(tmp_path / "all.parquet", date=[NAIVE[1], NAIVE[0], NAIVE[0]], symbol=["A", "A", "B"])
    bars, _ = read_bars(_data(ParquetSource(path="all.parquet"), "A", "B"), tmp_path)
    assert (_closes(bars, "A"), _closes(bars, "B")) == ([12.5, 11], [13])
    with pytest.raises(DataError, match=r"no row is of symbol C \(there are A, B\)"):
        read_bars(_data(ParquetSource(path="all.parquet"), "C"), tmp_path)


def test_what_no_parquet_holds_is_refused(tmp_path: Path) -> None:
    source = ParquetSource(path="{symbol}.parquet")
    (tmp_path / "CSV.parquet").write_text(HEADER + ROWS[0])
    _parquet(tmp_path / "CUT.parquet")
    (tmp_path / "CUT.parquet").write_bytes((tmp_path / "CUT.parquet").read_bytes()[:-60])
    _parquet(tmp_path / "BOOL.parquet", close=[True] * 3)
    _parquet(tmp_path / "UTC.parquet", date=UTC)
    _parquet(tmp_path / "INF.parquet", close=[1.0, np.inf, 1.0])
    _parquet(tmp_path / "NONE.parquet", date=pa.array([NAIVE[0], None, NAIVE[1]], pa.timestamp("us")))
    pq.write_table(pa.table({"a": [1]}), tmp_path / "OTHER.parquet")
    for symbol, words in {
        "CSV": "CSV.parquet: not readable as Parquet",
        "CUT": "CUT.parquet: not readable as Parquet",
        "BOOL": "BOOL.parquet: column 'close' is of type bool, which holds no dates and no numbers",
        "UTC": "whose clock counts is not known; set data.source.format.timezone",
        "INF": "INF.parquet, row 2: column close is infinite",
        "NONE": "NONE.parquet, row 2: the date is empty",
        "OTHER": "OTHER.parquet: lacks the column date, open, high, low, close, volume",
    }.items():
        with pytest.raises(DataError) as caught:
            read_bars(_data(source, symbol), tmp_path)
        assert words in str(caught.value)


@pytest.mark.parametrize(
    ("dataset", "symbol", "rows", "first", "close"),
    [
        ("arch.sp500", "SPX", 5031, "1999-01-04", 1228.099976),
        ("arch.nasdaq", "IXIC", 5031, "1999-01-04", 2208.050049),
        ("skfolio.sp500_index", "SPX", 8313, "1990-01-02", 359.69),
        ("skfolio.sp500_dataset", "AMD", 8313, "1990-01-02", 4.125),
    ],
)
def test_data_sets_of_packages(dataset: str, symbol: str, rows: int, first: str, close: float, tmp_path: Path) -> None:
    bars, manifest = read_bars(_data({"kind": "package", "dataset": dataset}, symbol), tmp_path)
    entry = manifest["symbols"][symbol]
    assert (len(bars), entry["first"], bars["close"].iloc[0]) == (rows, first, close)
    assert manifest["source"]["package"].startswith(dataset.partition(".")[0])
    closes_only = dataset.startswith("skfolio")
    assert ("closes only: open, high and low are set to the close" in str(entry["layout"])) == closes_only
    assert (bars["open"] == bars["close"]).all() == closes_only


def test_a_symbol_that_a_data_set_lacks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"skfolio\.sp500_dataset: .* names 'APPL', .*; did you mean 'AAPL'\?"):
        read_bars(_data(PackageSource(dataset="skfolio.sp500_dataset"), "APPL"), tmp_path)


def test_closes_alone_are_traded_at_closes_and_said(tmp_path: Path) -> None:
    (tmp_path / "X.csv").write_text("date,close\n" + "".join(f"2024-01-{d},{c}\n" for d, c in ((15, 11), (16, 12.5))))
    source = CsvSource(path="{symbol}.csv", closes_only=True)
    data = _data(source, "X")
    with pytest.raises(ValidationError, match="must be next_close, for the source of X has closes alone"):
        Settings(data=data)
    Settings(data=data, market=Market(fill="next_close"))
    bars, _ = read_bars(data, tmp_path)
    assert bars[["open", "high", "low", "close"]].to_numpy().tolist() == [[11] * 4, [12.5] * 4]
    _, quality = validate_bars(bars, data, Market(fill="next_close"))
    said = [c for c in quality["checks"] if c["id"] == "closes_only"]
    assert [(c["symbol"], c["severity"], c["count"]) for c in said] == [("X", "warning", 2)]


def test_each_symbol_may_have_a_source_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "X.csv").write_text(HEADER + "".join(ROWS))
    (tmp_path / "other.csv").write_text((HEADER + "".join(ROWS)).replace(",", ";"))
    sources = {"Y": CsvSource(path="other.csv"), "Z": SimulatedSource(bars=10)}
    data = _data(CsvSource(path="{symbol}.csv"), "X", "Y", "Z", sources=sources)
    bars, manifest = read_bars(data, tmp_path)
    assert _closes(bars, "X") == _closes(bars, "Y") == CLOSES
    assert bars["symbol"].value_counts()["Z"] == 10
    assert manifest["simulated"] is True
    assert manifest["symbols"]["Y"]["source"] == {"kind": "csv", "path": "other.csv"}
    assert "source" not in manifest["symbols"]["X"]
    assert manifest["source"]["sources"]["Z"]["kind"] == "simulated"
    assert input_files(data, data.symbols, tmp_path) == ["X.csv", "other.csv"]


def test_a_source_for_no_symbol_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"sources\.AAPLE is none of data\.symbols"):
        _data(CsvSource(), "AAPL", sources={"AAPLE": CsvSource()})


def test_inspect_prints_what_was_recognised(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    Path("X.csv").write_text("Note\n" + (HEADER + "".join(reversed(ROWS))).replace(",", ";").replace(".", ","))
    assert main(["inspect", "X.csv"]) == 0
    printed = capsys.readouterr().out
    for line in (
        "separator:    ;",
        "header line:  2",
        "columns:      date -> date, open -> open, high -> high, low -> low, close -> close, volume -> volume",
        "decimal:      ,",
        "order:        descending",
        "rows:         3",
        "first:        2024-01-15  open 10.5 high 12.25 low 9 close 11 volume 1500",
        "In the experiment: {data: {source: {kind: csv, path: X.csv}}}",
    ):
        assert line in printed


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["X.csv"], "set data.source.format.date_order to dmy or mdy."),
        (["none.csv"], "none.csv: not readable (No such file or directory); name a file of bars."),
        (["."], ".: not readable (Is a directory); name a file of bars."),
        (["X.csv", "--format", "date_ordr: dmy"], "--format: date_ordr: Extra inputs are not permitted; the keys are"),
        (["X.csv", "--format", "dmy"], "--format 'dmy' is no block of keys; write it as 'date_order: dmy'"),
        (["X.csv", "--format", "{"], "--format '{' is no YAML"),
    ],
)
def test_inspect_refuses_with_a_sentence(arguments, words, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    Path("X.csv").write_text(HEADER + ROWS[0].replace("2024-01-15", "01/02/2024"))
    assert main(["inspect", *arguments]) == 1
    printed = capsys.readouterr().err
    assert words in printed
    assert "Traceback" not in printed
    assert main(["inspect", "X.csv", "--format", "date_order: dmy"]) == 0
    assert "format: {date_order: dmy}" in capsys.readouterr().out
