"""The books of paper trading as plain columns: what each bar and each fill did, each symbol and their sum."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outsample.market.portfolio import Portfolio, portfolio_equity
from outsample.packaging.contents import SPANS, Package
from outsample.packaging.decider import day_text
from outsample.paper.broker import Account

Columns = dict[str, NDArray[Any]]


def ledger_columns(accounts: Mapping[str, Account]) -> Columns:
    """Table `paper_ledger`: the sleeve of each symbol and the portfolio, which is their sum, bar by bar."""
    books = {symbol: (account.feed.dates, account.ledger) for symbol, account in accounts.items()}
    parts = [_sleeve(symbol, account) for symbol, account in accounts.items()]
    parts.append(_portfolio(portfolio_equity(books), accounts))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _sleeve(symbol: str, account: Account) -> Columns:
    feed, ledger = account.feed, account.ledger
    return {
        "symbol": np.full(len(feed.dates), symbol, dtype=object),
        "date": feed.dates,
        "equity": ledger.equity,
        "net_return": ledger.net_return,
        "cost": ledger.cost_return,
        "paid": ledger.cost,
        "target": ledger.target,
        "position": ledger.position,
        "shares": ledger.shares,
        "price": feed.close / feed.factor,
    }


def _portfolio(portfolio: Portfolio, accounts: Mapping[str, Account]) -> Columns:
    """The sum of the sleeves; its target is the mean of their last targets, as in the evaluation."""
    targets = []
    for account in accounts.values():
        last = np.searchsorted(account.feed.dates, portfolio.dates, side="right") - 1
        targets.append(np.where(last >= 0, account.ledger.target[last], 0.0))
    none = np.zeros(len(portfolio.dates))
    return {
        "symbol": np.full(len(portfolio.dates), "portfolio", dtype=object),
        "date": portfolio.dates,
        "equity": portfolio.equity,
        "net_return": portfolio.net_return,
        "cost": portfolio.cost_return,
        "paid": portfolio.cost,
        "target": np.mean(targets, axis=0),
        "position": portfolio.position,
        "shares": none,
        "price": none,
    }


def fill_columns(accounts: Mapping[str, Account]) -> Columns:
    """Table `paper_fills`: each trade with its raw shares (negative when sold) and raw price."""
    parts = []
    for symbol, account in accounts.items():
        ledger, factor = account.ledger, account.feed.factor
        rows = np.flatnonzero(ledger.traded > 0)
        held = ledger.units[rows - 1] * account.fills[rows]
        price = account.fills[rows] / factor[rows]
        parts.append(
            {
                "symbol": np.full(len(rows), symbol, dtype=object),
                "date": account.feed.dates[rows],
                "target": ledger.target[rows - 1],
                "shares": (ledger.placed[rows] - held) / price,
                "price": price,
                "notional": ledger.traded[rows],
                "fee": ledger.fee[rows],
            }
        )
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def summary(package: Package, accounts: Mapping[str, Account]) -> dict[str, Any]:
    """What was traded, from when to when, and what came of it, for the document beside the tables."""
    return {
        "model": package.model,
        "version": package.version,
        "calendar": package.calendar.name,
        "gaps_checked": package.calendar.weekmask is not None,
        "symbols": {
            symbol: {
                "begins_in": SPANS[account.feed.checkpoint.span],
                "first": day_text(account.feed.dates[0]),
                "last": day_text(account.feed.dates[-1]),
                "bars": len(account.feed.dates),
                "fills": int((account.ledger.traded > 0).sum()),
                "paid": float(account.ledger.cost.sum()),
                "equity_first": float(account.ledger.equity[0]),
                "equity_last": float(account.ledger.equity[-1]),
            }
            for symbol, account in accounts.items()
        },
    }


def to_csv(columns: Columns) -> str:
    """Columns as CSV; numbers with the digits that give the same number again."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    texts = [_cells(values) for values in columns.values()]
    writer.writerows(zip(*texts, strict=True))
    return buffer.getvalue()


def _cells(values: NDArray[Any]) -> list[str]:
    if values.dtype.kind == "M":
        return [day_text(value) for value in values]
    if values.dtype.kind == "f":
        return [repr(float(value)) for value in values]
    return [str(value) for value in values]
