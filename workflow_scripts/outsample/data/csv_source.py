"""Bars from a CSV file as people have it; what it leaves open is recognised by `outsample.data.recognise`.

pyarrow reads the file in one pass. Where its plain reading (comma, decimal point, ISO dates) does not do, the cells are
taken as text and read by `numbers` and `stamps`; only to name a line is the text gone through again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import NoReturn

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv

from outsample.config.files import FileFormat
from outsample.data.columns import NUMBERS
from outsample.data.csv_text import rows as csv_rows
from outsample.data.encoding import decode, unpack
from outsample.data.layout import FORMAT_KEY, Layout, Parsed, Rows
from outsample.data.numbers import EMPTY, check_finite, clean, shows_point
from outsample.data.recognise import Shape, recognise
from outsample.data.table import read_cells, rows_of
from outsample.errors import DataError

_ANY = FileFormat()
_SHOWING = 20_000  # letters of a plain file in which the decimal point is looked for


def parse_csv(raw: bytes, name: str) -> pd.DataFrame:
    """Bars of the one symbol in the bytes of a CSV file, read as it is recognised.

    Args:
        raw: the file's bytes.
        name: what errors call the file.
    Returns: date (datetime64[us]), ascending, and open, high, low, close, volume, adj_close (float64; null where a cell
        is empty, `null`, `NaN`, `-` or the like; adj_close is null throughout where the file has no such column).
    Raises: DataError with the file, the line and the cell where something cannot be read or has two readings; where
        dates are empty, twice there or in no order, for no table could hold them.

    >>> parse_csv(b"Date,Close,Open,High,Low,Volume\\n2024-01-02,11,10,12,9,500\\n", "X.csv").loc[0, "close"]
    np.float64(11.0)
    """
    return rows_of(parse_text(raw, name), None, _ANY)[0]


def parse_text(
    raw: bytes, name: str, form: FileFormat = _ANY, closes_only: bool = False, symbol: str | None = None
) -> Parsed:
    """All rows of a CSV file, in its order.

    Args:
        raw: the file's bytes, maybe compressed. name: what errors call the file.
        form: what the configuration decides. closes_only: open, high, low and volume need not be there.
        symbol: whose columns are meant where the file has those of several side by side.
    Raises: DataError as `parse_csv`.
    """
    content, compression = unpack(raw, name)
    text, encoding = decode(content, name, form.encoding)
    shape = recognise(text, name, form, closes_only, symbol)
    _refuse_guesses(shape, encoding, form, name)
    rows = _Lines(text, shape, name)
    layout = Layout(
        columns={ours: shape.header[place].strip() for ours, place in shape.columns.places.items()},
        encoding=encoding,
        compression=compression,
        separator=shape.separator,
        header_line=shape.header_line,
        symbols=shape.tickers,
        notes=shape.columns.notes,
    )
    if shape.header_line > 1:
        layout = layout.noting(f"what stands above line {shape.header_line}, the header, is left out")
    body = text[_below(text, shape.body) :]
    if not body or body.isspace():
        raise DataError(f"{name}: the CSV is empty: a header and no rows; it needs one row a bar.")
    encoded = body.encode()
    plain = _plain(encoded, shape, form, rows)
    if plain is not None:
        symbols = tuple(plain["symbol"].unique()) if "symbol" in plain else layout.symbols
        return Parsed(plain, replace(layout, decimal=".", symbols=symbols), rows.places)
    cells = {c: clean(column) for c, column in _text_cells(encoded, shape, rows).items()}
    return read_cells(cells, layout, rows.places, form)


def _below(text: str, lines: int) -> int:
    """Where what stands below the first lines of a text begins."""
    start = 0
    for _ in range(lines):
        start = text.find("\n", start) + 1
        if start == 0:
            return len(text)
    return start


class _Lines:
    """Lines of the rows of data, looked up when a sentence needs one."""

    def __init__(self, text: str, shape: Shape, name: str) -> None:
        self._text, self._shape, self._name = text, shape, name
        self.places = Rows(name, lambda row: f"line {self._row(row)}")

    def all(self, letters: int | None = None) -> Iterator[tuple[int, list[str]]]:
        """Line and cells of every row of data, or of those in so many letters."""
        start = _below(self._text, self._shape.body)
        body = self._text[start : None if letters is None else start + letters]
        return csv_rows(body, self._name, self._shape.separator, self._shape.body)

    def _row(self, row: int) -> int:
        return next(islice(self.all(), row, None))[0]

    def refuse(self, reason: str) -> NoReturn:
        """Raise the error for the first row whose cells are not those of the header; `reason` is what pyarrow said."""
        width = len(self._shape.header)
        for line, row in self.all():
            if len(row) != width:
                raise DataError(
                    f"{self._name}, line {line}: {len(row)} cells where the header has {width}; correct the line."
                )
        raise DataError(f"{self._name}: not readable as CSV ({reason}); save it as plain comma-separated text.")


def _reading(shape: Shape) -> tuple[pacsv.ReadOptions, pacsv.ParseOptions, dict[str, str]]:
    """How pyarrow reads the body, and its name of each column of ours."""
    names = {place: column for column, place in shape.columns.places.items()}
    columns = [names.get(i, f"ignored {i}") for i in range(len(shape.header))]
    reading = pacsv.ReadOptions(column_names=columns, use_threads=False)
    return reading, pacsv.ParseOptions(delimiter=shape.separator), {column: column for column in names.values()}


def _plain(body: bytes, shape: Shape, form: FileFormat, rows: _Lines) -> pd.DataFrame | None:
    """The rows of a plain file; None where it is none."""
    columns = shape.columns.places
    decided = form.decimal == "," or form.thousands or form.date_format or form.date_order not in (None, "ymd")
    if shape.separator != "," or decided or "time" in columns:
        return None
    kinds = {"date": pa.timestamp("us"), "symbol": pa.string()}
    types = {c: kinds.get(c, pa.float64()) for c in columns}
    conversion = pacsv.ConvertOptions(
        column_types=types,
        include_columns=list(columns),
        null_values=list(EMPTY),
        quoted_strings_can_be_null=True,
        timestamp_parsers=[pacsv.ISO8601],
    )
    reading, parsing, _ = _reading(shape)
    try:
        table = pacsv.read_csv(pa.BufferReader(body), reading, parsing, conversion)
    except pa.ArrowInvalid:
        return None
    if table.num_rows == 0 or table["date"].null_count:
        return None
    if "symbol" in columns:
        table = table.set_column(table.column_names.index("symbol"), "symbol", _names(table["symbol"]))
        if table["symbol"].null_count:
            return None
    if form.decimal is None and not _point_decides(rows, shape):
        return None
    for column in columns:
        if column in NUMBERS and np.isinf(table[column].to_numpy()).any():
            cells = _text_cells(body, shape, rows)[column]
            check_finite(table[column].to_numpy(), cells, column, rows.places)
    frame = table.to_pandas()
    for column in NUMBERS:
        if column not in columns:
            frame[column] = np.nan
    return frame[["date", *NUMBERS, *(["symbol"] if "symbol" in columns else [])]]


def _point_decides(rows: _Lines, shape: Shape) -> bool:
    """Whether one of the first rows shows that the point is decimal; else all cells are looked at as text."""
    places = [place for column, place in shape.columns.places.items() if column in NUMBERS]
    first = rows.all(_SHOWING)
    return any(shows_point(row[place].strip()) for _, row in first for place in places if place < len(row))


def _names(symbols: pa.ChunkedArray) -> pa.Array:
    """Symbols without blanks around them, each name kept once in memory."""
    coded = symbols.combine_chunks().dictionary_encode()
    return pa.DictionaryArray.from_arrays(coded.indices, clean(coded.dictionary)).dictionary_decode()


def _text_cells(body: bytes, shape: Shape, rows: _Lines) -> dict[str, pa.Array]:
    """The cells of our columns as text."""
    columns = list(shape.columns.places)
    conversion = pacsv.ConvertOptions(
        column_types=dict.fromkeys(columns, pa.string()), include_columns=columns, strings_can_be_null=False
    )
    reading, parsing, _ = _reading(shape)
    try:
        table = pacsv.read_csv(pa.BufferReader(body), reading, parsing, conversion)
    except pa.ArrowInvalid as error:
        rows.refuse(str(error))
    if table.num_rows == 0:
        raise DataError(f"{rows.places.name}: the CSV is empty: a header and no rows; it needs one row a bar.")
    return {column: table[column].combine_chunks() for column in columns}


def _refuse_guesses(shape: Shape, encoding: str, form: FileFormat, name: str) -> None:
    """An encoding that is only likely may not decide the name of a column."""
    if encoding != "cp1252" or form.encoding is not None:
        return
    for column, place in shape.columns.places.items():
        if not shape.header[place].isascii():
            raise DataError(
                f"{name}: the text is not UTF-8, so the name {shape.header[place]!r} of column {column} is a guess; "
                f"set {FORMAT_KEY}.encoding to cp1252 if it is right."
            )
