"""Bars that passed every check, adjusted for splits and dividends, and the document that says what was checked.

It fails closed: the first error stops the stage, and nothing is repaired, filled or dropped here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from outsample.config.data import Data
from outsample.config.models import Market
from outsample.data.calendar import OBSERVED, Calendar, infer_calendar
from outsample.data.checks import CHECKS, PRICES, Finding, SymbolBars
from outsample.data.dates import day_text, first_days
from outsample.data.sources import open_source
from outsample.errors import DataError

_COLUMNS = ["symbol", "date", *PRICES, "volume", "factor"]


def validate_bars(bars: pd.DataFrame, data: Data, market: Market) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Cut bars to the dates of the experiment, check them, and adjust their prices.

    Prices are multiplied by factor_t = adj_close_t / close_t where adj_close is known, else by 1; volume stays as it
    came.

    Args:
        bars: the table `bars`, as `outsample.data.sources.read_bars` gives it.
        data: symbols, start, end and calendar. market: what a fill needs, see `outsample.data.checks.opens_real`.
    Returns: the table `validated_bars` and the document `quality`, which lists every check of every symbol, with count
        0 and an empty detail where nothing was found.
    Raises: DataError at the first error, with the file, the date and what to do; ConfigError for an unknown calendar.
    """
    source = open_source(data)
    cut = {symbol: _cut(bars, symbol, data, source.where(symbol)) for symbol in sorted(data.symbols)}
    calendar = infer_calendar(np.concatenate([frame["date"].to_numpy() for frame in cut.values()]), data.calendar)
    checks = [entry for s, frame in cut.items() for entry in _check(s, frame, source.where(s), market, calendar)]
    if calendar.name == OBSERVED:
        detail = "the dates follow no calendar known here, so gaps are not looked for; data.calendar names one"
        checks.append({"id": "calendar_known", "severity": "warning", "symbol": "all", "count": 1, "detail": detail})
    quality = {
        "simulated": source.simulated,
        "calendar": {
            "name": calendar.name,
            "inferred": calendar.inferred,
            "periods_per_year": calendar.periods_per_year,
        },
        "symbols": {
            s: {"rows": len(f), "first": day_text(f["date"].iloc[0]), "last": day_text(f["date"].iloc[-1])}
            for s, f in cut.items()
        },
        "checks": checks,
        "adjustment": _adjustment(cut),
    }
    return pd.concat([_adjust(frame) for frame in cut.values()], ignore_index=True), quality


def _cut(bars: pd.DataFrame, symbol: str, data: Data, where: str) -> pd.DataFrame:
    """The bars of one symbol from data.start to the end of the day data.end."""
    frame = bars[bars["symbol"] == symbol]
    if frame.empty:
        raise DataError(f"{where}: no bars of {symbol} were read; run ingest_bars again.")
    keep = pd.Series(True, index=frame.index)
    if data.start:
        keep &= frame["date"] >= pd.Timestamp(data.start)
    if data.end:
        keep &= frame["date"] < pd.Timestamp(data.end) + pd.Timedelta(days=1)
    if not keep.any():
        asked = f"{data.start or 'the first bar'} .. {data.end or 'the last bar'}"
        there = f"{day_text(frame['date'].min())} .. {day_text(frame['date'].max())}"
        raise DataError(
            f"{where}: no bars in data.start .. data.end = {asked}; {symbol} has bars in {there}: "
            f"move data.start or data.end, or take {symbol} out of data.symbols."
        )
    return frame[keep].reset_index(drop=True)


def _check(symbol: str, frame: pd.DataFrame, where: str, market: Market, calendar: Calendar) -> list[dict[str, Any]]:
    """The entries of one symbol in the quality document; the first error ends it."""
    bars = SymbolBars(frame, market, calendar)
    entries = []
    for check in CHECKS:
        finding = check.find(bars)
        if finding is not None and check.severity == "error":
            raise DataError(_sentence(where, finding))
        count = 0 if finding is None else len(finding.dates)
        detail = "" if finding is None else f"{finding.what} ({first_days(finding.dates)}); {finding.advice}"
        entries.append({"id": check.id, "severity": check.severity, "symbol": symbol, "count": count, "detail": detail})
    return entries


def _sentence(where: str, finding: Finding) -> str:
    first, more = finding.dates[0], len(finding.dates) - 1
    others = f" (and on {more} more {'date' if more == 1 else 'dates'})" if more else ""
    return f"{where}, {day_text(first)}: {finding.what}{others}; {finding.advice}."


def _adjust(frame: pd.DataFrame) -> pd.DataFrame:
    known = frame["adj_close"].notna().all()
    factor = (frame["adj_close"] / frame["close"]).to_numpy() if known else np.ones(len(frame))
    adjusted = {column: frame[column].to_numpy() * factor for column in PRICES}
    return frame.assign(**adjusted, factor=factor)[_COLUMNS]


def _adjustment(cut: dict[str, pd.DataFrame]) -> str:
    adjusted = [s for s, f in cut.items() if f["adj_close"].notna().all()]
    raw = [s for s in cut if s not in adjusted]
    sentences = []
    if adjusted:
        sentences.append(
            f"Open, high, low and close of {', '.join(adjusted)} are multiplied by adj_close / close of the same day."
        )
    if raw:
        sentences.append(f"Prices of {', '.join(raw)} are as they came, for no adj_close is known.")
    return " ".join(sentences)
