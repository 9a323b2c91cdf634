"""The text of a CSV file of bars: its bytes, header, rows and cells, and the sentences for what is wrong there.

Shared by the source of bars and by paper trading, which runs without pandas and pyarrow.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from datetime import datetime

from outsample.errors import DataError

REQUIRED = ("date", "open", "high", "low", "close", "volume")
OPTIONAL = ("adj_close",)
EMPTY = ("", "-", "null", "Null", "NULL", "nan", "NaN", "NAN")
NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}(:\d{2}(:\d{2}(\.\d{1,6})?)?)?)?")
_SHOWN = 80  # letters of a cell or a header that a sentence quotes
DATE_ADVICE = "write dates as YYYY-MM-DD, with a time YYYY-MM-DD HH:MM:SS"


def decode(raw: bytes, name: str) -> str:
    """The text of UTF-8 bytes, with or without a byte-order mark, its lines ended by a newline alone.

    Raises: DataError where the bytes are no such text; `name` is what it calls the file.
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{name}, line {line}: the byte 0x{raw[error.start]:02x} is no UTF-8 text; save the file as CSV in UTF-8."
        ) from error
    if "\0" in text:
        raise DataError(f"{name}: the file holds null bytes and is no text; save it as CSV in UTF-8.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def find_columns(header: list[str], name: str, optional: tuple[str, ...] = OPTIONAL) -> dict[str, int]:
    """Position of each column by its name in lower case, blanks and hyphens read as underscores (`Adj Close`).

    Raises: DataError where a required column is missing, or a column is there twice.
    """
    spelled = [re.sub(r"[\s_-]+", "_", cell.strip().lower()) for cell in header]
    columns: dict[str, int] = {}
    for column in (*REQUIRED, *optional):
        places = [i for i, cell in enumerate(spelled) if cell == column]
        if len(places) > 1:
            twice = " and ".join(repr(header[i]) for i in places)
            raise DataError(f"{name}: column {column} is there twice ({twice}); keep one and rename the other.")
        if places:
            columns[column] = places[0]
    missing = [c for c in REQUIRED if c not in columns]
    if missing:
        found = ",".join(header)
        shown = found if len(found) <= _SHOWN else found[: _SHOWN - 1] + "…"
        advice = "its first line must be the header, with the columns date, open, high, low, close and volume"
        separator = next((s for s in (";", "\t") if len(header) == 1 and s in found), None)
        if separator:
            advice = f"it seems to be separated by {separator!r}: save it with commas"
        raise DataError(f"{name}: lacks the column {', '.join(missing)} (its first line is {shown!r}); {advice}.")
    return columns


def rows(text: str, name: str, separator: str = ",", above: int = 0) -> Iterator[tuple[int, list[str]]]:
    """Line number, from 1 plus the lines `above` the text, and cells of each row; blank lines are no rows.

    The number is that of a row's first line: a quote that is not closed makes one row of all lines after it.

    Raises: DataError where the text is no CSV.
    """
    reader = csv.reader(io.StringIO(text), delimiter=separator)
    before = 0
    try:
        for row in reader:
            if row:
                yield above + before + 1, row
            before = reader.line_num
    except csv.Error as error:
        raise DataError(
            f"{name}, line {above + before + 1}: not readable as CSV ({error}); correct the line."
        ) from error


def cell_sentence(name: str, line: int, column: str, cell: str, rest: str) -> str:
    """The sentence for a cell that cannot be used; `rest` says why, and what to do."""
    shown = cell if len(cell) <= _SHOWN else cell[: _SHOWN - 1] + "…"
    return f"{name}, line {line}: column {column} holds {shown!r}, {rest}."


def is_date(cell: str) -> bool:
    """Whether a cell is an ISO date, with or without a time of day."""
    if not _DATE.fullmatch(cell):
        return False
    try:
        datetime.fromisoformat(cell)
    except ValueError:
        return False
    return True
