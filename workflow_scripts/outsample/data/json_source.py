"""Bars from JSON: a list of records, an object with a record under each date, or an object of lists.

Paths name a place in the document: names and [places] joined by dots, names with dots or blanks in double quotes.
"""

from __future__ import annotations

import datetime
import json
import math
import re
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from outsample.config.remote import Answers
from outsample.data.csv_text import EMPTY, NUMBER, OPTIONAL, REQUIRED
from outsample.errors import DataError

KEY = "$key"  # column path of the name under which a record stands
_STEP = re.compile(r'"([^"]*)"|\[(\d+)\]|([^.\[\]"]+)')
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_SHOWN = 60


def load(raw: bytes, name: str) -> Any:
    """The document in UTF-8 bytes of JSON.

    Raises: DataError where it is none, or a name stands twice in one object: one of the two would be lost.
    """
    try:
        return json.loads(raw.decode("utf-8-sig"), object_pairs_hook=_object, parse_constant=_no_number)
    except ValueError as error:
        raise DataError(f"{name}: not readable as JSON ({str(error).splitlines()[0]}).") from error
    except RecursionError as error:
        raise DataError(f"{name}: not readable as JSON (objects stand too deep in each other).") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [key for key, _ in pairs]
        raise ValueError(f"the name {next(k for k in names if names.count(k) > 1)!r} stands twice in one object")
    return found


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")


def steps(path: str) -> list[str | int]:
    """The steps of a path.

    >>> steps('chart.result[0]."Time Series (Daily)"')
    ['chart', 'result', 0, 'Time Series (Daily)']
    """
    return [int(m[2]) if m[2] else m[1] if m[1] is not None else m[3] for m in _STEP.finditer(path)]


def follow(value: Any, path: str) -> Any:
    """What stands at a path, or None where nothing does.

    >>> follow({"a": [{"b.c": 5}]}, 'a[0]."b.c"')
    5
    """
    for step in steps(path):
        if isinstance(value, dict) and str(step) in value:
            value = value[str(step)]
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return None
    return value


def has(value: Any, path: str) -> bool:
    """Whether something, a null perhaps, stands at a path."""
    *above, last = steps(path) or [""]
    if not path:
        return True
    for step in above:
        value = follow(value, f'"{step}"' if isinstance(step, str) else f"[{step}]")
    if isinstance(value, dict):
        return str(last) in value
    return isinstance(value, list) and isinstance(last, int) and last < len(value)


def parse_json(raw: bytes, name: str, settings: Answers) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Bars from the bytes of a JSON document.

    Args:
        raw: UTF-8 bytes.
        name: what errors call the document.
        settings: `records`, `columns`, `epoch` and `format.timezone` count.
    Returns: bars in the order of the document, columns as `outsample.data.csv_source.parse_csv` gives them, no rows
        where there are no records; and the names that its records use, sorted.
    Raises: DataError with the place where something cannot be read.
    """
    document = load(raw, name)
    if not has(document, settings.records):
        raise DataError(
            f"{name}: nothing stands at {settings.records!r}; it begins with {_short(document)}; correct "
            "data.source.records."
        )
    found = follow(document, settings.records)
    keyed, records = _records(found, name, settings)
    if not records:
        return pd.DataFrame({c: _empty(c) for c in (*REQUIRED, *OPTIONAL)}), ()
    columns: dict[str, Any] = {}
    for column, place in settings.columns.items():
        cells = [_cell(record, place, f"{name}, record {i}", column) for i, record in enumerate(records)]
        if column == "date":
            columns[column] = np.array(
                [_moment(c, f"{name}, record {i}", settings) for i, c in enumerate(cells)], dtype="datetime64[us]"
            )
        else:
            columns[column] = np.array([_number(c, f"{name}, record {i}", column) for i, c in enumerate(cells)])
    frame = pd.DataFrame({c: columns.get(c, np.nan) for c in (*REQUIRED, *OPTIONAL)})
    return frame, _shape(records, keyed)


def _empty(column: str) -> np.ndarray:
    return np.array([], dtype="datetime64[us]" if column == "date" else "float64")


def _records(found: Any, name: str, settings: Answers) -> tuple[bool, list[Any]]:
    """The records, and whether each has the name under which it stands as $key."""
    where = f"{name}: what stands at {settings.records!r}"
    if found is None or found == [] or found == {}:
        return False, []
    if isinstance(found, list):
        odd = next((r for r in found if not isinstance(r, (dict, list))), None)
        if odd is not None:
            raise DataError(
                f"{where} is a list that holds {_short(odd)}, which is no record; correct data.source.records."
            )
        return False, found
    if isinstance(found, dict) and all(isinstance(r, (dict, list)) for r in found.values()):
        if all(isinstance(r, dict) for r in found.values()) and KEY in settings.columns.values():
            return True, [record | {KEY: key} for key, record in found.items()]
        return False, _rows_of_lists(found, where, settings)
    if isinstance(found, dict):
        return False, _rows_of_lists(found, where, settings)
    raise DataError(f"{where} is {_short(found)}, which holds no records; correct data.source.records.")


def _rows_of_lists(found: dict[str, Any], where: str, settings: Answers) -> list[Any]:
    """Records of an object of lists: the n-th record holds the n-th value of each column's list."""
    lists = {}
    for column, place in settings.columns.items():
        values = follow(found, str(place))
        if not isinstance(values, list):
            raise DataError(f"{where} holds no list at {place!r}; correct data.source.columns.{column}.")
        lists[str(place)] = values
    lengths = {place: len(values) for place, values in lists.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{place} {length}" for place, length in lengths.items())
        raise DataError(f"{where} holds lists of different lengths ({told}); the answer is damaged.")
    return [_Row(zip(lists, values, strict=True)) for values in zip(*lists.values(), strict=True)]


class _Row(dict[str, Any]):
    """One record of an object of lists: its names are whole paths."""


def _cell(record: Any, place: str | int, where: str, column: str) -> Any:
    if isinstance(record, _Row) or place == KEY:
        return record.get(str(place)) if isinstance(record, dict) else None
    if isinstance(record, list):
        if isinstance(place, int) and 0 <= place < len(record):
            return record[place]
    elif isinstance(place, str):
        if place in record:
            return record[place]
        if has(record, place):
            return follow(record, place)
    raise DataError(f"{where}: nothing stands at {place!r} in {_short(record)}; correct data.source.columns.{column}.")


def _number(cell: Any, where: str, column: str) -> float:
    if cell is None or (isinstance(cell, str) and cell.strip() in EMPTY):
        return math.nan
    number = isinstance(cell, (int, float)) and not isinstance(cell, bool)
    if number or (isinstance(cell, str) and NUMBER.fullmatch(cell)):
        value = float(cell) if not isinstance(cell, int) or abs(cell) < 2**1000 else math.inf
        if math.isfinite(value):
            return value
    raise DataError(f"{where}: column {column} holds {_short(cell)}, which is no finite number.")


def _moment(cell: Any, where: str, settings: Answers) -> datetime.datetime:
    """A date as the clock of the time zone shows it, without a zone."""
    number = isinstance(cell, (int, float)) and not isinstance(cell, bool)
    if isinstance(cell, str) and settings.epoch and cell.strip().isdigit():
        cell, number = int(cell), True
    zone = ZoneInfo(settings.format.timezone or "UTC")
    try:
        if number and settings.epoch:
            micro = (
                int(cell * (1_000_000 / _PER_SECOND[settings.epoch])) if settings.epoch != "ns" else int(cell) // 1000
            )
            return (_EPOCH + datetime.timedelta(microseconds=micro)).astimezone(zone).replace(tzinfo=None)
        if number:
            seconds, milli = (_EPOCH + datetime.timedelta(seconds=cell / scale) for scale in (1, 1000))
            raise DataError(
                f"{where}: the date is {cell}, {seconds:%Y-%m-%d} in seconds or {milli:%Y-%m-%d} in milliseconds; set "
                "data.source.epoch."
            )
        moment = datetime.datetime.fromisoformat(cell.strip()) if isinstance(cell, str) else None
    except (ValueError, OverflowError):
        moment = None
    if moment is None:
        raise DataError(f"{where}: the date is {_short(cell)}, which is no ISO date; correct data.source.columns.date.")
    return moment.astimezone(zone).replace(tzinfo=None) if moment.tzinfo else moment


def _shape(records: list[Any], keyed: bool) -> tuple[str, ...]:
    if isinstance(records[0], list):
        return tuple(sorted({f"{len(r)} places" if isinstance(r, list) else "names" for r in records}))
    names = {name for record in records if isinstance(record, dict) for name in record}
    return tuple(sorted(names - {KEY} if keyed else names))


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
