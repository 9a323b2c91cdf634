"""Bars that ship in installed Python packages, read from the package's own file; no code of the package is run."""

from __future__ import annotations

import hashlib
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd

from outsample.config.files import FileFormat, PackageSource
from outsample.data.csv_source import parse_text
from outsample.data.layout import Layout
from outsample.data.table import rows_of
from outsample.errors import DataError

# Data set -> package, file in it, and the column of closes where it is not found by its name; {symbol} is the symbol's.
_FILES = {
    "arch.sp500": ("arch", "arch/data/sp500/sp500.csv.gz", None),
    "arch.nasdaq": ("arch", "arch/data/nasdaq/nasdaq.csv.gz", None),
    "skfolio.sp500_index": ("skfolio", "skfolio/datasets/data/sp500_index.csv.gz", "SP500"),
    "skfolio.sp500_dataset": ("skfolio", "skfolio/datasets/data/sp500_dataset.csv.gz", "{symbol}"),
}


class PackageBars:
    """Source of kind package."""

    simulated = False

    def __init__(self, settings: PackageSource, root: Path) -> None:
        self._settings = settings
        self._layouts: dict[str, Layout] = {}

    def where(self, symbol: str) -> str:
        dataset = self._settings.dataset
        return f"{dataset}: {symbol}" if "{symbol}" in (_FILES[dataset][2] or "") else dataset

    def describe(self) -> dict[str, Any]:
        package = _FILES[self._settings.dataset][0]
        return self._settings.model_dump(mode="json") | {"package": f"{package} {metadata.version(package)}"}

    def fingerprint(self, symbol: str) -> tuple[str | None, str | None]:
        _, file, _ = _FILES[self._settings.dataset]
        return file, hashlib.sha256(self._raw()).hexdigest()

    def provenance(self, symbol: str) -> dict[str, Any]:
        """What the manifest tells of a symbol that was read: how its file was read."""
        return {"layout": self._layouts[symbol].describe()}

    def read(self, symbol: str) -> pd.DataFrame:
        """Bars of one symbol, oldest first.

        Raises: DataError where the package is not installed, or the data set lacks the symbol.
        """
        close = _FILES[self._settings.dataset][2]
        form = FileFormat(columns={"close": close.replace("{symbol}", symbol)} if close else {})
        closes_only = self._settings.closes_only
        parsed = parse_text(self._raw(), self._settings.dataset, form, closes_only)
        bars, self._layouts[symbol] = rows_of(parsed, None, form, closes_only)
        return bars

    def _raw(self) -> bytes:
        package, file, _ = _FILES[self._settings.dataset]
        try:
            return Path(str(metadata.distribution(package).locate_file(file))).read_bytes()
        except (metadata.PackageNotFoundError, OSError) as error:
            raise DataError(
                f"{self._settings.dataset}: the package {package} is not installed or lacks {file}; install that "
                "of requirements.lock."
            ) from error
