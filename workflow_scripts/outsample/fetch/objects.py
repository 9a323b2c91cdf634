"""Files behind any address that fsspec reads: s3://, https://, gs://, memory:// and so on."""

from __future__ import annotations

import sys
from typing import Any

import fsspec

from outsample.config.remote import UrlSource
from outsample.data.stored_source import read_page
from outsample.errors import DataError
from outsample.fetch.answer import Answer
from outsample.fetch.secrets import Secrets

_EXTRAS = {"s3": "outsample[s3]", "s3a": "outsample[s3]"}
# What drivers raise beside OSError and ValueError; looked up where a driver has loaded them.
_DRIVER_ERRORS = (
    ("botocore.exceptions", "BotoCoreError"),
    ("botocore.exceptions", "ClientError"),
    ("aiohttp", "ClientError"),
)


class UrlAnswers:
    """Copies the file, or the files of a pattern in the order of their names, of one symbol after another."""

    def __init__(self, source: UrlSource, secrets: Secrets, span: dict[str, str | None]) -> None:
        self._source, self._secrets, self._span = source, secrets, span

    def close(self) -> None:
        """Nothing stays open."""

    def pages(self, symbol: str) -> list[Answer]:
        """The files of a symbol.

        Raises: DataError in one sentence, without secrets.
        """
        values = {"symbol": symbol} | {name: value for name, value in self._span.items() if value is not None}
        for name in self._span:
            if "{" + name + "}" in self._source.url and name not in values:
                raise DataError(f"data.source.url uses {{{name}}}, but data.{name} is null; set it.")
        url = self._secrets.fill(self._source.url, values)
        options = {n: self._secrets.fill(v, {}) if isinstance(v, str) else v for n, v in self._source.options.items()}
        where = self._secrets.hide(f"{symbol}, {url}")
        try:
            files = self._read(url, options)
        except ImportError as error:
            scheme = url.partition("://")[0]
            package = _EXTRAS.get(scheme)
            how = f"install it: pip install '{package}'" if package else f"install it ({self._words(error)})"
            raise DataError(f"{where}: the driver for {scheme}:// is not installed; {how}.") from None
        except FileNotFoundError:
            raise DataError(f"{where}: no such file there; correct data.source.url.") from None
        except _refusals() as error:
            raise DataError(f"{where}: not readable ({self._words(error)}); correct data.source.") from None
        return [self._answer(name, body, symbol) for name, body in files]

    def _read(self, url: str, options: dict[str, Any]) -> list[tuple[str, bytes]]:
        """Name and bytes of each file.

        Raises: FileNotFoundError where there is none, and whatever the driver raises.
        """
        system, path = fsspec.core.url_to_fs(url, use_listings_cache=False, **options)
        names = sorted(system.glob(path)) if "*" in path or "?" in path else [path]
        if not names:
            raise FileNotFoundError(path)
        return [(str(name).rpartition("/")[2], system.cat_file(name)) for name in names]

    def _answer(self, name: str, body: bytes, symbol: str) -> Answer:
        secret = self._secrets.held_in(body)
        if secret:
            raise DataError(f"{symbol}, {name}: the file holds the value of ${{{secret}}}; take it out there.")
        read_page(body, self._secrets.hide(f"{symbol}, {name}"), self._source)
        return Answer(body, {"object": self._secrets.hide(name)})

    def _words(self, error: BaseException) -> str:
        words = " ".join(self._secrets.hide(str(error)).split())
        return words.rstrip(".")[:200] or type(error).__name__


def _refusals() -> tuple[type[BaseException], ...]:
    """What a driver raises where it cannot read; evaluated after it has been loaded."""
    found = [getattr(sys.modules.get(module), name, None) for module, name in _DRIVER_ERRORS]
    return (OSError, ValueError, TypeError, *(error for error in found if error is not None))
