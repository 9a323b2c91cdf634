"""Bars by the package yfinance, which is not installed with Outsample.

It gives an empty table where a download fails, without an error; that is refused here.
"""

from __future__ import annotations

import datetime
import importlib
from types import ModuleType

from outsample.config.remote import YfinanceSource
from outsample.data.stored_source import read_page
from outsample.errors import DataError
from outsample.fetch.answer import Answer
from outsample.fetch.secrets import Secrets


class YfinanceAnswers:
    """Asks yfinance for one symbol after another.

    Raises: DataError where the package is not installed.
    """

    def __init__(self, source: YfinanceSource, secrets: Secrets, span: dict[str, str | None]) -> None:
        self._source, self._span = source, span
        self._package = _package()

    def close(self) -> None:
        """Nothing stays open."""

    def pages(self, symbol: str) -> list[Answer]:
        """The bars of a symbol as CSV, with the columns that yfinance delivers.

        Raises: DataError where there are none.
        """
        start, end = self._span["start"], self._span["end"]
        # Its `end` is the first date that is left out. Without a start it would give one month.
        after = None if end is None else str(datetime.date.fromisoformat(end) + datetime.timedelta(days=1))
        span = {"period": "max"} if start is None and after is None else {"start": start, "end": after}
        table = self._package.download(
            symbol,
            **span,
            interval=self._source.interval,
            auto_adjust=False,
            actions=False,
            progress=False,
            threads=False,
            multi_level_index=False,
        )
        if table is None or len(table) == 0:
            raise DataError(
                f"{symbol}: yfinance gave no bars, which it does where a symbol is unknown, the span holds none or the "
                "service refuses; correct data.symbols or data.start, or try later."
            )
        body = table.to_csv(lineterminator="\n").encode()
        read_page(body, f"{symbol} of yfinance", self._source)
        return [Answer(body, {"package": f"yfinance {self._package.__version__}"})]


def _package() -> ModuleType:
    try:
        return importlib.import_module("yfinance")
    except ImportError:
        raise DataError(
            "data.source.kind: yfinance needs the package yfinance, which is not installed; install it: "
            "pip install 'outsample[yfinance]'."
        ) from None
