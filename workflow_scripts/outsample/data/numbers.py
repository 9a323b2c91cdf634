"""Numbers as people write them: decimal comma or point, groups of three digits, 1.23M, and the cells that are empty.

Whether `1,234` is 1234 or 1.234 is decided by all numbers of a file together, or refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from outsample.data.layout import Rows, shown, undecided
from outsample.errors import DataError

EMPTY = (
    *("", "-", "--", "null", "Null", "NULL", "nan", "NaN", "NAN", "N/A", "n/a", "NA", "#N/A", "#N/A N/A"),
    *("None", "none", "NaT", "<NA>", "nil", "(null)", "."),
)
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_POINT = re.compile(r"[+-]?(\d*\.(\d{0,2}|\d{4,})|(0?|\d{4,})\.\d{3})")
_MARKS = {".": r"\.", ",": ","}
_SPACES = "[ '\u00a0\u202f\u2009\u2019]"
_UNITS = {"[kK]": "e3", "[mM]": "e6", "[bB]": "e9", "[tT]": "e12"}


@dataclass(frozen=True)
class Marks:
    """Decimal mark, and the mark between groups of three digits where one was seen or set."""

    decimal: str
    thousands: str | None


def clean(cells: pa.Array) -> pa.Array:
    """Text cells without blanks around them, and null where they say that there is no value."""
    trimmed = pc.utf8_trim_whitespace(cells)
    empty = pc.is_in(trimmed, value_set=pa.array(EMPTY))
    return pc.if_else(empty, pa.scalar(None, pa.string()), trimmed)


def shows_point(cell: str) -> bool:
    """Whether a number can have a decimal point only: 10.5 and 1234.567 can, 10.500 may be 10500.

    >>> [shows_point(cell) for cell in ("10.5", "1234.567", "0.123", "10.500", "782")]
    [True, True, True, False, False]
    """
    return _POINT.fullmatch(cell) is not None


def _first(mask: pa.Array) -> int | None:
    flags = pc.fill_null(mask, False).to_numpy(zero_copy_only=False)
    return int(flags.argmax()) if flags.any() else None


def _where(cells: pa.Array, pattern: str) -> int | None:
    return _first(pc.match_substring_regex(cells, pattern))


@dataclass(frozen=True)
class _Evidence:
    """Column and row of the first cell that shows something; None where none does."""

    decimal: dict[str, tuple[str, int]]
    thousands: dict[str, tuple[str, int]]
    either: dict[str, tuple[str, int]]


def _evidence(columns: Mapping[str, pa.Array]) -> _Evidence:
    """What each mark must be. `1,234` alone shows nothing; `12,5`, `1.234,5` and `1,234,567` do."""
    found = _Evidence({}, {}, {})
    for name, cells in columns.items():
        for mark, other in ((".", ","), (",", ".")):
            if not pc.any(pc.match_substring(cells, mark)).as_py():
                continue
            m, o = _MARKS[mark], _MARKS[other]
            patterns = (
                (found.decimal, rf"{o}[^{m}]*{m}[^{m}{o}]*$|{_SPACES}\d{{3}}{m}\d*$"),
                (found.decimal, rf"^[^{o}{m}]*{m}(\d{{0,2}}|\d{{4,}})([eE][+-]?\d+|[kKmMbBtT])?$"),
                (found.decimal, rf"^([^{o}{m}\d]*0*|[^{o}{m}]*\d{{4,}}){m}\d{{3}}([eE][+-]?\d+|[kKmMbBtT])?$"),
                (found.thousands, rf"{m}[^{o}]*{m}|{m}.*{o}"),
                (found.either, rf"^[^{o}{m}\d]*[1-9]\d{{0,2}}{m}\d{{3}}([kKmMbBtT])?$"),
            )
            for kind, pattern in patterns:
                row = None if mark in kind else _where(cells, pattern)
                if row is not None:
                    kind[mark] = (name, row)
    return found


def recognise_marks(
    columns: Mapping[str, pa.Array], rows: Rows, decimal: str | None, thousands: str | None, point: bool
) -> Marks:
    """The marks of a file's numbers.

    Args:
        columns: cleaned cells by column. rows: where they stand.
        decimal, thousands: as configured, or None.
        point: whether the point is decimal where all cells of a column have it and nothing else is shown.
    Raises: DataError where cells contradict each other, or where two readings fit.
    """
    if decimal is not None:
        return Marks(decimal, thousands or ("," if decimal == "." else "."))
    if thousands in (".", ","):
        return Marks("," if thousands == "." else ".", thousands)
    seen = _evidence(columns)

    def cell(place: tuple[str, int]) -> str:
        return f"{rows.line(place[1])} holds {shown(columns[place[0]][place[1]])}"

    for mark, other in ((".", ","), (",", ".")):
        for first, second in (
            (seen.decimal.get(mark), seen.thousands.get(mark)),
            (seen.decimal.get(mark), seen.decimal.get(other)),
            (seen.thousands.get(mark), seen.thousands.get(other)),
        ):
            if first and second:
                what = f"the numbers contradict each other ({cell(first)}, {cell(second)})"
                raise undecided(rows.name, what, "decimal", f"'{mark}' or '{other}', or correct the cells")
    found = next(iter(seen.decimal), None)
    if found is None and seen.thousands:
        found = "." if "," in seen.thousands else ","
    if found is None and seen.either and not (point and set(seen.either) == {"."} and _fixed_digits(columns)):
        mark, place = next(iter(seen.either.items()))
        text = str(columns[place[0]][place[1]])
        other = "." if mark == "," else ","
        one, thousand = text.replace(mark, "."), text.replace(mark, "")
        what = f"{cell(place)}, which is {one} or {thousand}, and no number in the file decides"
        raise undecided(rows.name, what, "decimal", f"'{mark}' (for {one}) or '{other}' (for {thousand})")
    decimal = found or "."
    other = "," if decimal == "." else "."
    return Marks(decimal, other if other in {*seen.thousands, *seen.either} else None)


def _fixed_digits(columns: Mapping[str, pa.Array]) -> bool:
    """Whether the point stands in every cell of a column or in none, as where prices have a fixed number of digits."""
    for cells in columns.values():
        pointed = pc.match_substring(cells, ".").drop_null()
        if pc.any(pointed).as_py() and not pc.all(pointed).as_py():
            return False
    return True


def read_numbers(cells: pa.Array, column: str, marks: Marks, rows: Rows) -> NDArray[np.float64]:
    """Values [T] of cleaned cells; NaN where a cell is null.

    `$` and such before a price are left out; K, M, B and T behind a volume are 1e3 .. 1e12.

    Raises: DataError with the line and the cell where one is no finite number.
    """
    decimal, group = _MARKS[marks.decimal], _MARKS["," if marks.decimal == "." else "."]
    if pc.all(pc.match_substring_regex(cells, rf"^\d+({decimal}\d*)?$")).as_py():
        return _values(pc.replace_substring(cells, ",", ".") if marks.decimal == "," else cells)
    plain = pc.replace_substring_regex(cells, r"^([+-]?)[$€£¥]\s*", r"\1")
    if column == "volume":
        for unit, power in _UNITS.items():
            plain = pc.replace_substring_regex(plain, rf"(\d)\s?{unit}$", rf"\1{power}")
    grouped = rf"^[+-]?\d{{1,3}}(({group}\d{{3}})+|({_SPACES}\d{{3}})+)({decimal}\d*)?([eE][+-]?\d+)?$"
    is_grouped = pc.match_substring_regex(plain, grouped)
    if pc.any(is_grouped).as_py():
        plain = pc.if_else(is_grouped, pc.replace_substring_regex(plain, rf"{group}|{_SPACES}", ""), plain)
    if marks.decimal == ",":  # a point that is left now stands where none can be
        plain = pc.replace_substring(pc.replace_substring(plain, ".", "?"), ",", ".")
    bad = _first(pc.invert(pc.match_substring_regex(plain, _NUMBER)))
    if bad is not None:
        raise _no_number(cells, column, bad, marks, rows)
    values = _values(plain)
    check_finite(values, cells, column, rows)
    return values


def _values(cells: pa.Array) -> NDArray[np.float64]:
    values: NDArray[np.float64] = pc.cast(cells, pa.float64()).to_numpy(zero_copy_only=False).astype(np.float64)
    return values


def check_finite(values: NDArray[np.float64], cells: pa.Array, column: str, rows: Rows) -> None:
    """Refuse `inf` and `1e999`, which are read as numbers; bars hold none."""
    odd = np.isinf(values)
    if odd.any():
        row = int(odd.argmax())
        raise DataError(
            f"{rows.at(row)}: column {column} holds {shown(cells[row])}, which is no finite number; correct it."
        )


def _no_number(cells: pa.Array, column: str, row: int, marks: Marks, rows: Rows) -> DataError:
    said = "point" if marks.decimal == "." else "comma"
    return DataError(
        f"{rows.at(row)}: column {column} holds {shown(cells[row])}, which is no number with a decimal {said}; "
        "correct the cell, or leave it empty."
    )
