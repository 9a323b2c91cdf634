"""Sources of bars behind one small interface, and `read_symbols`, which asks the source of an experiment for them.

A source hands over bars as they came: it refuses what it cannot read, and judges nothing else. Judging is the work of
`outsample.data.validate`. A new kind of source is a settings block in `outsample.config.data`, a class with the
methods of `Source`, and a line in `SOURCES`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from outsample.config.data import Data
from outsample.data.dates import day_text
from outsample.data.file_source import FileBars
from outsample.data.package_source import PackageBars
from outsample.data.simulated_source import SimulatedBars
from outsample.data.stored_source import StoredBars
from outsample.errors import DataError
from outsample.hashing import sha256_frame, sha256_of


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

    def provenance(self, symbol: str) -> dict[str, Any]:
        """What the manifest tells beside that of a symbol that was read: its files, and how they were read."""


SOURCES: dict[str, Callable[[Any, Path], Source]] = {
    "csv": FileBars,
    "parquet": FileBars,
    "package": PackageBars,
    "simulated": SimulatedBars,
    "http": StoredBars,
    "url": StoredBars,
    "yfinance": StoredBars,
}


class SeveralSources:
    """The source of `data.source`, and in its place that of `data.sources` for the symbols named there."""

    def __init__(self, data: Data, root: Path) -> None:
        self._default = SOURCES[data.source.kind](data.source, root)
        self._others = {s: SOURCES[block.kind](block, root) for s, block in data.sources.items()}
        used = [self._of(symbol) for symbol in data.read_symbols]
        self.simulated = any(source.simulated for source in used)

    def _of(self, symbol: str) -> Source:
        return self._others.get(symbol, self._default)

    def where(self, symbol: str) -> str:
        return self._of(symbol).where(symbol)

    def describe(self) -> dict[str, Any]:
        others = {symbol: source.describe() for symbol, source in sorted(self._others.items())}
        return self._default.describe() | ({"sources": others} if others else {})

    def fingerprint(self, symbol: str) -> tuple[str | None, str | None]:
        return self._of(symbol).fingerprint(symbol)

    def provenance(self, symbol: str) -> dict[str, Any]:
        source = self._of(symbol)
        own = {"source": source.describe()} if symbol in self._others else {}
        return own | source.provenance(symbol)

    def read(self, symbol: str) -> pd.DataFrame:
        return self._of(symbol).read(symbol)


def open_source(data: Data, root: Path = Path()) -> SeveralSources:
    """The sources of `data`; `root` is the folder to which their paths are relative."""
    return SeveralSources(data, root)


def read_symbols(data: Data, root: Path) -> Iterator[tuple[pd.DataFrame, dict[str, Any]]]:
    """Read the bars of each symbol of an experiment as they came, in the order of the symbols' names.

    Args:
        data: the block `data` of the configuration. Its `start`, `end` and `calendar` are not used here.
        root: folder to which the paths of the configuration are relative.
    Returns: rows of the table `bars`, sorted by date, and the symbol's entry in the document `bars_manifest`; a symbol
        without a file has the sha256 of its bars instead of the file's.
    Raises: DataError where a symbol has no bars or its bars cannot be read.
    """
    source = open_source(data, root)
    read: dict[str, tuple[str, str]] = {}
    for symbol in data.read_symbols:
        bars = source.read(symbol)
        file, sha256 = source.fingerprint(symbol)
        bars_sha256 = sha256_frame(bars)
        _refuse_shared(source.where(symbol), symbol, bars_sha256, read)
        entry = {
            "file": file,
            "rows": len(bars),
            "first": day_text(bars["date"].iloc[0]),
            "last": day_text(bars["date"].iloc[-1]),
            "sha256": sha256 or bars_sha256,
            "bars_sha256": bars_sha256,
            "adjustment_known": bool(bars["adj_close"].notna().any()),
            **source.provenance(symbol),
        }
        bars.insert(0, "symbol", symbol)
        yield bars, entry


def manifest_of(data: Data, entries: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The document `bars_manifest` from its entries, symbol -> what `read_symbols` gave beside its bars."""
    source = open_source(data)
    return {
        "source": source.describe(),
        "simulated": source.simulated,
        "symbols": entries,
        "sha256": sha256_of({symbol: entry["bars_sha256"] for symbol, entry in entries.items()}),
    }


def read_bars(data: Data, root: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """All symbols of `read_symbols` in one table, and the document `bars_manifest`."""
    parts = list(read_symbols(data, root))
    entries = {str(bars["symbol"].iloc[0]): entry for bars, entry in parts}
    return pd.concat([bars for bars, _ in parts], ignore_index=True), manifest_of(data, entries)


def _refuse_shared(where: str, symbol: str, sha256: str, read: dict[str, tuple[str, str]]) -> None:
    """Two symbols may share a file of many symbols, but not their bars: one series would be traded twice."""
    if where in read and read[where][1] == sha256:
        raise DataError(
            f"data.source.path: {where} is the file of {read[where][0]} and of {symbol}; write {{symbol}} in the path, "
            "or take a file whose column symbol tells their rows apart."
        )
    read[where] = symbol, sha256
