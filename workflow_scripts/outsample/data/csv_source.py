"""Bars from one CSV file a symbol: comma-separated UTF-8 text, a header in the first line, ISO dates ascending.

The columns date, open, high, low, close, volume and, where known, adj_close are found by name in any order and any
case; others are ignored. pyarrow reads the file in one pass; only when it refuses something is the text gone through
line by line, to name the line and the cell.
"""

from __future__ import annotations

import difflib
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
from numpy.typing import NDArray

from outsample.config.data import CsvSource
from outsample.data.csv_text import (
    DATE_ADVICE,
    EMPTY,
    NUMBER,
    OPTIONAL,
    REQUIRED,
    cell_sentence,
    decode,
    find_columns,
    is_date,
    rows,
)
from outsample.data.dates import day_text, first_disorder
from outsample.errors import DataError
from outsample.io.files import sha256_file


class CsvBars:
    """Source of kind csv."""

    simulated = False

    def __init__(self, settings: CsvSource, root: Path) -> None:
        self._settings = settings
        self._root = root

    def where(self, symbol: str) -> str:
        return self._settings.path.replace("{symbol}", symbol)

    def describe(self) -> dict[str, Any]:
        return self._settings.model_dump(mode="json")

    def fingerprint(self, symbol: str) -> tuple[str | None, str | None]:
        return self.where(symbol), sha256_file(self._root / self.where(symbol))

    def read(self, symbol: str) -> pd.DataFrame:
        """Bars of one symbol as its file has them; see `parse_csv`.

        Raises: DataError where the symbol has no file or the file cannot be read.
        """
        name = self.where(symbol)
        try:
            raw = (self._root / name).read_bytes()
        except FileNotFoundError as error:
            raise DataError(self._missing_file(symbol)) from error
        except OSError as error:
            raise DataError(f"{name}: not readable ({error.strerror}); data.source.path must name a file.") from error
        return parse_csv(raw, name)

    def _missing_file(self, symbol: str) -> str:
        """The sentence for a symbol without a file, with the symbols whose files are there."""
        name = self.where(symbol)
        folder, pattern = (self._root / name).parent, Path(self._settings.path).name
        prefix, _, suffix = pattern.partition("{symbol}")
        files = sorted(p.name for p in folder.glob(f"*{suffix}")) if "{symbol}" in pattern else []
        found = [f[len(prefix) : len(f) - len(suffix)] for f in files if f.startswith(prefix)]
        near = difflib.get_close_matches(symbol.upper(), [f.upper() for f in found], n=1)
        close = [f for f in found if f.upper() in near]
        listed = ", ".join(found[:8]) + (", …" if len(found) > 8 else "")
        there = f"there are files of {listed}" if found else "no file there fits the path"
        meant = f" (did you mean {close[0]}?)" if close else ""
        return (
            f"{name}: symbol {symbol} has no file ({there}); correct data.symbols{meant} or data.source.path, "
            "or put the file there."
        )


def parse_csv(raw: bytes, name: str) -> pd.DataFrame:
    """Bars from the bytes of a CSV file.

    Args:
        raw: the file's bytes, UTF-8 with or without a byte-order mark.
        name: what errors call the file.
    Returns: date (datetime64[us]) and open, high, low, close, volume, adj_close (float64; null where a cell is empty,
        `null`, `NaN` or `-`; adj_close is null throughout where the file has no such column).
    Raises: DataError with the file, the line and the cell where something cannot be read; where dates are empty,
        twice there or not ascending, for no table could hold them.

    >>> parse_csv(b"Date,Close,Open,High,Low,Volume\\n2024-01-02,11,10,12,9,500\\n", "X.csv").loc[0, "close"]
    np.float64(11.0)
    """
    text = decode(raw, name)
    line, header = next(rows(text, name), (0, []))
    if not header:
        raise DataError(f"{name}: the file is empty; it needs a header and one row a bar.")
    columns = find_columns(header, name)
    table = _read_table(text, line, header, columns, name)
    if table.num_rows == 0:
        raise DataError(f"{name}: the CSV is empty: a header and no rows; it needs one row a bar.")
    _check_order(table["date"].to_numpy(), text, name)
    for column in columns:
        if column != "date":
            _check_finite(table[column], text, column, columns[column], name)
    frame = table.to_pandas()
    if "adj_close" not in columns:
        frame["adj_close"] = np.nan
    return frame[[*REQUIRED, *OPTIONAL]]


def _read_table(text: str, line: int, header: list[str], columns: dict[str, int], name: str) -> pa.Table:
    """The wanted columns of what follows the header, which ends in `line`."""
    types = {c: pa.timestamp("us") if c == "date" else pa.float64() for c in columns}
    body = text.split("\n", line)[line] if text.count("\n") >= line else ""
    if not body.strip("\n"):
        return pa.table({c: pa.array([], t) for c, t in types.items()})
    by_place = {place: column for column, place in columns.items()}
    reading = pacsv.ReadOptions(
        column_names=[by_place.get(i, f"ignored {i}") for i in range(len(header))], use_threads=False
    )
    conversion = pacsv.ConvertOptions(
        column_types=types,
        include_columns=list(columns),
        null_values=list(EMPTY),
        quoted_strings_can_be_null=True,
        timestamp_parsers=[pacsv.ISO8601],
    )
    try:
        return pacsv.read_csv(pa.BufferReader(body.encode()), read_options=reading, convert_options=conversion)
    except pa.ArrowInvalid as error:
        _refuse(text, columns, len(header), name, str(error))


def _row(text: str, index: int, name: str) -> tuple[int, list[str]]:
    """Line number and cells of a row of data, from 0."""
    return next(islice(rows(text, name), index + 1, None))


def _refuse(text: str, columns: dict[str, int], width: int, name: str, reason: str) -> NoReturn:
    """Raise the error for the first cell or row that cannot be read; `reason` is what pyarrow said."""
    for line, row in islice(rows(text, name), 1, None):
        if len(row) != width:
            raise DataError(f"{name}, line {line}: {len(row)} cells where the header has {width}; correct the line.")
        for column, place in columns.items():
            cell = row[place]
            if cell in EMPTY:
                continue
            if column == "date" and not is_date(cell):
                raise DataError(cell_sentence(name, line, column, cell, f"which is no ISO date; {DATE_ADVICE}"))
            if column != "date" and not NUMBER.fullmatch(cell):
                advice = "write it with a decimal point and nothing else, or leave the cell empty"
                raise DataError(cell_sentence(name, line, column, cell, f"which is no number; {advice}"))
    raise DataError(f"{name}: not readable as CSV ({reason}); save it as plain comma-separated text.")


def _check_finite(values: pa.ChunkedArray, text: str, column: str, place: int, name: str) -> None:
    """pyarrow reads `inf` and `1e999` as numbers; bars hold none."""
    odd = values.is_valid().to_numpy() & ~np.isfinite(values.to_numpy())
    if odd.any():
        line, row = _row(text, int(odd.argmax()), name)
        raise DataError(cell_sentence(name, line, column, row[place], "which is no finite number; correct it"))


def _check_order(dates: NDArray[np.datetime64], text: str, name: str) -> None:
    disorder = first_disorder(dates)
    if disorder is None:
        return
    index, kind = disorder
    line, _ = _row(text, index, name)
    if kind == "empty":
        raise DataError(f"{name}, line {line}: the date is empty; {DATE_ADVICE}, or delete the line.")
    day, before = day_text(dates[index]), day_text(dates[index - 1])
    if kind == "duplicate":
        raise DataError(f"{name}, line {line}: the date {day} is there twice; keep one row of that date.")
    raise DataError(f"{name}, line {line}: the date {day} comes after {before}; sort the file by date ascending.")
