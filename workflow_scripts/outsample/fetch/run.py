"""`fetch`: all symbols of an experiment from its source into the store, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from outsample.config.data import Data
from outsample.config.remote import Answers, Fetched, HttpSource, UrlSource, YfinanceSource
from outsample.data.dates import day_text
from outsample.data.stored_source import StoredBars, join_pages, read_page
from outsample.errors import DataError, OutsampleError
from outsample.fetch.answer import Answer
from outsample.fetch.http import HttpAnswers
from outsample.fetch.objects import UrlAnswers
from outsample.fetch.secrets import Secrets
from outsample.fetch.store import Change, add_to_dvc, compare, make_origin, replace_folders
from outsample.fetch.yahoo import YfinanceAnswers


class Fetcher(Protocol):
    """What asks a source."""

    def pages(self, symbol: str) -> list[Answer]:
        """All answers for a symbol."""

    def close(self) -> None:
        """End of the fetch."""


@dataclass(frozen=True)
class _Fetched:
    folder: str
    origin: dict[str, Any]
    answers: Sequence[Answer]
    words: str  # on its bars, and on their change
    same: bool  # the bytes are those that are stored


def fetch(
    data: Data,
    root: Path,
    environment: Mapping[str, str],
    *,
    symbols: Sequence[str] = (),
    retrieved: str | None = None,
    note: str | None = None,
    force: bool = False,
    make: Callable[[Fetched, Secrets, dict[str, str | None]], Fetcher] | None = None,
) -> list[str]:
    """Fetch the answers for symbols of an experiment, store them and let DVC version them.

    Nothing is stored unless every symbol was fetched and its answers can be read.

    Args:
        data: the block `data`; symbols whose source is of another kind are left out.
        root: folder of the repository.
        environment: where the values of `${VAR}` are.
        symbols: which; none is all that are read (`data.read_symbols`).
        retrieved, note: what `origin.json` shall say of the retrieval: an ISO date, and a text.
        force: also where bars that are stored would be lost, or another query was stored there.
        make: makes what asks the source; None takes the one of its kind.
    Returns: sentences on what was done.
    Raises: DataError in one sentence, without secrets; the store is then as it was.
    """
    blocks = _sources(data, symbols)
    secrets = Secrets(environment)
    span = {name: None if day is None else day.isoformat() for name, day in (("start", data.start), ("end", data.end))}
    done = []
    with ExitStack() as stack:
        fetchers: list[tuple[Fetched, Fetcher]] = []
        for symbol, source in blocks.items():
            known = [fetcher for block, fetcher in fetchers if block == source]
            fetcher = known[0] if known else (make or _fetcher)(source, secrets, span)
            if not known:
                stack.callback(fetcher.close)
                fetchers.append((source, fetcher))
            answers = fetcher.pages(symbol)
            origin = _origin(source, symbol, span, answers, retrieved, note and secrets.hide(note))
            done.append(_judge(StoredBars(source, root), source, symbol, origin, answers, force))
    replace_folders({root / o.folder: (o.origin, o.answers) for o in done if not o.same})
    versioned = [one.folder for one in done if not _versioned(root, one.folder, one.same)]
    return [*(one.words for one in done), *([add_to_dvc(versioned, root)] if versioned else [])]


def _sources(data: Data, symbols: Sequence[str]) -> dict[str, Fetched]:
    """The source block of each symbol that is to be fetched.

    Raises: DataError where one that is named needs no fetching, or none needs any.
    """
    blocks = {symbol: data.source_of(symbol) for symbol in symbols or data.read_symbols}
    fetched: dict[str, Fetched] = {symbol: block for symbol, block in blocks.items() if isinstance(block, Fetched)}
    for symbol, block in blocks.items():
        if symbol not in fetched and (symbols or not fetched):
            raise DataError(
                f"{symbol}: its source is of kind {block.kind}, which needs no fetching: it is read as it is."
            )
    return fetched


def _versioned(root: Path, folder: str, same: bool) -> bool:
    return same and ((root / f"{folder}.dvc").is_file() or not (root / ".dvc").is_dir())


def _fetcher(source: Fetched, secrets: Secrets, span: dict[str, str | None]) -> Fetcher:
    if isinstance(source, HttpSource):
        return HttpAnswers(source, secrets, span)
    if isinstance(source, UrlSource):
        return UrlAnswers(source, secrets, span)
    assert isinstance(source, YfinanceSource)
    return YfinanceAnswers(source, secrets, span)


def _origin(
    source: Fetched,
    symbol: str,
    span: dict[str, str | None],
    answers: Sequence[Answer],
    retrieved: str | None,
    note: str | None,
) -> dict[str, Any]:
    query = source.query()
    texts = repr(query)
    asked = {n: v for n, v in span.items() if "{" + n + "}" in texts or source.kind == "yfinance"}
    ending = source.response if isinstance(source, Answers) else "csv"
    return make_origin(symbol, query | asked, answers, ending, retrieved, note)


def _judge(
    stored: StoredBars, source: Fetched, symbol: str, origin: dict[str, Any], answers: Sequence[Answer], force: bool
) -> _Fetched:
    """What is to be done with the answers for one symbol.

    Raises: DataError where they cannot be read, or would take away what is stored.
    """
    folder = stored.folder(symbol)
    names = [f"{folder}/{entry['file']}" for entry in origin["files"]]
    bars = join_pages([read_page(a.body, n, source) for a, n in zip(answers, names, strict=True)], folder)
    pages = f"{len(answers)} page{'s' * (len(answers) != 1)}"
    first, last = (day_text(bars["date"].iloc[i]) for i in (0, -1))
    words = f"{symbol}: {pages}, {len(bars):,} bars from {first} to {last}"
    before = _before(stored, symbol, force)
    if before is None:
        return _Fetched(folder, origin, answers, f"{words}; new.", same=False)
    old, bytes_before = before
    if bytes_before == [a.body for a in answers] and stored.origin(symbol)["query"] == origin["query"]:
        return _Fetched(folder, origin, answers, f"{words}; the same bytes as before, nothing was changed.", same=True)
    change: Change = compare(old, bars)
    if change.removed and not force:
        raise DataError(
            f"{symbol}: the answer lacks bars that are stored ({change.words()}), so nothing was stored; see whether "
            "the service or the span is wrong, or take it as it is by --force."
        )
    return _Fetched(folder, origin, answers, f"{words}; against what was stored: {change.words()}.", same=False)


def _before(stored: StoredBars, symbol: str, force: bool) -> tuple[pd.DataFrame, list[bytes]] | None:
    """The bars that are stored, and their bytes; None where there are none, or where they need not be kept."""
    try:
        if not stored.exists(symbol):
            return None
        return stored.read(symbol), [raw for _, raw in stored.answers(symbol)]
    except OutsampleError as error:
        if force:
            return None
        if "--force" in str(error):
            raise
        raise DataError(f"{str(error).rstrip('.')}; --force replaces what is stored.") from error
