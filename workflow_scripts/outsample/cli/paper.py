"""`outsample paper`: trade the bars of CSV files on paper with a package."""

from __future__ import annotations

import datetime
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from outsample.cli.package import read_package
from outsample.errors import DataError
from outsample.packaging.contents import Package
from outsample.packaging.decider import day_text
from outsample.packaging.manifest import dump
from outsample.paper.bars import SymbolBars, parse_bars
from outsample.paper.broker import trade
from outsample.paper.feed import dates_without, make_feeds, outside_sessions
from outsample.paper.ledger import fill_columns, ledger_columns, summary, to_csv


def paper(path: str, files: Sequence[str], out: str, symbol: str | None, closed: Sequence[str]) -> None:
    """Trade the bars on paper and write `ledger.csv`, `fills.csv` and `summary.json` into the folder `out`.

    Args:
        path: the package, which is verified first.
        files: CSV files of bars; one without a column `symbol` is of `symbol`, or of the symbol in its name.
        out: folder; nothing is written unless everything went well.
        symbol: of a single file.
        closed: ISO dates without a session that the package's calendar does not know.
    Raises: PackageError, DataError.
    """
    if symbol is not None and len(files) > 1:
        raise DataError("--symbol names the symbol of one file; give the files one by one, or name each SYMBOL.csv.")
    if not out:
        raise DataError("--out names no folder; name one, or . for this one.")
    days = [_day(text) for text in closed]
    package, _ = read_package(path)
    bars = [found for file in files for found in _read(file, package, symbol)]
    feeds = make_feeds(bars, package, days)
    accounts = trade(package, feeds, path)
    ledger = ledger_columns(accounts)
    _write(
        Path(out),
        {
            "ledger.csv": to_csv(ledger).encode(),
            "fills.csv": to_csv(fill_columns(accounts)).encode(),
            "summary.json": dump(summary(package, accounts)),
        },
    )
    whole = ledger["symbol"] == "portfolio"
    count, (first, last) = int(whole.sum()), ledger["equity"][whole][[0, -1]]
    print(
        f"{package.model} {package.version}: {count} date{'s' * (count != 1)} from "
        f"{str(ledger['date'][whole][0])[:10]} to {str(ledger['date'][whole][-1])[:10]}, equity {first:,.2f} to "
        f"{last:,.2f}, costs {ledger['paid'][whole].sum():,.2f}; the books are in {out}/."
    )
    for feed in feeds:
        outside = outside_sessions(feed, package.calendar)
        if len(outside):
            print(
                f"Note: {feed.symbol} has bars on {len(outside)} day{'s' * (len(outside) != 1)} without a session of "
                f"{package.calendar.name}, first {outside[0]}."
            )
        for other, dates in dates_without(feed, bars).items():
            print(
                f"Note: {other} has no bar on {len(dates)} date{'s' * (len(dates) != 1)} of {feed.symbol}, first "
                f"{day_text(dates[0])}; its last close before counts there."
            )


def _day(text: str) -> np.datetime64:
    try:
        return np.datetime64(datetime.date.fromisoformat(text))
    except ValueError as error:
        raise DataError(f"--closed {text} is no date; write it as YYYY-MM-DD.") from error


def _read(file: str, package: Package, symbol: str | None) -> list[SymbolBars]:
    try:
        raw = Path(file).read_bytes()
    except OSError as error:
        raise DataError(f"{file} cannot be read ({error.strerror}); name a CSV file of bars.") from error
    stem = Path(file).stem
    known = (*package.symbols, *package.references)
    found = parse_bars(raw, file, known, symbol or (stem if stem in known else None))
    if symbol and [bars.symbol for bars in found] != [symbol]:
        raise DataError(
            f"{file}: its column symbol names {', '.join(bars.symbol for bars in found)}, and --symbol {symbol}; "
            "leave --symbol out."
        )
    return found


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the files under a folder within and rename them, so that there is never half of one."""
    taken = [name for name in files if (folder / name).is_dir()]
    if taken:
        raise DataError(f"--out {folder} holds a folder named {taken[0]}; name another folder.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".writing.", dir=folder))
    except OSError as error:
        raise DataError(f"--out {folder} cannot be written ({error.strerror}); name another folder.") from error
    try:
        for name, content in files.items():
            (temporary / name).write_bytes(content)
            (temporary / name).chmod(0o644)
        for name in files:
            os.replace(temporary / name, folder / name)
    except OSError as error:
        raise DataError(f"--out {folder} cannot be written ({error.strerror}); name another folder.") from error
    finally:
        shutil.rmtree(temporary)
