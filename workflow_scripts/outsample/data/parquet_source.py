"""Bars from a Parquet file; columns are recognised by their names as in a CSV file, dates and numbers may be typed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from outsample.config.files import FileFormat
from outsample.data.columns import NUMBERS, match
from outsample.data.layout import Layout, Parsed, Rows
from outsample.data.numbers import clean
from outsample.data.stamps import Stamps, localise, read_stamps
from outsample.data.table import read_cells
from outsample.errors import DataError


def parse_parquet(source: Path | bytes, name: str, form: FileFormat, closes_only: bool, symbol: str | None) -> Parsed:
    """The rows of a Parquet file, in its order; of a file of many symbols, those of one, row group by row group.

    Args:
        source: the file, or its bytes. name: what errors call it. form, closes_only: as configured.
        symbol: whose rows are read where the file has several; None reads all.
    Raises: DataError where the file is no Parquet, or its columns, dates or numbers cannot be read.
    """
    try:
        with pq.ParquetFile(pa.BufferReader(source) if isinstance(source, bytes) else source) as file:
            return _parse(file, name, form, closes_only, symbol)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(f"{name}: not readable as Parquet ({str(error).splitlines()[0]}); write it again.") from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise DataError(f"{name}: not readable as Parquet, cut or damaged; write it again.") from error


def _parse(file: pq.ParquetFile, name: str, form: FileFormat, closes_only: bool, symbol: str | None) -> Parsed:
    header = file.schema_arrow.names
    columns = match(header, [], name, form.columns, closes_only)
    wanted = {ours: header[place] for ours, place in columns.places.items()}
    symbols = _symbols(file, wanted["symbol"]) if "symbol" in wanted else ()
    groups = list(_groups(file, wanted, symbol if len(symbols) > 1 and symbol in symbols else None))
    table = pa.concat_tables(groups) if groups else file.schema_arrow.empty_table().select(list(wanted.values()))
    if table.num_rows == 0:
        raise DataError(f"{name}: the file has no rows; it needs one row a bar.")
    rows = Rows(name, lambda row: f"row {row + 1}")
    cells = {ours: _column(table, theirs, name) for ours, theirs in wanted.items()}
    layout = Layout(columns=wanted, notes=columns.notes)
    texts = {ours: clean(cells[ours]) for ours in cells if pa.types.is_string(cells[ours].type)}
    typed = {ours: column for ours, column in cells.items() if ours not in texts}
    return _assemble(texts, typed, layout, rows, form, symbols)


def _column(table: pa.Table, theirs: str, name: str) -> pa.Array:
    """A column as one array, dictionaries and other texts as plain text."""
    column = table[theirs].combine_chunks()
    if pa.types.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    if pa.types.is_large_string(column.type) or pa.types.is_string_view(column.type):
        column = pc.cast(column, pa.string())
    known = (pa.types.is_floating, pa.types.is_integer, pa.types.is_decimal, pa.types.is_temporal, pa.types.is_string)
    if not any(test(column.type) for test in known) and not pa.types.is_null(column.type):
        raise DataError(f"{name}: column {theirs!r} is of type {column.type}, which holds no dates and no numbers.")
    return column


def _symbols(file: pq.ParquetFile, column: str) -> tuple[str, ...]:
    """Distinct symbols, in the order in which they come."""
    found: dict[str, None] = {}
    for group in range(file.num_row_groups):
        values = file.read_row_group(group, [column])[column].unique().to_pylist()
        found |= dict.fromkeys(str(v) for v in values if v is not None)
    return tuple(found)


def _groups(file: pq.ParquetFile, wanted: dict[str, str], symbol: str | None) -> Iterator[pa.Table]:
    """The wanted columns of each row group, only the rows of a symbol where one is given."""
    columns = list(wanted.values())
    for group in range(file.num_row_groups):
        table = file.read_row_group(group, columns)
        if symbol is not None:
            table = table.filter(pc.equal(pc.cast(table[wanted["symbol"]], pa.string()), symbol))
        if table.num_rows:
            yield table


def _assemble(
    texts: dict[str, pa.Array],
    typed: dict[str, pa.Array],
    layout: Layout,
    rows: Rows,
    form: FileFormat,
    symbols: tuple[str, ...],
) -> Parsed:
    """Typed columns as they are, and text as that of a CSV file."""
    count = len(next(iter({**texts, **typed}.values())))
    stamps = None if "date" in texts else _typed_stamps(typed["date"], form, rows)
    given = texts if stamps is None else texts | {"date": pa.nulls(count, pa.string())}
    given = {c: column for c, column in given.items() if c != "time" or stamps is None}
    parsed = read_cells(given, layout, rows, form)
    frame = parsed.frame
    details = {"symbols": symbols, "decimal": parsed.layout.decimal if set(texts) & set(NUMBERS) else None}
    if stamps is not None:
        frame["date"] = stamps.moments
        details |= {"dates": stamps.dates, "timezone": stamps.timezone}
    for column in NUMBERS:
        if column in typed:
            values = pc.cast(typed[column], pa.float64(), safe=False).to_numpy(zero_copy_only=False)
            odd = np.isinf(values)
            if odd.any():
                raise DataError(f"{rows.at(int(odd.argmax()))}: column {column} is infinite; correct it.")
            frame[column] = values
    if "symbol" in typed:
        frame["symbol"] = pd.Series(pc.cast(typed["symbol"], pa.string()).to_pandas())
    return Parsed(frame, Layout(**{**vars(parsed.layout), **details}), rows)


def _typed_stamps(column: pa.Array, form: FileFormat, rows: Rows) -> Stamps:
    """Moments of a column of dates, of moments, or of numbers since 1970."""
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        whole = pc.cast(column, pa.int64(), safe=False)
        return read_stamps(pc.cast(whole, pa.string()), form, rows)
    if not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        raise DataError(f"{rows.name}: the column of dates is of type {kind}; write it as a date, a moment or text.")
    moments = pc.cast(column, pa.timestamp("us", getattr(kind, "tz", None)), safe=False)
    values = pc.cast(moments, pa.timestamp("us")).to_numpy(zero_copy_only=False)
    if getattr(kind, "tz", None) is None:
        return Stamps(values, "typed", "as in the file")
    return localise(values, form, rows)
