"""The blocks of `data.source` for bars that `outsample fetch` brings from elsewhere and stores under `data/`.

A value may hold `${VAR}`, a secret from the environment. It is put in when bars are fetched, and nowhere else: the
configuration, the store and the manifest keep `${VAR}`.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from outsample.config.block import Block, key, refusal
from outsample.config.files import FileFormat

PLACEHOLDER = re.compile(r"(?<!\$)\{(\w+)\}")
VARIABLE = re.compile(r"\$\{(\w+)\}")
PAGED_BY = {"page": "page", "offset": "offset", "cursor": "cursor"}  # placeholder -> the paging that fills it
_PLACEHOLDERS = ("symbol", "start", "end", *PAGED_BY)
_SECRET_NAME = re.compile(r"(api|access|secret|private).?key|token|secret|passw|authorization|signature", re.IGNORECASE)
_PASSWORD = re.compile(r"://[^/?#@]*:[^/?#@$]+@")
_STORE = re.compile(r"(?![/~])(?!.*\.\.)(.*/)?[^/]*\{symbol\}[^/]*")

Columns = dict[str, str | int]


def _folder(default: str) -> Any:
    return key(
        default,
        "Folder where the answers for one symbol are kept, relative to the repository; {symbol} stands for its name.",
        "-",
    )


class Fetched(Block):
    """What every source has that is fetched."""

    # Keys that do not decide which bytes are asked for: a change there needs no new fetch.
    how: ClassVar[frozenset[str]] = frozenset({"store", "format"})

    kind: str = key("", "Kind of source.", "-")
    store: str = _folder("data/fetched/{symbol}")
    format: FileFormat = Field(
        FileFormat(),
        description="How a CSV answer is read, as with kind csv; timezone counts in JSON as well, null is UTC there.",
    )

    def query(self) -> dict[str, Any]:
        """The settings that decide which bytes are asked for; secrets stand as `${VAR}`."""
        return self.model_dump(mode="json", exclude=set(self.how))

    @model_validator(mode="after")
    def _own_folders(self) -> Fetched:
        if not _STORE.fullmatch(self.store):
            raise refusal("store", "must be a folder of the repository, without .., whose last part holds {symbol}")
        return self


class Answers(Fetched):
    """How the answers of a source are read."""

    how: ClassVar[frozenset[str]] = Fetched.how | {"response", "records", "columns", "epoch"}

    response: Literal["csv", "json", "parquet"] = key(
        "csv",
        "What an answer is: csv and parquet are read as sources of these kinds are, json by the three keys below.",
        "-",
    )
    records: str = key(
        "",
        "json: path of the records, names and [places] joined by dots, names with dots or blanks in double quotes; "
        "empty is the whole answer. There stands a list of records, an object with a record under each date, or an "
        "object of lists.",
        "-",
    )
    columns: Columns = key(
        {c: c for c in ("date", "open", "high", "low", "close", "volume")},
        "json: our column -> path within a record, or place in it where it is a list; $key is the name of a record.",
        "-",
    )
    epoch: Literal["s", "ms", "us", "ns"] | None = key(
        None, "json: unit of dates that are numbers since 1970-01-01 UTC; null where dates are ISO text.", "-"
    )

    @model_validator(mode="after")
    def _readable(self) -> Answers:
        known = ("date", "open", "high", "low", "close", "volume", "adj_close")
        for name in self.columns:
            if name not in known:
                raise refusal(("columns", name), "is no column of bars", list(known))
        for name in known[:-1]:
            if name not in self.columns:
                raise refusal("columns", f"lacks {name}; say where an answer holds it")
        return self


class HttpSource(Answers):
    """Bars from an HTTP service that answers with CSV or JSON, in one page or in several."""

    how: ClassVar[frozenset[str]] = Answers.how | {"requests_per_second", "timeout", "retries", "max_pages"}

    kind: Literal["http"] = key("http", "Kind of source.", "-")
    store: str = _folder("data/fetched/http/{symbol}")
    url: str = key(
        "",
        "Address, http:// or https://. Here, in `params` and in `headers`, {symbol}, {start}, {end} (data.start and "
        "data.end), {page}, {offset} and {cursor} are filled in, and ${VAR} by the environment variable, a secret.",
        "-",
    )
    params: dict[str, str] = key({}, "Query: name -> value; one that is {cursor} alone is left out at first.", "-")
    headers: dict[str, str] = key({}, "Headers: name -> value.", "-")
    paging: Literal["none", "page", "offset", "cursor", "link"] = key(
        "none",
        "How pages follow each other: {page} counts pages and {offset} records, until a page is empty or short; "
        "{cursor} is what `next` holds in the page before; link is the whole address there, or in the Link header.",
        "-",
    )
    next: str = key("", "json: path of the cursor or of the link; the last page has none.", "-")
    first_page: int = key(1, "Number of the first page.", "-", ge=0)
    page_size: int | None = key(None, "Records of a full page; a page with fewer is the last.", "records", ge=1)
    max_pages: int = key(1000, "Pages after which fetching is refused.", "pages", ge=1)
    requests_per_second: float = key(2.0, "Requests are spread so that there are no more.", "per second", gt=0)
    timeout: float = key(30.0, "Longest wait for a connection, or for the next bytes.", "seconds", gt=0)
    retries: int = key(5, "Attempts after the first where a service fails, is busy or cannot be reached.", "1", ge=0)

    @model_validator(mode="after")
    def _complete(self) -> HttpSource:
        check_address(self.url, ("http://", "https://"))
        texts: dict[tuple[str, ...], str] = {("url",): self.url}
        texts |= {("params", name): value for name, value in self.params.items()}
        texts |= {("headers", name): value for name, value in self.headers.items()}
        check_placeholders(texts, self.paging)
        check_secrets({"params": self.params, "headers": self.headers})
        used = {found for text in texts.values() for found in PLACEHOLDER.findall(text)}
        if self.paging in PAGED_BY.values() and self.paging not in used:
            raise refusal("paging", f"is {self.paging}, but neither url nor params nor headers hold {{{self.paging}}}")
        if self.paging == "offset" and self.page_size is None:
            raise refusal("page_size", "is missing; paging: offset needs it")
        if self.paging == "cursor" and not (self.next and self.response == "json"):
            raise refusal("next", "is missing; paging: cursor needs it, and response: json")
        if self.next and self.response != "json":
            raise refusal("next", "needs response: json; without it, paging: link follows the Link header")
        return self


class UrlSource(Answers):
    """Bars from files behind any address that fsspec reads, such as s3://."""

    kind: Literal["url"] = key("url", "Kind of source.", "-")
    store: str = _folder("data/fetched/url/{symbol}")
    url: str = key(
        "",
        "Address of one symbol's file, or of several by a pattern such as s3://bucket/{symbol}/*.csv; {symbol}, "
        "{start}, {end} and ${VAR} are filled in.",
        "-",
    )
    options: dict[str, str | int | bool] = key(
        {}, "What the driver takes, such as endpoint_url, key and secret of s3://; values may hold ${VAR}.", "-"
    )

    @model_validator(mode="after")
    def _complete(self) -> UrlSource:
        check_address(self.url)
        if "://" not in self.url:
            raise refusal("url", "has no scheme such as s3://; a local file is read by kind: csv")
        check_placeholders({("url",): self.url}, "none")
        check_secrets({"options": self.options})
        return self


class YfinanceSource(Fetched):
    """Bars from the service that the package yfinance asks, not adjusted, adj_close beside them."""

    kind: Literal["yfinance"] = key("yfinance", "Kind of source.", "-")
    store: str = _folder("data/fetched/yfinance/{symbol}")
    interval: Literal["1m", "2m", "5m", "15m", "30m", "60m", "1h", "1d", "1wk"] = key("1d", "Length of a bar.", "-")


def check_address(url: str, schemes: tuple[str, ...] = ()) -> None:
    """Refuse an address that is empty, of another scheme, or that holds a secret."""
    if not url:
        raise refusal("url", "is missing; this kind of source needs an address")
    if schemes and not url.startswith(schemes):
        raise refusal("url", f"must begin with {' or '.join(schemes)}")
    named = [n for n, v in parse_qsl(urlsplit(url).query) if _SECRET_NAME.search(n) and "{" not in v]
    if _PASSWORD.search(url) or named:
        raise _written_out("url")


def check_placeholders(texts: dict[tuple[str, ...], str], paging: str) -> None:
    """Refuse placeholders that are none, or that the paging does not fill."""
    for path, text in texts.items():
        for found in PLACEHOLDER.findall(text):
            if found not in _PLACEHOLDERS:
                there = ", ".join("{" + name + "}" for name in _PLACEHOLDERS)
                raise refusal(path, f"has {{{found}}}, which nothing fills in; there are {there}")
            if found in PAGED_BY and paging != PAGED_BY[found]:
                raise refusal(path, f"has {{{found}}}, which needs kind: http and paging: {PAGED_BY[found]}")


def check_secrets(blocks: dict[str, dict[str, Any]]) -> None:
    """Refuse a value under a name such as apikey or token which is neither `${VAR}` nor a placeholder."""
    for block, values in blocks.items():
        for name, value in values.items():
            secret = _SECRET_NAME.search(name) or (block == "options" and name == "key")
            if secret and value and "{" not in str(value):
                raise _written_out(block, name)


def _written_out(*path: str) -> PydanticCustomError:
    return refusal(path, "holds a secret as it is; put it into an environment variable and write ${VARIABLE} here")
