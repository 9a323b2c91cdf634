"""Sources whose bars lie in files: one a symbol, several that are joined, or one file of many symbols."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import pandas as pd

from outsample.config.files import CsvSource, FileFormat, ParquetSource
from outsample.data.columns import NUMBERS
from outsample.data.csv_source import parse_text
from outsample.data.dates import day_text
from outsample.data.layout import Layout, Parsed
from outsample.data.parquet_source import parse_parquet
from outsample.data.paths import files_of
from outsample.data.table import rows_of
from outsample.errors import DataError
from outsample.hashing import sha256_of
from outsample.io.files import sha256_file


class FileBars:
    """Sources of the kinds csv and parquet."""

    simulated = False

    def __init__(self, settings: CsvSource | ParquetSource, root: Path) -> None:
        self._settings = settings
        self._root = root
        self._last: tuple[str, str | None, Parsed] | None = None  # a file of many symbols is read once
        self._layouts: dict[str, list[tuple[str, int, Layout]]] = {}
        self._merged: dict[str, int] = {}
        self._hashes: dict[str, str] = {}

    def where(self, symbol: str) -> str:
        return self._settings.path.replace("{symbol}", symbol)

    def describe(self) -> dict[str, Any]:
        described = self._settings.model_dump(mode="json", exclude_defaults=True)
        return {"kind": self._settings.kind, "path": self._settings.path} | described

    def fingerprint(self, symbol: str) -> tuple[str | None, str | None]:
        files = files_of(self._settings.path, symbol, self._root)
        hashes = {file: self._hash(file) for file in files}
        if list(hashes) == [self.where(symbol)]:
            return self.where(symbol), hashes[self.where(symbol)]
        return self.where(symbol), sha256_of(hashes)

    def provenance(self, symbol: str) -> dict[str, Any]:
        """What the manifest tells of a symbol that was read: its files, and how each was read."""
        files = [
            {"file": file, "sha256": self._hash(file), "rows": rows, "layout": layout.describe()}
            for file, rows, layout in self._layouts[symbol]
        ]
        told: dict[str, Any] = {"files": files}
        if self._merged[symbol]:
            told["equal_bars_merged"] = self._merged[symbol]
        return told

    def read(self, symbol: str) -> pd.DataFrame:
        """Bars of one symbol as its files have them, oldest first.

        Raises: DataError where the symbol has no file, a file cannot be read, or two files contradict each other.
        """
        files = files_of(self._settings.path, symbol, self._root)
        if not files and (self._root / self.where(symbol)).exists():
            raise DataError(f"{self.where(symbol)}: not readable (Is a directory); data.source.path must name a file.")
        if not files:
            raise DataError(self._missing_file(symbol))
        parts = []
        for file in files:
            frame, layout = self._read(file, symbol)
            parts.append((file, frame, layout))
        self._layouts[symbol] = [(file, len(frame), layout) for file, frame, layout in parts]
        bars, self._merged[symbol] = join([(file, frame) for file, frame, _ in parts])
        return bars

    def _hash(self, file: str) -> str:
        if file not in self._hashes:
            self._hashes[file] = sha256_file(self._root / file)
        return self._hashes[file]

    def _read(self, file: str, symbol: str) -> tuple[pd.DataFrame, Layout]:
        settings = self._settings
        if self._last is None or self._last[:2] not in ((file, None), (file, symbol)):
            path = self._root / file
            try:
                parsed = parse_file(path, file, settings.kind, settings.format, settings.closes_only, symbol)
            except OSError as error:
                raise DataError(
                    f"{file}: not readable ({error.strerror}); data.source.path must name a file."
                ) from error
            whole = settings.kind == "csv" and "symbol" in parsed.frame
            self._last = file, None if whole else symbol, parsed
        return rows_of(self._last[2], symbol, settings.format, settings.closes_only)

    def _missing_file(self, symbol: str) -> str:
        """The sentence for a symbol without a file, with the symbols whose files are there."""
        name = self.where(symbol)
        folder, pattern = (self._root / name).parent, Path(self._settings.path).name
        prefix, _, suffix = pattern.partition("{symbol}")
        files = sorted(p.name for p in folder.glob(f"*{suffix}")) if "{symbol}" in pattern else []
        found = [f[len(prefix) : len(f) - len(suffix)] for f in files if f.startswith(prefix)]
        near = difflib.get_close_matches(symbol.upper(), [f.upper() for f in found], n=1)
        close = [f for f in found if f.upper() in near]
        listed = ", ".join(found[:8]) + (", …" if len(found) > 8 else "")
        there = f"there are files of {listed}" if found else "no file there fits the path"
        meant = f" (did you mean {close[0]}?)" if close else ""
        return (
            f"{name}: symbol {symbol} has no file ({there}); correct data.symbols{meant} or data.source.path, "
            "or put the file there."
        )


def parse_file(path: Path, name: str, kind: str, form: FileFormat, closes_only: bool, symbol: str | None) -> Parsed:
    """All rows of a file of bars, or of one symbol where it is a Parquet file of many.

    Args:
        path: the file. name: what errors call it. kind: csv or parquet. form, closes_only: as configured.
        symbol: whose rows or columns are wanted.
    Raises: DataError where it cannot be read; OSError where it cannot be opened.
    """
    if kind == "parquet":
        return parse_parquet(path, name, form, closes_only, symbol)
    return parse_text(path.read_bytes(), name, form, closes_only, symbol)


def join(parts: list[tuple[str, pd.DataFrame]]) -> tuple[pd.DataFrame, int]:
    """The bars of several files in one table by date, and how many bars were there again, equal in every value.

    Raises: DataError where two files have different bars of one date.
    """
    if len(parts) == 1:
        return parts[0][1], 0
    bars = pd.concat([frame.assign(file=file) for file, frame in parts], ignore_index=True)
    bars = bars.sort_values("date", kind="stable", ignore_index=True)
    again = bars.duplicated(["date", *NUMBERS])
    bars = bars[~again].reset_index(drop=True)
    twice = bars["date"].duplicated(keep=False)
    if twice.any():
        one, other = (bars[twice].iloc[i] for i in (0, 1))
        odd = [c for c in NUMBERS if one[c] != other[c] and not (pd.isna(one[c]) and pd.isna(other[c]))]
        differ = ", ".join(f"{c} {one[c]:.10g} and {other[c]:.10g}" for c in odd[:3])
        raise DataError(
            f"{one['file']} and {other['file']}: both have a bar of {day_text(one['date'])}, with different values "
            f"({differ}); keep one of them."
        )
    return bars.drop(columns="file"), int(again.sum())
