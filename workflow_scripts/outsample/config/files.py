"""The blocks of `data.source` for bars in files: CSV, Parquet, and the data sets that ship in Python packages.

`format` decides what a file leaves open; what is null there is recognised from the file, and refused where two readings
fit.
"""

from __future__ import annotations

import re
from typing import Literal
from zoneinfo import available_timezones

from pydantic import Field, model_validator

from outsample.config.block import Block, key, refusal

BAR_COLUMNS = ("date", "time", "open", "high", "low", "close", "volume", "adj_close", "symbol")
SEPARATORS = {",": ",", ";": ";", "tab": "\t", "|": "|"}
DATA_SETS = ("arch.sp500", "arch.nasdaq", "skfolio.sp500_index", "skfolio.sp500_dataset")
CLOSES_ONLY = frozenset({"skfolio.sp500_index", "skfolio.sp500_dataset"})


class FileFormat(Block):
    """How a file of bars is read; null recognises it from the file."""

    encoding: str | None = key(None, "Encoding of the text, such as utf-8, cp1252 or utf-16.", "-")
    separator: Literal[",", ";", "tab", "|"] | None = key(None, "What separates the cells.", "-")
    header_line: int | None = key(None, "Line of the header, from 1; what stands above it is no data.", "-", ge=1)
    columns: dict[str, str] = key(
        {}, "Our column -> the file's name of it: date, time, open, high, low, close, volume, adj_close, symbol.", "-"
    )
    decimal: Literal[".", ","] | None = key(None, "Decimal mark of numbers.", "-")
    thousands: Literal[",", ".", " ", "'"] | None = key(None, "Mark between groups of three digits.", "-")
    date_order: Literal["ymd", "dmy", "mdy"] | None = key(None, "Order of year, month and day.", "-")
    date_format: str | None = key(None, "Format of the dates, with time, in strptime's terms: %d-%b-%y.", "-")
    timezone: str | None = key(
        None,
        "Time zone of the exchange, such as America/New_York: stamps with an offset, and seconds since 1970, are "
        "converted to its local time.",
        "-",
    )
    order: Literal["ascending", "descending"] | None = key(None, "Order of the rows by date.", "-")

    @model_validator(mode="after")
    def _consistent(self) -> FileFormat:
        for column in self.columns:
            if column not in BAR_COLUMNS:
                raise refusal(("columns", column), "is no column of bars", list(BAR_COLUMNS))
        named = list(self.columns.values())
        twice = [theirs for theirs in named if named.count(theirs) > 1]
        if twice:
            raise refusal("columns", f"names {twice[0]!r} for two columns of ours")
        if self.decimal is not None and self.decimal == self.thousands:
            raise refusal("thousands", f"is {self.thousands!r}, as the decimal mark is")
        if self.date_format is not None and "%" not in self.date_format:
            raise refusal("date_format", f"{self.date_format!r} holds no %: write it as %d.%m.%Y")
        if self.timezone is not None and self.timezone not in available_timezones():
            raise refusal("timezone", f"{self.timezone!r} is no time zone; write it as America/New_York or UTC")
        return self


def _check_path(path: str) -> None:
    """A mark beside {symbol} would take the files of other symbols: A* is AAPL's as well."""
    if re.search(r"[*?]\{symbol\}|\{symbol\}[*?]", path):
        raise refusal("path", f"{path!r} also takes symbols with a longer name; write it as {{symbol}}_*.csv")


class CsvSource(Block):
    """Bars from one CSV file a symbol, several, or one file for all symbols."""

    kind: Literal["csv"] = key("csv", "Kind of source.", "-")
    path: str = key(
        "data/market/{symbol}.csv",
        "File of one symbol, relative to the repository; {symbol} stands for the symbol's name. * and ? take several "
        "files, which are joined. Without {symbol}, the file's column symbol tells the rows apart.",
        "-",
    )
    format: FileFormat = Field(FileFormat(), description="How the file is read; null is recognised from it.")
    closes_only: bool = key(
        False,
        "The source has closes alone: open, high and low are set to the close, volume to 0 where there is none, and "
        "market.fill must be next_close.",
        "-",
    )

    @model_validator(mode="after")
    def _consistent(self) -> CsvSource:
        _check_path(self.path)
        return self


class ParquetSource(Block):
    """Bars from Parquet files; a path, columns and dates as in kind csv."""

    kind: Literal["parquet"] = key("parquet", "Kind of source.", "-")
    path: str = key("data/market/{symbol}.parquet", "File of one symbol, as with kind csv.", "-")
    format: FileFormat = Field(FileFormat(), description="How columns and dates are read, as with kind csv.")
    closes_only: bool = key(False, "The source has closes alone, as with kind csv.", "-")

    @model_validator(mode="after")
    def _consistent(self) -> ParquetSource:
        _check_path(self.path)
        return self


class PackageSource(Block):
    """Bars that ship in an installed Python package."""

    kind: Literal["package"] = key("package", "Kind of source.", "-")
    dataset: Literal["arch.sp500", "arch.nasdaq", "skfolio.sp500_index", "skfolio.sp500_dataset"] = key(
        "arch.sp500",
        "Data set: an index with one symbol of any name, or 20 stocks by their symbols (skfolio.sp500_dataset). Those "
        "of skfolio hold closes alone, so market.fill must be next_close.",
        "-",
    )

    @property
    def closes_only(self) -> bool:
        """Whether the data set holds closes alone."""
        return self.dataset in CLOSES_ONLY
