"""Reading and writing of tables and documents: schema checked both ways, the same content always the same bytes.

A file is written under a unique temporary name in its folder and renamed, so that a killed or an orphaned job never
leaves half of it.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from outsample.errors import SchemaError
from outsample.hashing import canonical_json as canonical_json
from outsample.hashing import nan_as_null
from outsample.hashing import sha256_of as sha256_of
from outsample.io.schemas import DOCUMENTS, TABLES, TableSchema

_JSON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
}
_ARROW_TYPES = {
    "string": pa.string(),
    "timestamp[us]": pa.timestamp("us"),
    "float64": pa.float64(),
    "int64": pa.int64(),
    "int32": pa.int32(),
    "bool": pa.bool_(),
}


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path` which takes its place when the block ends well, and vanishes otherwise."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    try:
        yield Path(name)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _arrow_schema(schema: TableSchema, columns: Sequence[str]) -> pa.Schema:
    extra = [c for c in columns if c not in schema.columns]
    types = schema.columns | dict.fromkeys(extra, "float64")
    return pa.schema(
        [pa.field(c, _ARROW_TYPES[t], nullable=c in schema.nullable or c in extra) for c, t in types.items()]
    )


def empty_table(name: str) -> pd.DataFrame:
    """A table of a schema without rows."""
    return _arrow_schema(TABLES[name], list(TABLES[name].columns)).empty_table().to_pandas()


def _check_columns(columns: Sequence[str], schema: TableSchema, name: str, where: str | Path) -> None:
    missing = [c for c in schema.columns if c not in columns]
    unknown = [] if schema.extensible else [c for c in columns if c not in schema.columns]
    if missing or unknown:
        found = f"lacks {', '.join(missing)}" if missing else f"has unexpected {', '.join(unknown)}"
        raise SchemaError(f"{where}: the table {name} {found}; delete the file and run the rule that writes it again.")


def _ascend(frame: pd.DataFrame, keys: Sequence[str]) -> bool:
    """Whether every row comes after the one before it, by its keys; then they are unique, and nothing is to sort."""
    after, equal = np.zeros(max(len(frame) - 1, 0), bool), np.ones(max(len(frame) - 1, 0), bool)
    for key in keys:
        values = frame[key].array
        after |= equal & np.asarray(values[:-1] < values[1:], bool)
        equal &= np.asarray(values[:-1] == values[1:], bool)
    return bool(after.all())


def _check_rows(frame: pd.DataFrame, schema: TableSchema, name: str, where: str | Path) -> None:
    for column in schema.columns:
        if column not in schema.nullable and frame[column].isna().any():
            row = int(frame[column].isna().to_numpy().argmax())
            raise SchemaError(f"{where}: column {column} of the table {name} is empty in row {row}.")
    keys = list(schema.keys)
    if schema.unique and not _ascend(frame, keys) and frame.duplicated(keys).any():
        key = frame.loc[frame.duplicated(keys), keys].iloc[0].to_dict()
        raise SchemaError(f"{where}: the table {name} holds the key {key} twice.")


def _ordered(frame: pd.DataFrame, schema: TableSchema, name: str, where: str | Path) -> pd.DataFrame:
    """The rows sorted by their keys, their columns in the order of the schema, all checked."""
    _check_columns(list(frame.columns), schema, name, where)
    columns = [*schema.columns, *(c for c in frame.columns if c not in schema.columns)]
    if list(frame.columns) != columns:
        frame = frame[columns]
    if not _ascend(frame, schema.keys):
        frame = frame.sort_values(list(schema.keys), kind="stable", ignore_index=True)
    _check_rows(frame, schema, name, where)
    return frame


def _arrow_table(frame: pd.DataFrame, arrow: pa.Schema, name: str, where: str | Path) -> pa.Table:
    try:
        table = pa.Table.from_pandas(frame, arrow, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise SchemaError(f"{where}: the table {name} has a value of the wrong type: {error}") from error
    return table.replace_schema_metadata({"outsample.schema": name})


def _writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """The writer of a file. Floats are split by bytes and dates stored as differences: both pack better than a
    dictionary of values that hardly repeat, in half the time."""
    encodings = {
        pa.float64(): "BYTE_STREAM_SPLIT",
        pa.timestamp("us"): "DELTA_BINARY_PACKED",
    }
    special = {field.name: encodings[field.type] for field in schema if field.type in encodings}
    plain = [field.name for field in schema if field.name not in special]
    return pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=plain, column_encoding=special)


def write_table(frame: pd.DataFrame, path: str | Path, name: str, *, groups: str | None = None) -> None:
    """Write a table sorted by its keys as Parquet; the same rows always give the same bytes.

    Args:
        frame: the rows, in any order.
        path: file to write.
        name: name of the schema in `outsample.io.schemas.TABLES`.
        groups: column whose values get a row group each, so that a reader can take one value alone.
    Raises: SchemaError where a column is missing, unexpected, empty, of the wrong type, or a key is not unique.
    """
    schema = TABLES[name]
    frame = _ordered(frame, schema, name, path)
    table = _arrow_table(frame, _arrow_schema(schema, list(frame.columns)), name, path)
    with replacing(path) as temporary, _writer(temporary, table.schema) as writer:
        if groups is None:
            writer.write_table(table)
        else:
            for _, rows in frame.groupby(groups, sort=True).indices.items():
                writer.write_table(table.slice(int(rows[0]), len(rows)))


@contextmanager
def writing_table(
    path: str | Path, name: str, *, may_be_empty: bool = False
) -> Iterator[Callable[[pd.DataFrame], None]]:
    """Write a table symbol by symbol, so that it need not fit into memory; the file is there when the block ends.

    Args:
        path: file to write.
        name: name of the schema in `outsample.io.schemas.TABLES`; `symbol` is the first of its keys.
        may_be_empty: whether a table without rows is one, and a symbol may have none.
    Returns: a function that takes the rows of one symbol, which get row groups of their own; symbols ascend.
    Raises: SchemaError as `write_table`, and where a symbol does not come after the one before it, or none came.
    """
    schema, last = TABLES[name], ""
    with replacing(path) as temporary, ExitStack() as stack:
        writer: pq.ParquetWriter | None = None

        def write(rows: pd.DataFrame) -> None:
            nonlocal writer, last
            if may_be_empty and rows.empty:
                return
            frame = _ordered(rows, schema, name, path)
            first, end = (str(frame["symbol"].iloc[i]) for i in (0, -1))
            if first != end or first <= last:
                raise SchemaError(f"{path}: the table {name} is written symbol by symbol, but {end} follows {last}.")
            arrow = _arrow_schema(schema, list(frame.columns))
            table = _arrow_table(frame, arrow, name, path)
            if writer is None:
                writer = stack.enter_context(_writer(temporary, table.schema))
            writer.write_table(table)
            last = end

        yield write
        if writer is None and not may_be_empty:
            raise SchemaError(f"{path}: the table {name} has no rows.")
        if writer is None:
            arrow = _arrow_schema(schema, list(schema.columns)).with_metadata({"outsample.schema": name})
            pq.write_table(arrow.empty_table(), temporary, compression="zstd")


def read_symbols(
    path: str | Path, name: str, columns: Sequence[str] | None = None
) -> Iterator[tuple[str, pd.DataFrame]]:
    """The rows of each symbol in turn, only one symbol in memory.

    Args:
        path: file to read, sorted by symbol.
        name: name of the schema in `outsample.io.schemas.TABLES`.
        columns: columns to read beside `symbol`; None reads and checks all.
    Raises: SchemaError as `read_table`.
    """
    schema = TABLES[name]
    _check_types(path, name)
    held: list[pa.Table] = []
    symbol = ""
    with pq.ParquetFile(path, read_dictionary=["symbol"]) as file:
        for group in range(file.num_row_groups):
            # One thread: whoever reads may have other work for the other cores, and a job only has those it asked for.
            table = file.read_row_group(group, None if columns is None else ["symbol", *columns], use_threads=False)
            if table["symbol"].null_count:
                raise SchemaError(f"{path}: column symbol of the table {name} is empty in some rows.")
            for found, part in _runs(table):
                if held and found != symbol:
                    yield symbol, _joined(held, symbol, schema, name, path)
                    held = []
                if found < symbol:
                    raise SchemaError(
                        f"{path}: the table {name} is not sorted by symbol, for {found} follows {symbol}; "
                        "delete the file and run its rule again."
                    )
                symbol = found
                held.append(part)
        if held:
            yield symbol, _joined(held, symbol, schema, name, path)


def _runs(table: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """Each run of rows of one symbol, whose column is dictionary-encoded and left out: as text it costs most."""
    symbols = table["symbol"].unify_dictionaries().combine_chunks()
    codes = symbols.indices.to_numpy()
    starts = [0, *(np.flatnonzero(codes[1:] != codes[:-1]) + 1).tolist()] if len(codes) else []
    rest = table.drop_columns("symbol")
    for start, end in pairwise([*starts, len(codes)]):
        yield symbols[start].as_py(), rest.slice(start, end - start)


def _joined(parts: list[pa.Table], symbol: str, schema: TableSchema, name: str, where: str | Path) -> pd.DataFrame:
    frame = pa.concat_tables(parts).to_pandas(split_blocks=True)
    frame.insert(0, "symbol", symbol)
    if set(schema.columns) <= set(frame.columns):
        _check_rows(frame, schema, name, where)
    return frame


def _check_types(path: str | Path, name: str) -> None:
    """Refuse a file that is no Parquet of this schema, by its footer alone."""
    schema = TABLES[name]
    try:
        found = pq.read_schema(path)
    except (pa.ArrowInvalid, FileNotFoundError) as error:
        raise SchemaError(f"{path}: not readable as the table {name}: {error}") from error
    _check_columns(found.names, schema, name, path)
    expected = _arrow_schema(schema, found.names)
    wrong = [c for c in found.names if found.field(c).type != expected.field(c).type]
    if wrong:
        raise SchemaError(
            f"{path}: column {wrong[0]} is of type {found.field(wrong[0]).type}, not of "
            f"{expected.field(wrong[0]).type}; delete the file and run its rule again."
        )


def write_csv(frame: pd.DataFrame, path: str | Path) -> None:
    """Write a small table as comma-separated text for people and other programs; no rule reads it.

    Args: frame: the rows, in the order in which they are written; floats keep all their digits.
    """
    with replacing(path) as temporary:
        frame.to_csv(temporary, index=False, lineterminator="\n")


def read_table(path: str | Path, name: str, **filters: Any) -> pd.DataFrame:
    """Read a table and check it against its schema.

    Args:
        path: file to read.
        name: name of the schema in `outsample.io.schemas.TABLES`.
        filters: column=value; only these rows are read.
    Raises: SchemaError where the file is no Parquet or does not fit its schema.
    """
    schema = TABLES[name]
    _check_types(path, name)
    table = pq.read_table(path, filters=[(c, "=", v) for c, v in filters.items()] or None)
    frame = table.to_pandas()
    _check_rows(frame, schema, name, path)
    return frame


def read_joined(paths: Iterable[str | Path], name: str) -> pd.DataFrame:
    """The rows of several files of one table, one file after the other; see `read_table`."""
    return pd.concat([read_table(path, name) for path in paths], ignore_index=True)


def _check_document(content: dict[str, Any], name: str, where: str | Path) -> None:
    schema = DOCUMENTS[name]
    for key in [*schema, *content]:
        if key not in content:
            raise SchemaError(f"{where}: the document {name} lacks {key}; delete it and run its rule again.")
        if key not in schema:
            raise SchemaError(f"{where}: the document {name} has the unexpected key {key}.")
        kind, value = schema[key], content[key]
        fits = isinstance(value, _JSON_TYPES[kind.rstrip("?")]) or (kind.endswith("?") and value is None)
        if not fits or (isinstance(value, bool) and kind != "boolean"):
            raise SchemaError(f"{where}: {key} of the document {name} is {value!r}, not of type {kind.rstrip('?')}.")


def write_json(content: dict[str, Any], path: str | Path, name: str) -> None:
    """Write a document, indented, keys in the order of its schema, NaN as null.

    Raises: SchemaError where a key is missing, unexpected or of the wrong type.
    """
    _check_document(content, name, path)
    ordered = {key: content[key] for key in DOCUMENTS[name]}
    text = json.dumps(nan_as_null(ordered), indent=2, ensure_ascii=False, allow_nan=False)
    with replacing(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def read_json(path: str | Path, name: str) -> dict[str, Any]:
    """Read a document and check it against its schema.

    Raises: SchemaError where the file is no JSON or does not fit.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SchemaError(f"{path}: not readable as the document {name}: {error}") from error
    if not isinstance(content, dict):
        raise SchemaError(f"{path}: the document {name} must be a JSON object.")
    _check_document(content, name, path)
    return content


def sha256_file(path: str | Path) -> str:
    """Hex sha256 of a file's bytes."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
