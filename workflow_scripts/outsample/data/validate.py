"""Bars that passed every check, adjusted for splits and dividends, and the document that says what was checked.

It fails closed: an error stops the stage, and nothing is repaired, filled or dropped but by the repairs that are asked
for, which log what they change.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from outsample.config.data import Data
from outsample.config.models import Market
from outsample.config.validation import BarRules
from outsample.data.bar_schema import check_shape
from outsample.data.calendar import OBSERVED, Days, infer_calendar
from outsample.data.checks import CHECKS
from outsample.data.dates import day_text, first_days
from outsample.data.repairs import Repairs, repair_log
from outsample.data.sources import open_source
from outsample.data.symbol_bars import PRICES, Finding, SymbolBars
from outsample.errors import DataError

_COLUMNS = ["symbol", "date", *PRICES, "volume", "factor"]


class Validation:
    """The validation of one experiment's bars, symbol by symbol: cut to its dates, repaired, checked, adjusted.

    Prices are multiplied by factor_t = adj_close_t / close_t where adj_close is known, else by 1; volume stays as it
    came.
    """

    def __init__(
        self,
        data: Data,
        market: Market,
        dates: Iterable[tuple[str, pd.Series]],
        rules: BarRules = BarRules(),  # noqa: B008 - frozen
    ) -> None:
        """
        Args:
            data: symbols, start, end and calendar.
            market: what a fill needs, see `outsample.data.price_checks.opens_real`.
            dates: each symbol with the dates of its bars, from which the calendar is inferred.
            rules: severities and thresholds of the checks, and the repairs.
        Raises: DataError where a symbol has no bars within the dates; ConfigError for an unknown calendar.
        """
        self._data, self._market, self._rules, self._source = data, market, rules, open_source(data)
        moments = np.array([], "datetime64[us]")
        there = set()
        for symbol, bars_dates in dates:
            kept = _within(bars_dates, symbol, data, self._source.where(symbol))
            if symbol in data.symbols:  # a reference may follow another calendar
                moments = _union(moments, bars_dates[kept].dropna().to_numpy())
            there.add(symbol)
        for symbol in sorted({*data.read_symbols} - there):
            raise DataError(f"{self._source.where(symbol)}: no bars of {symbol} were read; run ingest_bars again.")
        self._calendar = infer_calendar(moments, data.calendar)
        self._symbols: dict[str, dict[str, Any]] = {}
        self._checks: list[dict[str, Any]] = []
        self._adjusted: dict[str, bool] = {}
        self._repairs = Repairs(rules)
        self.repaired = repair_log("", [])  # rows of `repairs` of the symbol that was validated last

    def validate(self, symbol: str, bars: pd.DataFrame) -> pd.DataFrame:
        """Rows of `validated_bars` from the rows of `bars` of one symbol; `repaired` then holds what was repaired.

        Raises: DataError where a check that is an error fails, with the file, the date and what to do.
        """
        where, changes = self._source.where(symbol), list[pd.DataFrame]()
        check_shape(bars, where)
        kept = _within(bars["date"], symbol, self._data, where)
        cut = (bars if kept.all() else bars[kept]).reset_index(drop=True)
        cut = self._repairs.mend(self._bars(symbol, cut), symbol, True, changes)
        if cut.empty:
            raise DataError(f"{where}: validation.repairs drop every bar of {symbol}; take out the repair that does.")
        given = self._bars(symbol, cut)
        for check in CHECKS:
            finding = check.find(given) if check.fixed else None
            if finding is not None:
                raise DataError(_sentence(where, finding, []))
        cut = self._repairs.mend(given, symbol, False, changes)
        self._checks += self._check(symbol, self._bars(symbol, cut), where)
        first, last = (day_text(cut["date"].iloc[i]) for i in (0, -1))
        self._symbols[symbol] = {"rows": len(cut), "first": first, "last": last}
        self._adjusted[symbol] = bool(cut["adj_close"].notna().all())
        self.repaired = repair_log(symbol, changes)
        return _adjust(cut)

    def _bars(self, symbol: str, frame: pd.DataFrame) -> SymbolBars:
        # Nothing is filled at the opens of a reference, so they may be none.
        closes_only = self._market.model_copy(update={"fill": "next_close"})
        market = self._market if symbol in self._data.symbols else closes_only
        return SymbolBars(frame, market, self._calendar, self._rules.thresholds, self._source.simulated)

    def _check(self, symbol: str, bars: SymbolBars, where: str) -> list[dict[str, Any]]:
        """The entries of one symbol in the quality document; errors end it, the first of them with its dates."""
        entries, errors = [], list[tuple[str, Finding]]()
        for check in CHECKS:
            severity = getattr(self._rules.severities, check.id)
            finding = None if severity == "off" or check.fixed else check.find(bars)
            if finding is not None and severity == "error":
                errors.append((check.id, finding))
            count = 0 if finding is None else len(finding.dates)
            detail = "" if finding is None else f"{finding.what} ({first_days(finding.dates)}); {finding.advice}"
            detail = "not looked for, by validation.severities" if severity == "off" else detail
            entries.append({"id": check.id, "severity": severity, "symbol": symbol, "count": count, "detail": detail})
        if errors:
            raise DataError(_sentence(where, errors[0][1], [name for name, _ in errors[1:]]))
        return entries

    def document(self) -> dict[str, Any]:
        """The document `quality` of the symbols that were validated: every check of each, with count 0 and an empty
        detail where nothing was found."""
        checks = list(self._checks)
        if self._calendar.name == OBSERVED:
            detail = "the dates follow no calendar known here, so gaps are not looked for; data.calendar names one"
            checks.append(
                {"id": "calendar_known", "severity": "warning", "symbol": "all", "count": 1, "detail": detail}
            )
        for symbol, found in self._symbols.items():
            if getattr(self._data.source_of(symbol), "closes_only", False):
                detail = "the source has closes alone: open, high and low are set to the close"
                checks.append(
                    {
                        "id": "closes_only",
                        "severity": "warning",
                        "symbol": symbol,
                        "count": found["rows"],
                        "detail": detail,
                    }
                )
        return {
            "simulated": self._source.simulated,
            "calendar": {
                "name": self._calendar.name,
                "inferred": self._calendar.inferred,
                "periods_per_year": self._calendar.periods_per_year,
            },
            "symbols": dict(self._symbols),
            "checks": checks,
            "repairs": list(self._repairs.summary),
            "adjustment": _adjustment(self._adjusted),
        }


def validate_bars(
    bars: pd.DataFrame,
    data: Data,
    market: Market,
    rules: BarRules = BarRules(),  # noqa: B008 - frozen
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """`Validation` of a whole table `bars`: the table `validated_bars` and the document `quality`."""
    parts = {str(symbol): rows for symbol, rows in bars.groupby("symbol", sort=True) if symbol in data.read_symbols}
    validation = Validation(data, market, ((symbol, rows["date"]) for symbol, rows in parts.items()), rules)
    validated = [validation.validate(symbol, rows) for symbol, rows in parts.items()]
    return pd.concat(validated, ignore_index=True), validation.document()


def _union(moments: Days, others: Days) -> Days:
    """The distinct values of both, ascending; quick where both ascend, and quicker where they are the same."""
    if np.array_equal(moments, others):
        return moments
    both = np.sort(np.concatenate([moments, others]), kind="stable")
    return both[np.append(True, both[1:] != both[:-1])]


def _within(dates: pd.Series, symbol: str, data: Data, where: str) -> pd.Series:
    """Which dates lie from data.start to the end of the day data.end."""
    keep = pd.Series(True, index=dates.index)
    if data.start:
        keep &= dates >= pd.Timestamp(data.start)
    if data.end:
        keep &= dates < pd.Timestamp(data.end) + pd.Timedelta(days=1)
    if not keep.any():
        asked = f"{data.start or 'the first bar'} .. {data.end or 'the last bar'}"
        there = f"{day_text(dates.min())} .. {day_text(dates.max())}"
        raise DataError(
            f"{where}: no bars in data.start .. data.end = {asked}; {symbol} has bars in {there}: "
            f"move data.start or data.end, or take {symbol} out of data.symbols."
        )
    return keep


def _sentence(where: str, finding: Finding, others: list[str]) -> str:
    first, more = finding.dates[0], len(finding.dates) - 1
    dates = f" (and on {more} more {'date' if more == 1 else 'dates'})" if more else ""
    failed = f"; {', '.join(others)} {'fails' if len(others) == 1 else 'fail'} too" if others else ""
    return f"{where}, {day_text(first)}: {finding.what}{dates}; {finding.advice}{failed}."


def _adjust(frame: pd.DataFrame) -> pd.DataFrame:
    known = frame["adj_close"].notna().all()
    factor = (frame["adj_close"] / frame["close"]).to_numpy() if known else np.ones(len(frame))
    adjusted = {column: frame[column].to_numpy() * factor for column in PRICES}
    return frame.assign(**adjusted, factor=factor)[_COLUMNS]


def _adjustment(known: dict[str, bool]) -> str:
    adjusted = [symbol for symbol, adjustable in known.items() if adjustable]
    raw = [symbol for symbol in known if symbol not in adjusted]
    sentences = []
    if adjusted:
        sentences.append(
            f"Open, high, low and close of {', '.join(adjusted)} are multiplied by adj_close / close of the same day."
        )
    if raw:
        sentences.append(f"Prices of {', '.join(raw)} are as they came, for no adj_close is known.")
    return " ".join(sentences)
