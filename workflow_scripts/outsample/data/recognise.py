"""The shape of a CSV file of bars: what separates its cells, which line is the header, and which columns are ours."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from outsample.config.files import SEPARATORS, FileFormat
from outsample.data.columns import Columns, candidates, likeness, match
from outsample.data.layout import FORMAT_KEY
from outsample.errors import DataError

_SEARCHED = 100  # lines among which the header is looked for
_LONGEST = 65_536  # letters of a line that may be a header
_LEAST = 2  # columns of ours that a header names
_ENOUGH = 4  # of them, so that no other line can be the header


@dataclass(frozen=True)
class Shape:
    """Where the cells of a file stand."""

    separator: str
    header_line: int  # from 1
    body: int  # lines before the first row of data
    header: tuple[str, ...]
    columns: Columns
    tickers: tuple[str, ...] = ()  # of a header of three lines, as yfinance writes it


def cells_of(line: str, separator: str, name: str, number: int) -> list[str]:
    """Cells of one line.

    Raises: DataError where the line is no CSV.
    """
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error as error:
        raise DataError(f"{name}, line {number}: not readable as CSV ({error}); correct the line.") from error


def recognise(text: str, name: str, form: FileFormat, closes_only: bool, symbol: str | None) -> Shape:
    """The shape of a file from its first lines.

    Args:
        text: the text, its lines ended by newlines.
        form: what the configuration decides. symbol: whose columns are meant where a header of three lines has several.
    Raises: DataError where there is no header, or a column of ours is missing or may be two.
    """
    lines = list(_first_lines(text))
    if not any(line.strip() for _, line in lines):
        raise DataError(f"{name}: the file is empty; it needs a header and one row a bar.")
    _refuse_documents(lines, name)
    alike, place, separator = _header(lines, name, form)
    table = [(number, cells_of(line, separator, name, number)) for number, line in lines if len(line) <= _LONGEST]
    three = _three_lines(table, name, symbol)
    if three is not None:
        header, tickers, first, last = three
        sample = next((cells for number, cells in table if number > last), [])
        return Shape(separator, first, last, header, match(header, sample, name, form.columns, closes_only), tickers)
    number, line = lines[place if alike >= min(_LEAST, 1 + len(form.columns)) or form.header_line else 0]
    header = tuple(cells_of(line[:_LONGEST], separator, name, number))
    sample = next((cells for n, cells in table if n > number), [])
    return Shape(separator, number, number, header, match(header, sample, name, form.columns, closes_only))


def _header(lines: Sequence[tuple[int, str]], name: str, form: FileFormat) -> tuple[int, int, str]:
    """How many of our columns the line that is most like a header names, its place, and its separator."""
    separators = [SEPARATORS[form.separator]] if form.separator else list(SEPARATORS.values())
    best: tuple[int, int, str] | None = None
    for place, (number, line) in enumerate(lines):
        if form.header_line not in (None, number) or len(line) > _LONGEST:
            continue
        for separator in separators:
            alike = likeness(cells_of(line, separator, name, number), form.columns) if separator in line else 0
            if best is None or alike > best[0]:
                best = alike, place, separator
        if best is not None and best[0] >= _ENOUGH:
            break
    if best is None:
        raise DataError(f"{name}: no line can be a header; correct {FORMAT_KEY}.header_line, or see what the file is.")
    return best


def _first_lines(text: str) -> Iterator[tuple[int, str]]:
    """Number and text of the first lines that are not blank."""
    start = number = count = 0
    while start < len(text) and count < _SEARCHED:
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        number += 1
        if text[start:end].strip():
            count += 1
            yield number, text[start : min(end, start + _LONGEST + 1)]
        start = end + 1


def _refuse_documents(lines: Sequence[tuple[int, str]], name: str) -> None:
    first = next(line.strip().lower() for _, line in lines if line.strip())
    if first.startswith(("<!doctype", "<html", "<?xml")):
        raise DataError(f"{name}: the file is a web page or XML, perhaps a page of an error; fetch the data again.")
    if first.startswith(("{", "[")):
        raise DataError(f"{name}: the file is JSON; save it as CSV, or read the service by data.source.kind http.")


def _three_lines(
    table: Sequence[tuple[int, list[str]]], name: str, symbol: str | None
) -> tuple[tuple[str, ...], tuple[str, ...], int, int] | None:
    """Header, tickers, its line and the last line before the data, of a file that yfinance's frames were saved to.

    Names and tickers stand in two lines, in either order, and `Date,,,` below. Of several tickers, the columns of the
    others get names that are none of ours.
    """
    for i in range(len(table) - 2):
        (number, above), (_, middle), (last, below) = table[i : i + 3]
        if len(below) < 2 or any(cell.strip() for cell in below[1:]) or not len(above) == len(middle) == len(below):
            continue
        if not candidates(below[:1], "date"):
            continue
        names, tickers = (above, middle) if likeness(above[1:], {}) >= likeness(middle[1:], {}) else (middle, above)
        distinct = tuple(dict.fromkeys(cell.strip() for cell in tickers[1:] if cell.strip()))
        if likeness(names[1:], {}) < 1 or not distinct:
            continue
        if len(distinct) > 1 and symbol not in distinct:
            asked = f"{symbol} is none of them" if symbol else "say which"
            raise DataError(f"{name}: the file has columns of {', '.join(distinct[:8])}; {asked}.")
        kept = symbol if len(distinct) > 1 else distinct[0]
        others = [names[j] if tickers[j].strip() == kept else f"{tickers[j]}: {names[j]}" for j in range(len(names))]
        return ("Date", *others[1:]), distinct, number, last
    return None
