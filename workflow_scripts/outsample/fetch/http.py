"""Answers of an HTTP service: pages in turn, no faster than allowed, tried again where that may help."""

from __future__ import annotations

import datetime
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import tenacity

from outsample.config.remote import PLACEHOLDER, VARIABLE, HttpSource
from outsample.data.json_source import follow, load
from outsample.data.stored_source import read_page
from outsample.errors import DataError
from outsample.fetch.answer import Answer
from outsample.fetch.secrets import Secrets

RETRIED = frozenset({429, 500, 502, 503, 504})
_LONGEST_WAIT = 300.0  # seconds; a service that asks for more is left alone
_MOST_REDIRECTS = 5
_SHOWN = 200  # letters of an answer that a sentence quotes
_PORTS = {"http": 80, "https": 443}


class _TransientError(Exception):
    """What may pass: the words on it, and how many seconds the service asks to wait."""

    def __init__(self, words: str, wait: float = 0.0) -> None:
        super().__init__(words)
        self.wait = wait


@dataclass
class _Request:
    url: httpx.URL
    headers: dict[str, str]
    where: str  # how a sentence calls it


class HttpAnswers:
    """Asks one service for the pages of one symbol after another.

    Args:
        source: settings.
        secrets: of the process.
        span: data.start and data.end as ISO text; an absent one is None.
        sleep, clock: of the process; tests put others in.
    """

    def __init__(
        self,
        source: HttpSource,
        secrets: Secrets,
        span: dict[str, str | None],
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        for chatty in ("httpx", "httpcore"):  # they log whole addresses and headers
            logging.getLogger(chatty).setLevel(logging.WARNING)
        self._source, self._secrets, self._span = source, secrets, span
        self._sleep, self._clock, self._next_request = sleep, clock, 0.0
        self._client = httpx.Client(
            timeout=source.timeout, follow_redirects=False, headers={"Accept-Encoding": "identity"}
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def pages(self, symbol: str) -> list[Answer]:
        """All answers for a symbol, in order; an empty last page is not among them.

        Raises: DataError in one sentence, without secrets.
        """
        answers: list[Answer] = []
        seen: set[str] = set()
        filled, link = self._first(), None
        while True:
            if len(answers) == self._source.max_pages:
                raise DataError(
                    f"{symbol}: there are more than {len(answers)} pages (data.source.max_pages); ask for a shorter "
                    "span or raise it."
                )
            request = self._request(symbol, filled, link, len(answers) + 1)
            answer, response = self._answer(request, filled)
            count = self._records(answer, request.where)
            if count or not answers:
                answers.append(answer)
            following = self._following(answer, response, count, filled)
            if following is None:
                return answers
            if following in seen:
                raise DataError(
                    f"{request.where}: the next page is one that was fetched already; the service goes in circles."
                )
            seen.add(following)
            filled, link = self._step(filled, following)

    def _first(self) -> dict[str, str]:
        paging = self._source.paging
        return (
            {"page": str(self._source.first_page)}
            if paging == "page"
            else {"offset": "0"}
            if paging == "offset"
            else {}
        )

    def _step(self, filled: dict[str, str], following: str) -> tuple[dict[str, str], str | None]:
        if self._source.paging == "link":
            return {}, following
        return {self._source.paging: following}, None

    def _following(self, answer: Answer, response: httpx.Response, count: int, filled: dict[str, str]) -> str | None:
        """The number, offset, cursor or address of the next page, or None after the last."""
        source = self._source
        if source.paging in ("page", "offset"):
            if count == 0 or (source.page_size is not None and count < source.page_size):
                return None
            step = 1 if source.paging == "page" else source.page_size or 0
            return str(int(filled[source.paging]) + step)
        if source.paging == "link" and not source.next:
            return response.links.get("next", {}).get("url")
        if source.paging in ("cursor", "link"):
            found = follow(load(answer.body, "the answer"), source.next)
            return str(found) if found not in (None, "", False) else None
        return None

    def _records(self, answer: Answer, where: str) -> int:
        """How many records an answer holds; refuses one that is no data or tells a secret."""
        try:
            return len(read_page(answer.body, where, self._source).bars)
        except DataError as error:
            start = self._start(answer.body)
            raise DataError(self._secrets.hide(f"{str(error).rstrip('.')}; the answer begins with {start}.")) from None

    def _request(self, symbol: str, filled: dict[str, str], link: str | None, number: int) -> _Request:
        source, values = self._source, {"symbol": symbol, **filled}
        for name, value in self._span.items():
            if value is not None:
                values[name] = value
        texts = [source.url, *source.params.values(), *source.headers.values()]
        used = {name for text in texts for name in PLACEHOLDER.findall(text)}
        for name in sorted(used & self._span.keys()):
            if self._span[name] is None:
                raise DataError(f"data.source uses {{{name}}}, but data.{name} is null; set it.")
        params = {n: t for n, t in source.params.items() if not (t == "{cursor}" and "cursor" not in values)}
        values.setdefault("cursor", "")
        fill = self._secrets.fill
        try:
            url = httpx.URL(fill(source.url, values, quoted=True))
            url = url.copy_merge_params({n: fill(t, values) for n, t in params.items()}) if params else url
            base = url
            if link is not None:  # a link rarely repeats the key
                url = base.join(link)
                keys = {n: fill(t, values) for n, t in params.items() if VARIABLE.search(t) and n not in url.params}
                url = url.copy_merge_params(keys) if keys else url
        except httpx.InvalidURL:
            raise DataError(
                f"{symbol}: {source.url} and what was filled in are no address; correct data.source.url."
            ) from None
        where = self._secrets.hide(f"{symbol}, page {number} of {url.host}")
        self._stay(base, url, where, "the next page")
        return _Request(url, {n: fill(t, values) for n, t in source.headers.items()}, where)

    def _stay(self, base: httpx.URL, url: httpx.URL, where: str, what: str) -> None:
        """Refuse to carry headers and keys to another server."""
        upgraded = base.scheme == "http" and url.scheme == "https" and base.host == url.host
        if not upgraded and _server(base) != _server(url):
            raise DataError(
                self._secrets.hide(
                    f"{where}: {what} is at {url.scheme}://{url.host}, another server than that of data.source.url, "
                    "and the key must not go there; put the final address into data.source.url."
                )
            )

    def _answer(self, request: _Request, filled: dict[str, str]) -> tuple[Answer, httpx.Response]:
        attempts = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self._source.retries + 1),
            wait=_wait,
            retry=tenacity.retry_if_exception_type(_TransientError),
            sleep=self._sleep,
            reraise=True,
        )
        try:
            response = attempts(self._attempt, request)
        except _TransientError as error:
            times = self._source.retries + 1
            raise DataError(
                f"{request.where}: {error}, {times} time{'s' * (times != 1)} in a row; try later, or raise "
                "data.source.retries."
            ) from None
        body = response.content
        name = self._secrets.held_in(body)
        if name:
            raise DataError(
                f"{request.where}: the answer repeats the value of ${{{name}}}, and answers are stored as they come; "
                "send the key by data.source.headers, or ask the service not to repeat it."
            )
        facts: dict[str, Any] = {"status": response.status_code, "content_type": response.headers.get("content-type")}
        if filled:
            facts["page"] = {n: self._secrets.hide(v) for n, v in filled.items()}
        return Answer(body, facts), response

    def _attempt(self, request: _Request) -> httpx.Response:
        url = request.url
        for _ in range(_MOST_REDIRECTS + 1):
            response = self._get(url, request)
            if response.next_request is None:
                self._check(response, request.where)
                return response
            target = response.next_request.url
            self._stay(url, target, request.where, "the answer")
            url = target
        raise DataError(f"{request.where}: it redirects more than {_MOST_REDIRECTS} times; correct data.source.url.")

    def _get(self, url: httpx.URL, request: _Request) -> httpx.Response:
        pause = self._next_request - self._clock()
        if pause > 0:
            self._sleep(pause)
        self._next_request = max(self._clock(), self._next_request) + 1 / self._source.requests_per_second
        try:
            return self._client.get(url, headers=request.headers)
        except (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.InvalidURL) as error:
            raise DataError(f"{request.where}: {self._words(error)}; correct data.source.") from None
        except httpx.RemoteProtocolError as error:
            raise _TransientError(f"the answer was cut or is none of HTTP ({self._words(error)})") from None
        except httpx.TimeoutException:
            raise _TransientError(f"no answer within {self._source.timeout:g} seconds") from None
        except httpx.TransportError as error:
            raise _TransientError(f"it cannot be reached ({self._words(error)})") from None
        except httpx.DecodingError as error:
            raise _TransientError(f"the answer cannot be unpacked ({self._words(error)})") from None

    def _check(self, response: httpx.Response, where: str) -> None:
        status, body = response.status_code, response.content
        if status in RETRIED:
            wait = _retry_after(response.headers.get("retry-after"))
            if wait > _LONGEST_WAIT:
                raise DataError(
                    f"{where}: it answered {status} and asks to wait {wait:.0f} seconds; fetch again after that."
                )
            raise _TransientError(f"it answered {status}", wait)
        if status != 200:
            hint = "correct the key" if status in (401, 403) else "correct the symbol or data.source"
            said = f" ({self._start(body)})" if body else ""
            raise DataError(f"{where}: it answered {status}{said}; {hint}.")
        promised = response.headers.get("content-length")
        if promised and "content-encoding" not in response.headers and promised != str(len(body)):
            raise _TransientError(f"the answer was cut ({len(body)} of {promised} bytes)")

    def _words(self, error: Exception) -> str:
        return self._secrets.hide(str(error)).strip().rstrip(".") or type(error).__name__

    def _start(self, body: bytes) -> str:
        """The beginning of an answer on one line; a secret may stand across the cut, so it is taken out first."""
        text = " ".join(self._secrets.hide(body[:100_000].decode("utf-8", errors="replace")).split())
        return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…")


def _server(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port or _PORTS.get(url.scheme)


def _wait(state: tenacity.RetryCallState) -> float:
    """Seconds before the next attempt: exponential with full jitter, or what the service asks for."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.wait if isinstance(error, _TransientError) else 0.0
    return max(asked, tenacity.wait_random_exponential(multiplier=1, max=60)(state))


def _retry_after(text: str | None) -> float:
    """Seconds of a Retry-After header, which holds a number or a date; 0 where it is absent or neither."""
    if not text:
        return 0.0
    if text.strip().isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    moment = moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
    return max(0.0, (moment - datetime.datetime.now(datetime.UTC)).total_seconds())
