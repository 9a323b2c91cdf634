"""Bars that `outsample fetch` has stored: the answers as they came, and `origin.json`, which says whence.

A folder holds the answers for one symbol. Nothing here uses the network; answers that are missing, or that are not
those which were fetched, are refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from outsample.config.remote import Answers, Fetched
from outsample.data.csv_source import parse_text
from outsample.data.dates import day_text
from outsample.data.json_source import parse_json
from outsample.data.parquet_source import parse_parquet
from outsample.data.table import rows_of
from outsample.errors import DataError
from outsample.io.files import read_json, sha256_file

ORIGIN = "origin.json"
SPAN = ("start", "end")  # in a query, beside the settings of the source


@dataclass(frozen=True)
class Page:
    """The bars of one answer, and the names of its columns or records."""

    name: str
    bars: pd.DataFrame
    names: tuple[str, ...]


def read_page(raw: bytes, name: str, settings: Fetched) -> Page:
    """The bars of one answer, none where it holds a header or an empty list alone.

    Raises: DataError where it is no data, with the place.
    """
    start = raw.lstrip(b"\xef\xbb\xbf \t\r\n")[:200]
    if start.startswith(b"<"):
        raise DataError(f"{name}: the answer is a web page or XML in place of data; correct the address or the key.")
    if not start:
        return Page(name, pd.DataFrame(), ())
    if isinstance(settings, Answers) and settings.response == "json":
        bars, names = parse_json(raw, name, settings)
        return Page(name, bars, names)
    if isinstance(settings, Answers) and settings.response == "parquet":
        parsed = parse_parquet(raw, name, settings.format, closes_only=False, symbol=None)
        return Page(name, rows_of(parsed, None, settings.format)[0], tuple(parsed.layout.columns.values()))
    header, _, rest = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").partition(b"\n")
    names = tuple(header.decode("utf-8-sig", errors="replace").split(","))
    bars = rows_of(parse_text(raw, name, settings.format), None, settings.format)[0] if rest.strip() else pd.DataFrame()
    return Page(name, bars, names)


def join_pages(pages: Sequence[Page], where: str) -> pd.DataFrame:
    """The bars of all answers, ascending; a bar that stands in two answers must be the same in both.

    Raises: DataError where there are no bars, the answers differ in their names, or a date has two different bars.
    """
    filled = [page for page in pages if len(page.bars)]
    if not filled:
        raise DataError(f"{where}: the answer holds no bars; correct the symbol, the span or the address.")
    first = filled[0]
    for page in filled[1:]:
        if page.names != first.names:
            new = sorted(set(page.names) ^ set(first.names)) or list(page.names)
            raise DataError(
                f"{page.name}: its columns are not those of {Path(first.name).name} (different: {', '.join(new[:5])}); "
                "the service changed between two pages, so fetch again."
            )
    for page in filled:
        _refuse_twice(page)
    bars = pd.concat([page.bars for page in filled], ignore_index=True).drop_duplicates(ignore_index=True)
    bars = bars.sort_values("date", kind="stable", ignore_index=True)
    twice = bars["date"].duplicated(keep=False)
    if twice.any():
        day = bars.loc[twice, "date"].iloc[0]
        raise DataError(
            f"{where}: two pages hold different bars of {day_text(day)} ({_differences(bars[bars['date'] == day])}); "
            "the service contradicts itself, so fetch again."
        )
    return bars


def _refuse_twice(page: Page) -> None:
    twice = page.bars["date"].duplicated()
    if twice.any():
        raise DataError(f"{page.name}: the date {day_text(page.bars.loc[twice, 'date'].iloc[0])} stands there twice.")


def _differences(rows: pd.DataFrame) -> str:
    """The columns in which two bars differ, with both values."""
    one, other = rows.iloc[0], rows.iloc[1]
    odd = [
        c for c in rows.columns if c != "date" and one[c] != other[c] and not (pd.isna(one[c]) and pd.isna(other[c]))
    ]
    return ", ".join(f"{c} {one[c]:g} and {other[c]:g}" for c in odd)


class StoredBars:
    """Sources of the kinds http, url and yfinance, read from what was fetched."""

    simulated = False

    def __init__(self, settings: Fetched, root: Path) -> None:
        self._settings = settings
        self._root = root

    def folder(self, symbol: str) -> str:
        """Folder of a symbol's answers, as the configuration has it."""
        return self._settings.store.replace("{symbol}", symbol).rstrip("/")

    def exists(self, symbol: str) -> bool:
        """Whether something is stored for a symbol."""
        return (self._root / self.folder(symbol)).exists()

    def where(self, symbol: str) -> str:
        return f"{self.folder(symbol)}/{ORIGIN}"

    def describe(self) -> dict[str, Any]:
        return self._settings.model_dump(mode="json")

    def fingerprint(self, symbol: str) -> tuple[str | None, str | None]:
        return self.where(symbol), sha256_file(self._root / self.where(symbol))

    def provenance(self, symbol: str) -> dict[str, Any]:
        """What the manifest tells of a symbol's answers: the query, the answers, and what was said of the retrieval."""
        origin = self.origin(symbol)
        return {"origin": {name: origin[name] for name in ("query", "files", "retrieved", "note")}}

    def origin(self, symbol: str) -> dict[str, Any]:
        """The document `origin` of a symbol.

        Raises: DataError where nothing was fetched, or it was another query.
        """
        where = self.where(symbol)
        if not (self._root / where).is_file():
            raise DataError(f"{where}: nothing is stored for {symbol}; run `outsample fetch EXPERIMENT` first.")
        origin = read_json(self._root / where, "origin")
        if not all(isinstance(e, dict) and {"file", "sha256"} <= e.keys() for e in origin["files"]):
            raise DataError(f"{where}: its list of files is damaged; run `outsample fetch EXPERIMENT --force`.")
        before, now = origin["query"], self._settings.query()
        other = [n for n in sorted({*before, *now} - {*SPAN}) if before.get(n) != now.get(n)]
        if origin["symbol"] != symbol or other:
            raise DataError(
                f"{where}: it was fetched for another query (other {', '.join(other) or 'symbol'}); run `outsample "
                "fetch EXPERIMENT --force`, or name another folder by data.source.store."
            )
        return origin

    def answers(self, symbol: str) -> Iterable[tuple[str, bytes]]:
        """Name and bytes of each answer, in order.

        Raises: DataError where one is missing or is not what was fetched.
        """
        for entry in self.origin(symbol)["files"]:
            name = f"{self.folder(symbol)}/{entry['file']}"
            try:
                raw = (self._root / name).read_bytes()
            except OSError as error:
                raise DataError(
                    f"{name}: not readable ({error.strerror}); run `outsample fetch EXPERIMENT --force`."
                ) from error
            if hashlib.sha256(raw).hexdigest() != entry["sha256"]:
                raise DataError(
                    f"{name}: it is not the answer that was fetched, for its sha256 is not that of {ORIGIN}; restore "
                    "it (`dvc checkout`), or run `outsample fetch EXPERIMENT --force`."
                )
            yield name, raw

    def read(self, symbol: str) -> pd.DataFrame:
        """Bars of one symbol from its stored answers; see `join_pages`.

        Raises: DataError where they are missing, changed or not readable.
        """
        pages = [read_page(raw, name, self._settings) for name, raw in self.answers(symbol)]
        return join_pages(pages, self.folder(symbol))
