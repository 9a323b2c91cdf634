"""From the cells of a file to bars: numbers and dates are read, a symbol's rows are taken, oldest first."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from outsample.config.files import FileFormat
from outsample.data.columns import NUMBERS
from outsample.data.dates import day_text, first_disorder
from outsample.data.layout import Layout, Parsed, Rows
from outsample.data.numbers import read_numbers, recognise_marks
from outsample.data.stamps import ADVICE, read_stamps
from outsample.errors import DataError

_OHLC = ("open", "high", "low")


def read_cells(cells: Mapping[str, pa.Array], layout: Layout, rows: Rows, form: FileFormat) -> Parsed:
    """Numbers and dates of cleaned text cells, by column.

    Raises: DataError with the line and the cell where one cannot be read, or where two readings fit.
    """
    dates = cells["date"]
    if "time" in cells:
        dates = pc.binary_join_element_wise(dates, _clock(cells["time"]), " ")
    stamps = read_stamps(dates, form, rows)
    numbers = {c: column for c, column in cells.items() if c in NUMBERS}
    point = layout.separator == "," or any(theirs.startswith("<") for theirs in layout.columns.values())
    marks = recognise_marks(numbers, rows, form.decimal, form.thousands, point)
    values: dict[str, Any] = {"date": stamps.moments}
    for column in NUMBERS:
        values[column] = read_numbers(numbers[column], column, marks, rows) if column in numbers else np.nan
    frame = pd.DataFrame(values)
    if "symbol" in cells:
        frame["symbol"] = cells["symbol"].to_pandas()
        layout = replace(layout, symbols=tuple(pc.unique(cells["symbol"].drop_null()).to_pylist()))
    layout = replace(
        layout, decimal=marks.decimal, thousands=marks.thousands, dates=stamps.dates, timezone=stamps.timezone
    )
    return Parsed(frame, layout, rows)


def _clock(cells: pa.Array) -> pa.Array:
    """Times of day with colons: 9:30, 093000 and 930 alike."""
    digits = pc.match_substring_regex(cells, r"^\d{1,6}$")
    filled = pc.if_else(pc.greater(pc.utf8_length(cells), 4), pc.utf8_lpad(cells, 6, "0"), pc.utf8_lpad(cells, 4, "0"))
    coloned = pc.replace_substring_regex(filled, r"^(\d{2})(\d{2})(\d{2})?$", r"\1:\2:\3")
    return pc.if_else(digits, pc.replace_substring_regex(coloned, ":$", ""), cells)


def rows_of(
    parsed: Parsed, symbol: str | None, form: FileFormat, closes_only: bool = False
) -> tuple[pd.DataFrame, Layout]:
    """The bars of one symbol, oldest first, and how they were read.

    Args:
        parsed: the rows of the file. symbol: whose rows are meant; None where the file can have one symbol only.
        form: what the configuration decides. closes_only: open, high and low are set to the close.
    Raises: DataError where the symbol has no rows, or the dates are empty, in no order, or twice there with different
        bars.
    """
    frame, places = _of_symbol(parsed, symbol)
    dates = frame["date"].to_numpy()
    newest_first = _newest_first(dates, form.order)
    if newest_first:
        frame, places = frame.iloc[::-1].reset_index(drop=True), places[::-1]
    _check_order(frame, places, parsed.rows, newest_first)
    layout = replace(parsed.layout, order="descending" if newest_first else "ascending")
    if newest_first:
        layout = layout.noting("rows are newest first; they are turned round")
    if closes_only:
        frame = frame.assign(**dict.fromkeys(_OHLC, frame["close"]))
        layout = layout.noting("closes only: open, high and low are set to the close")
        if frame["volume"].isna().all():
            frame["volume"] = 0.0
            layout = layout.noting("the volume is not known and set to 0")
    return frame[["date", *NUMBERS]], layout


def _of_symbol(parsed: Parsed, symbol: str | None) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """The rows of one symbol, and their places in the file."""
    frame, rows = parsed.frame, parsed.rows
    every = np.arange(len(frame))
    if "symbol" not in frame or len(parsed.layout.symbols) <= 1:
        return frame, every
    empty = frame["symbol"].isna().to_numpy()
    if empty.any():
        raise DataError(f"{rows.at(int(empty.argmax()))}: the symbol is empty; complete it, or delete the line.")
    there = parsed.layout.symbols
    listed = ", ".join(there[:8]) + (", …" if len(there) > 8 else "")
    if symbol not in there:
        if symbol is None:
            raise DataError(f"{rows.name}: the file has rows of {len(there)} symbols ({listed}); say which.")
        close = difflib.get_close_matches(symbol, there, n=1)
        meant = f"did you mean {close[0]}?" if close else "correct data.symbols."
        raise DataError(f"{rows.name}: no row is of symbol {symbol} (there are {listed}); {meant}")
    kept = np.flatnonzero((frame["symbol"] == symbol).to_numpy())
    return frame.iloc[kept].reset_index(drop=True), kept


def _newest_first(dates: NDArray[np.datetime64], order: str | None) -> bool:
    """Whether most dates are earlier than the one before."""
    if order is not None:
        return order == "descending"
    steps = np.sign(np.diff(dates[~np.isnat(dates)]).astype(np.int64))
    return bool((steps < 0).sum() > (steps > 0).sum())


def _check_order(frame: pd.DataFrame, places: NDArray[np.int64], rows: Rows, newest_first: bool) -> None:
    """A row that equals the one before it passes: validation refuses it, or merges the two where it is asked to."""
    if first_disorder(frame["date"].to_numpy()) is None:
        return
    values = frame[["date", *NUMBERS]]
    same = (values == values.shift()) | (values.isna() & values.shift().isna()).assign(date=False)
    distinct = np.flatnonzero(~same.all(axis=1))
    dates, places = frame["date"].to_numpy()[distinct], places[distinct]
    disorder = first_disorder(dates)
    if disorder is None:
        return
    index, kind = disorder
    at = rows.at(int(places[index]))
    if kind == "empty":
        raise DataError(f"{at}: the date is empty; {ADVICE}, or delete the line.")
    day, before = day_text(dates[index]), day_text(dates[index - 1])
    if kind == "duplicate":
        raise DataError(f"{at}: the date {day} is there twice; keep one row of that date.")
    if newest_first:
        raise DataError(f"{at}: the date {day} comes before {before} in a file that is newest first; sort it by date.")
    raise DataError(f"{at}: the date {day} comes after {before}; sort the file by date ascending.")
