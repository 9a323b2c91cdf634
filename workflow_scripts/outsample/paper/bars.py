"""The bars of a CSV file for paper trading, read and checked without pandas, as they came and in their order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from outsample.data.csv_text import (
    DATE_ADVICE,
    EMPTY,
    NUMBER,
    OPTIONAL,
    REQUIRED,
    cell_sentence,
    decode,
    find_columns,
    is_date,
    rows,
)
from outsample.errors import DataError
from outsample.packaging.decider import day_text

TOLERANCE = 1e-6  # relative; as in outsample.data.checks: prices rounded to 7 digits may leave [low, high] by less
# No price and no volume is beyond these; further out, the numbers that are made of them are not finite any more.
SMALLEST_PRICE, LARGEST_PRICE, LARGEST_VOLUME = 1e-15, 1e15, 1e20


class Bar(NamedTuple):
    """One bar as a file has it: raw prices."""

    line: int  # of the file, from 1
    date: np.datetime64  # datetime64[us]
    open: float
    high: float
    low: float
    close: float
    volume: float
    adj_close: float  # NaN where not known


@dataclass(frozen=True)
class SymbolBars:
    """The bars of one symbol, ascending."""

    symbol: str
    where: str  # name of the file
    bars: tuple[Bar, ...]

    def at(self, bar: Bar) -> str:
        """Where a bar stands, for errors."""
        return f"{self.where}, line {bar.line}: {self.symbol} on {day_text(bar.date)}"


def parse_bars(raw: bytes, where: str, symbols: Sequence[str], symbol: str | None) -> list[SymbolBars]:
    """The bars of a file, by symbol.

    Args:
        raw: bytes of a CSV file: columns date, open, high, low, close, volume, and where known adj_close and symbol.
        where: what errors call the file.
        symbols: those that the package trades.
        symbol: of a file without a column `symbol`.
    Raises: DataError, with the line, where the text, a row or a bar is malformed, a date is twice there or late, or a
        symbol is unknown.
    """
    text = decode(raw, where)
    lines = rows(text, where)
    _, header = next(lines, (0, []))
    if not header:
        raise DataError(f"{where}: the file is empty; it needs a header and one row a bar.")
    columns = find_columns(header, where, (*OPTIONAL, "symbol"))
    found: dict[str, list[Bar]] = {}
    for line, cells in lines:
        if len(cells) != len(header):
            count = f"{len(cells)} cell{'s' * (len(cells) != 1)}"
            raise DataError(f"{where}, line {line}: {count} where the header has {len(header)}; correct the line.")
        name = cells[columns["symbol"]].strip() if "symbol" in columns else symbol
        _check_symbol(name, symbols, where, line)
        bars = found.setdefault(str(name), [])
        bars.append(_bar(cells, columns, where, line))
        _check_order(bars, str(name), where)
    if not found:
        raise DataError(f"{where}: the CSV is empty: a header and no rows; it needs one row a bar.")
    by_symbol = [SymbolBars(name, where, tuple(bars)) for name, bars in sorted(found.items())]
    for of_symbol in by_symbol:
        _check_adjustment(of_symbol)
    return by_symbol


def _check_symbol(name: str | None, symbols: Sequence[str], where: str, line: int) -> None:
    traded = ", ".join(symbols)
    if name is None:
        raise DataError(
            f"{where}: the file has no column symbol, and its name is none of {traded}; name the symbol with --symbol."
        )
    if name not in symbols:
        raise DataError(
            f"{where}, line {line}: the package does not trade {name!r}, only {traded}; leave such rows out."
        )


def _bar(cells: list[str], columns: dict[str, int], where: str, line: int) -> Bar:
    date = cells[columns["date"]].strip()
    if not is_date(date):
        raise DataError(cell_sentence(where, line, "date", date, f"which is no ISO date; {DATE_ADVICE}"))
    values = [_number(cells, columns, column, where, line) for column in (*REQUIRED[1:], *OPTIONAL)]
    bar = Bar(line, np.datetime64(date, "us"), *values)
    fault = _fault(bar)
    if fault:
        raise DataError(f"{where}, line {line}: {day_text(bar.date)}: {fault}; correct the line.")
    return bar


def _number(cells: list[str], columns: dict[str, int], column: str, where: str, line: int) -> float:
    if column not in columns:
        return math.nan
    cell = cells[columns[column]]
    if cell in EMPTY and column in OPTIONAL:
        return math.nan
    if not NUMBER.fullmatch(cell) or not math.isfinite(float(cell)):
        raise DataError(cell_sentence(where, line, column, cell, "which is no finite number; correct the line"))
    return float(cell)


def _fault(bar: Bar) -> str | None:
    """What is wrong with a bar's numbers: the checks of `outsample.data.checks` that look at one bar, and bounds."""
    prices = {"open": bar.open, "high": bar.high, "low": bar.low, "close": bar.close}
    low_price = [f"{name} {price:g}" for name, price in prices.items() if price <= 0]
    if low_price:
        return f"a price is not above 0 ({low_price[0]})"
    if bar.adj_close <= 0:
        return f"adj_close {bar.adj_close:g} is not above 0"
    if bar.volume < 0:
        return f"volume is negative ({bar.volume:g})"
    if bar.high < bar.low:
        return f"high {bar.high:.10g} is below low {bar.low:.10g}"
    for name in ("open", "close"):
        if not bar.low * (1 - TOLERANCE) <= prices[name] <= bar.high * (1 + TOLERANCE):
            return f"{name} {prices[name]:.10g} is outside low {bar.low:.10g} .. high {bar.high:.10g}"
    for name, price in {**prices, "adj_close": bar.adj_close}.items():
        if price < SMALLEST_PRICE or price > LARGEST_PRICE:
            return f"{name} {price:g} is beyond any price"
    return f"volume {bar.volume:g} is beyond any volume" if bar.volume > LARGEST_VOLUME else None


def _check_order(bars: list[Bar], symbol: str, where: str) -> None:
    if len(bars) < 2 or bars[-1].date > bars[-2].date:
        return
    day, before, line = day_text(bars[-1].date), day_text(bars[-2].date), bars[-1].line
    if day == before:
        same = repr(bars[-1][2:]) == repr(bars[-2][2:])  # NaN equals NaN
        what = "twice; keep one row of that date" if same else "twice, with other numbers; keep the row that is right"
        raise DataError(f"{where}, line {line}: the bar of {symbol} of {day} is there {what}.")
    raise DataError(
        f"{where}, line {line}: the bar of {symbol} of {day} is late, it comes after that of {before}; sort the file "
        "by date ascending."
    )


def _check_adjustment(of_symbol: SymbolBars) -> None:
    unknown = [bar for bar in of_symbol.bars if math.isnan(bar.adj_close)]
    if unknown and len(unknown) < len(of_symbol.bars):
        raise DataError(
            f"{of_symbol.at(unknown[0])} has no adj_close, though other bars have it; complete adj_close, or leave the "
            "column out."
        )
