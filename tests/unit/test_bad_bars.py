"""Bad bars: each fault of a file, and the sentence that refuses it."""

from pathlib import Path

import pytest

from outsample.config.data import CsvSource, Data
from outsample.config.models import Market
from outsample.data.sources import read_bars
from outsample.data.validate import validate_bars
from outsample.errors import ConfigError, DataError, OutsampleError

HEADER = "date,open,high,low,close,volume\n"
ROWS = [
    "2024-01-02,10,12,9,11,500\n",
    "2024-01-03,10.5,12,9,11,600\n",
    "2024-01-04,11.5,12,9,10,700\n",
    "2024-01-05,10.5,12,9,11,800\n",
]
GOOD = HEADER + "".join(ROWS)
ADJUSTED = "date,open,high,low,close,volume,adj_close\n" + "".join(row[:-1] + ",5.5\n" for row in ROWS)


def _replaced(line: int, text: str) -> str:
    """The good file with one line, counted from 1, replaced."""
    lines = [HEADER, *ROWS]
    lines[line - 1] = text
    return "".join(lines)


def _load(root: Path, content: str | bytes | None, market: Market | None = None, **data: object) -> None:
    if content is not None:
        (root / "X.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    settings = Data.model_validate({"source": CsvSource(path="{symbol}.csv"), "symbols": ["X"]} | data)
    bars, _ = read_bars(settings, root)
    validate_bars(bars, settings, market or Market())


# What is wrong with the file: (content, words that the sentence must hold).
FILES: dict[str, tuple[str | bytes, str]] = {
    "no bytes": ("", "X.csv: the file is empty; it needs a header and one row a bar."),
    "blank lines only": ("\n\n", "X.csv: the file is empty; it needs a header and one row a bar."),
    "header only": (HEADER, "X.csv: the CSV is empty: a header and no rows; it needs one row a bar."),
    "header without a line end": (HEADER.strip(), "X.csv: the CSV is empty: a header and no rows"),
    "header and blank lines": (HEADER + "\n\n", "X.csv: the CSV is empty: a header and no rows"),
    "missing column": (
        GOOD.replace("close", "fix"),
        "X.csv: lacks the column close (its header is 'date,open,high,low,fix,volume'); name it in "
        "data.source.format.columns.",
    ),
    "no header": (
        "".join(ROWS),
        "X.csv: lacks the column date, open, high, low, close, volume (its header is '2024-01-02,10,12,9,11,500'); "
        "the file needs a header with",
    ),
    "column twice in two spellings": (
        "date,open,high,low,close,volume,Close\n" + "".join(row[:-1] + ",1\n" for row in ROWS),
        "X.csv: column close is there twice ('close' and 'Close'); keep one and rename the other.",
    ),
    "adj_close twice": (
        "date,open,high,low,close,volume,adj_close,Adj Close\n" + "".join(row[:-1] + ",1,1\n" for row in ROWS),
        "X.csv: column adj_close is there twice ('adj_close' and 'Adj Close')",
    ),
    "byte of no encoding": (
        b"date,open,high,low,close,volume,note\n2024-01-02,1,1,1,1,1,\x81\n",
        "X.csv, line 2: the byte 0x81 is text neither in UTF-8 nor in cp1252; save the file as CSV in UTF-8",
    ),
    "zip file": (
        b"PK\x03\x04\x00\x00" + GOOD.encode(),
        "X.csv: the compressed file is cut, damaged or locked (File is not a zip file)",
    ),
    "cell too few": (_replaced(3, "2024-01-03,10.5,12,9,11\n"), "X.csv, line 3: 5 cells where the header has 6"),
    "cell too many": (_replaced(3, "2024-01-03,10.5,12,9,11,600,1\n"), "X.csv, line 3: 7 cells where the header has 6"),
    "unclosed quote": (_replaced(3, '2024-01-03,10.5,12,9,"11,600\n'), "X.csv, line 3: 5 cells where the header has 6"),
    "a cell without end": (_replaced(3, '"' + "1" * 200_000), "not readable as CSV (field larger than field limit"),
    "word for a price": (
        _replaced(4, "2024-01-04,eleven,12,9,10,700\n"),
        "X.csv, line 4: column open holds 'eleven', which is no number with a decimal point; correct the cell",
    ),
    "line number despite a blank line": (
        GOOD.replace("2024-01-05,10.5", "\n2024-01-05,?"),
        "line 6: column open holds '?'",
    ),
    "infinite price": (
        _replaced(3, "2024-01-03,10.5,inf,9,11,600\n"),
        "line 3: column high holds 'inf', which is no finite",
    ),
    "overflowing price": (
        _replaced(3, "2024-01-03,10.5,1e999,9,11,600\n"),
        "line 3: column high holds '1e999', which is no",
    ),
    "German date": (
        _replaced(2, "02.01.2024,10,12,9,11,500\n"),
        "X.csv, line 2: the date '02.01.2024' has its year in another place than most; write dates as YYYY-MM-DD",
    ),
    "American date": (
        _replaced(2, "01/02/2024,10,12,9,11,500\n"),
        "line 2: the date '01/02/2024' has its year in another place",
    ),
    "epoch stamp": (
        _replaced(2, "1704153600,10,12,9,11,500\n"),
        "line 2: column date holds '1704153600', which is no date; write",
    ),
    "day that does not exist": (_replaced(4, "2024-02-30,10,12,9,11,1\n"), "line 4: column date holds '2024-02-30'"),
    "date with a time zone": (
        _replaced(2, "2024-01-02T00:00:00Z,10,12,9,11,500\n"),
        "X.csv, line 3: the date has no offset from UTC, though others have one",
    ),
    "empty date": (_replaced(3, ",10.5,12,9,11,600\n"), "X.csv, line 3: the date is empty; write dates as YYYY-MM-DD"),
    "one row out of order": (
        HEADER + "".join([ROWS[i] for i in (0, 2, 1, 3)]),
        "line 4: the date 2024-01-03 comes after",
    ),
    "duplicate date with other values": (
        _replaced(4, "2024-01-03,10.5,12,9,11,601\n"),
        "X.csv, line 4: the date 2024-01-03 is there twice; keep one row of that date.",
    ),
    "duplicate row": (
        _replaced(4, "2024-01-03,10.5,12,9,11,600\n"),
        "X.csv, 2024-01-03: the date is there twice, with equal bars; keep one of them, or ask for the repair "
        "merge_duplicate_bars (validation.repairs).",
    ),
    "duplicate row of empty cells": (
        _replaced(4, "2024-01-03,,,,,\n").replace("03,10.5,12,9,11,600", "03,,,,,"),
        "X.csv, 2024-01-03: the date is there twice, with equal bars",
    ),
    "null row": (
        _replaced(3, "2024-01-03,null,null,null,null,null\n"),
        "X.csv, 2024-01-03: no value for open, high, low, close, volume; delete such rows or complete them",
    ),
    "NaN in two rows": (
        GOOD.replace("9,11,600", "NaN,11,600").replace("9,10,700", "-,10,700"),
        "X.csv, 2024-01-03: no value for low (and on 1 more date); delete such rows",
    ),
    "empty volume": (_replaced(3, "2024-01-03,10.5,12,9,11,\n"), "X.csv, 2024-01-03: no value for volume; delete"),
    "price zero": (_replaced(3, "2024-01-03,10.5,12,0,11,600\n"), "X.csv, 2024-01-03: a price is not above 0 (low 0)"),
    "negative price": (
        _replaced(3, "2024-01-03,-10.5,12,9,11,600\n"),
        "a price is not above 0 (open -10.5); correct or",
    ),
    "negative volume": (_replaced(3, "2024-01-03,10.5,12,9,11,-1\n"), "X.csv, 2024-01-03: volume is negative (-1)"),
    "high below low": (
        _replaced(3, "2024-01-03,10.5,9,12,11,600\n"),
        "X.csv, 2024-01-03: high 9 is below low 12; correct",
    ),
    "close above high": (
        _replaced(3, "2024-01-03,10.5,12,9,13,600\n"),
        "close 13 is outside low 9 .. high 12; correct such",
    ),
    "open below low": (
        _replaced(3, "2024-01-03,8,12,9,11,600\n"),
        "X.csv, 2024-01-03: open 8 is outside low 9 .. high 12",
    ),
    "adj_close with holes": (
        ADJUSTED.replace("600,5.5", "600,"),
        "X.csv, 2024-01-03: adj_close is empty, though other bars",
    ),
    "adj_close zero": (
        ADJUSTED.replace("600,5.5", "600,0"),
        "X.csv, 2024-01-03: adj_close is 0, though other bars have it",
    ),
    "opens repeat closes": (
        GOOD.replace("03,10.5", "03,11").replace("04,11.5", "04,11"),
        "X.csv, 2024-01-03: the open repeats the close before it (67% of the bars do so), so it is no open (and on 1 "
        "more date); set market.fill to next_close, or take a source with opens.",
    ),
}


@pytest.mark.parametrize("fault", FILES)
def test_a_faulty_file_is_refused_with_a_sentence(fault: str, tmp_path: Path) -> None:
    content, expected = FILES[fault]
    with pytest.raises(DataError) as caught:
        _load(tmp_path, content)
    sentence = str(caught.value)
    assert expected in sentence
    assert "\n" not in sentence
    assert str(tmp_path) not in sentence, "the file is named as the configuration has it"


# What is wrong with the settings: (keys of `data`, words that the sentence must hold).
SETTINGS: dict[str, tuple[dict[str, object], type[OutsampleError], str]] = {
    "symbol without a file": (
        {"symbols": ["Y"]},
        DataError,
        "Y.csv: symbol Y has no file (there are files of X); correct data.symbols or data.source.path",
    ),
    "symbol in another case": (
        {"symbols": ["x"]},
        DataError,
        "x.csv: symbol x has no file (there are files of X); correct data.symbols (did you mean X?)",
    ),
    "folder without files": (
        {"source": CsvSource(path="no/{symbol}.csv")},
        DataError,
        "no/X.csv: symbol X has no file (no file there fits",
    ),
    "path of a folder": ({"source": CsvSource(path=".")}, DataError, ".: not readable (Is a directory)"),
    "range after the bars": (
        {"start": "2030-01-01"},
        DataError,
        "X.csv: no bars in data.start .. data.end = 2030-01-01 .. the last bar; X has bars in 2024-01-02 .. 2024-01-05",
    ),
    "range before the bars": (
        {"end": "2020-01-01"},
        DataError,
        "data.end = the first bar .. 2020-01-01; X has bars in",
    ),
    "unknown calendar": (
        {"calendar": "XNYZ"},
        ConfigError,
        "data.calendar: 'XNYZ' is no calendar; did you mean XNZE or XNYS?",
    ),
    "calendar that ends too early": (
        {"calendar": "XSAU", "start": None},
        ConfigError,
        "data.calendar: XSAU cannot serve 1999-01-04 .. 2024-01-05",
    ),
}


@pytest.mark.parametrize("fault", SETTINGS)
def test_settings_that_fit_no_bars_are_refused_with_a_sentence(fault: str, tmp_path: Path) -> None:
    keys, kind, expected = SETTINGS[fault]
    old = "1999-01-04,10,12,9,11,500\n" if fault == "calendar that ends too early" else ""
    with pytest.raises(kind) as caught:
        _load(tmp_path, HEADER + old + "".join(ROWS), **keys)
    assert expected in str(caught.value)


def test_one_file_for_two_symbols_is_refused(tmp_path: Path) -> None:
    (tmp_path / "X.csv").write_text(GOOD)
    data = Data(symbols=["X"]).model_copy(update={"symbols": ["X", "Z"], "source": CsvSource(path="X.csv")})
    with pytest.raises(
        DataError, match=r"data\.source\.path: X\.csv is the file of X and of Z; write \{symbol\} in the"
    ):
        read_bars(data, tmp_path)


# What looks odd and is right.
ACCEPTED: dict[str, str | bytes] = {
    "as it should be": GOOD,
    "byte-order mark": b"\xef\xbb\xbf" + GOOD.encode(),
    "Windows line ends": GOOD.replace("\n", "\r\n"),
    "old Mac line ends": GOOD.replace("\n", "\r"),
    "no line end at the end": GOOD.strip(),
    "blank lines": "\n" + GOOD.replace("2024-01-04", "\n2024-01-04") + "\n\n",
    "quoted cells": GOOD.replace("2024-01-02,10,", '"2024-01-02","10",'),
    "blanks in the header": GOOD.replace(",open,", ", Open ,"),
    "an open just above the high, by rounding": GOOD.replace("03,10.5,12", "03,12.000001,12"),
    "one open that repeats the close before it": GOOD.replace("03,10.5", "03,11"),
    "volume 0": GOOD.replace(",600", ",0"),
    "adj_close empty throughout": ADJUSTED.replace(",5.5", ","),
    "an ignored column that is no number, twice": GOOD.replace(",volume", ",volume,note,note").replace(
        "00\n", "00,a,ä\n"
    ),
}


@pytest.mark.parametrize("oddity", ACCEPTED)
def test_odd_files_that_are_right_are_accepted(oddity: str, tmp_path: Path) -> None:
    _load(tmp_path, ACCEPTED[oddity])


def test_repeated_opens_are_no_matter_when_filling_at_closes(tmp_path: Path) -> None:
    _load(tmp_path, FILES["opens repeat closes"][0], Market(fill="next_close"))


def test_a_faulty_row_outside_the_dates_of_the_experiment_does_not_matter(tmp_path: Path) -> None:
    _load(tmp_path, FILES["price zero"][0], start="2024-01-04")
