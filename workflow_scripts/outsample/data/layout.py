"""What was recognised in a file of bars, and the refusal of what two readings fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from outsample.errors import DataError

FORMAT_KEY = "data.source.format"
_SHOWN = 60  # letters of a cell that a sentence quotes


@dataclass(frozen=True)
class Layout:
    """How a file was read. None where a question does not arise, as the separator of a Parquet file."""

    columns: dict[str, str]  # ours -> theirs
    encoding: str | None = None
    compression: str | None = None
    separator: str | None = None
    header_line: int | None = None  # from 1
    decimal: str | None = None
    thousands: str | None = None
    dates: str = "yyyy-mm-dd"
    timezone: str = "as in the file"
    order: str = "ascending"
    symbols: tuple[str, ...] = ()  # of the column symbol
    notes: tuple[str, ...] = ()  # sentences on what is unusual

    def noting(self, *notes: str) -> Layout:
        """The layout with further notes."""
        return replace(self, notes=(*self.notes, *notes))

    def describe(self) -> dict[str, Any]:
        """The layout as it stands in the manifest: what arises in this file, in a fixed order."""
        values = {
            "encoding": self.encoding,
            "compression": self.compression,
            "separator": {"\t": "tab"}.get(self.separator or "", self.separator),
            "header_line": self.header_line,
            "columns": self.columns,
            "decimal": self.decimal,
            "thousands": self.thousands,
            "dates": self.dates,
            "timezone": self.timezone,
            "order": self.order,
            "symbols": list(self.symbols[:20]),
            "notes": list(self.notes),
        }
        return {name: value for name, value in values.items() if value not in (None, [])}


@dataclass(frozen=True)
class Rows:
    """Where the rows of a file stand, for sentences: `line` gives the line, or the row, of a row of data from 0."""

    name: str
    line: Callable[[int], str]

    def at(self, row: int) -> str:
        return f"{self.name}, {self.line(row)}"


@dataclass(frozen=True)
class Parsed:
    """All rows of a file in their order: date, open, high, low, close, volume, adj_close and maybe symbol."""

    frame: pd.DataFrame
    layout: Layout
    rows: Rows


def shown(cell: object) -> str:
    """A cell in quotes, cut where it is long."""
    text = str(cell)
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…")


def undecided(where: str, what: str, key: str, values: str) -> DataError:
    """The refusal of what has two readings: what they are, and the key that decides."""
    return DataError(f"{where}: {what}; set {FORMAT_KEY}.{key} to {values}.")
