"""Sources of bars behind one small interface, and `read_bars`, which asks the source of an experiment for its symbols.

A source hands over bars as they came: it refuses what it cannot read, and judges nothing else. Judging is the work of
`outsample.data.validate`. A new kind of source is a settings block in `outsample.config.data`, a class with the
methods of `Source`, and a line in `SOURCES`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from outsample.config.data import Data
from outsample.data.csv_source import CsvBars
from outsample.data.dates import day_text
from outsample.data.simulated_source import SimulatedBars
from outsample.errors import DataError
from outsample.hashing import sha256_frame


class Source(Protocol):
    """Where bars come from."""

    simulated: bool

    def read(self, symbol: str) -> pd.DataFrame:
        """Bars of one symbol in ascending dates: date, open, high, low, close, volume and adj_close (null: unknown).

        Raises: DataError where they cannot be read.
        """

    def describe(self) -> dict[str, Any]:
        """The source as it stands in the manifest: its kind and its settings."""

    def where(self, symbol: str) -> str:
        """The words by which an error names the bars of a symbol: its file, as the configuration has it."""

    def fingerprint(self, symbol: str) -> tuple[str | None, str | None]:
        """File of a symbol, as the configuration has it, and the sha256 of its bytes; (None, None) without a file."""


SOURCES: dict[str, Callable[[Any, Path], Source]] = {"csv": CsvBars, "simulated": SimulatedBars}


def open_source(data: Data, root: Path = Path()) -> Source:
    """The source of `data`; `root` is the folder to which its paths are relative."""
    return SOURCES[data.source.kind](data.source, root)


def read_bars(data: Data, root: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Read the bars of every symbol of an experiment as they came.

    Args:
        data: the block `data` of the configuration. Its `start`, `end` and `calendar` are not used here.
        root: folder to which the paths of the configuration are relative.
    Returns: the table `bars` (sorted by symbol and date) and the document `bars_manifest`; a symbol without a file
        has the sha256 of its bars instead of the file's.
    Raises: DataError where a symbol has no bars or its bars cannot be read.
    """
    source = open_source(data, root)
    _check_files(source, data)
    frames: list[pd.DataFrame] = []
    symbols: dict[str, dict[str, Any]] = {}
    for symbol in sorted(data.symbols):
        bars = source.read(symbol)
        file, sha256 = source.fingerprint(symbol)
        symbols[symbol] = {
            "file": file,
            "rows": len(bars),
            "first": day_text(bars["date"].iloc[0]),
            "last": day_text(bars["date"].iloc[-1]),
            "sha256": sha256 or sha256_frame(bars),
        }
        bars.insert(0, "symbol", symbol)
        frames.append(bars)
    table = pd.concat(frames, ignore_index=True)
    manifest = {
        "source": source.describe(),
        "simulated": source.simulated,
        "symbols": symbols,
        "sha256": sha256_frame(table),
    }
    return table, manifest


def _check_files(source: Source, data: Data) -> None:
    """Two symbols must not share a file: the path would lack {symbol}, and one series would be traded twice."""
    seen: dict[str, str] = {}
    for symbol in data.symbols:
        where = source.where(symbol)
        if where in seen:
            raise DataError(
                f"data.source.path: {where} is the file of {seen[where]} and of {symbol}; write {{symbol}} in the path."
            )
        seen[where] = symbol
