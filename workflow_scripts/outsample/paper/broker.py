"""The paper broker: bars in one at a time, decisions, fills and books out; one sleeve a symbol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from outsample.market.accounting import Books, Ledger, fill_prices, start, step, to_grid
from outsample.packaging.contents import Package
from outsample.packaging.decider import SeenBar, StreamDecider
from outsample.paper.feed import Feed, refuse_twice

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Account:
    """The books of one symbol's sleeve."""

    feed: Feed
    ledger: Ledger  # fields [T]
    fills: Floats  # [T] adjusted price at which the bar would fill


class _Sleeve:
    """One sleeve in the making: its account, and the target that waits for its fill."""

    def __init__(self, feed: Feed, package: Package, equity: float) -> None:
        self.feed, self._rules = feed, package.rules
        self._fills = fill_prices(feed.open, feed.close, package.rules)
        self._sleeve = start(np, equity)
        self._books = Books(feed.dates.shape, self._sleeve)
        self._asked = np.zeros(len(feed.dates))
        self._row = 0

    def open_bar(self) -> SeenBar:
        """Fill the target of the bar before and mark at this bar's close; gives the bar to the features."""
        t, feed = self._row, self.feed
        if t > 0:
            self._sleeve, result = step(
                np, self._sleeve, self._asked[t - 1], self._fills[t], feed.close[t], self._rules, feed.factor[t]
            )
            self._books.enter(t, self._sleeve, result)
        return feed.seen(t)

    def close_bar(self, target: np.float32) -> None:
        """Keep the target that was decided at the close; the last fill of a feed closes the position."""
        if self._row < len(self._asked) - 2:
            self._asked[self._row] = to_grid(np, np.float64(target), self._rules)
        self._row += 1

    def account(self) -> Account:
        ledger = self._books.ledger(self._asked, self._fills, self.feed.factor, self._rules)
        return Account(self.feed, ledger, self._fills)


def trade(package: Package, feeds: Sequence[Feed], where: str) -> dict[str, Account]:
    """Trade the feeds on paper: at each date in turn, every symbol with a bar, from flat to flat.

    A sleeve starts with starting_equity / M, M the number of symbols that the package trades, whether or not all of
    them have a feed. The target decided at the close of bar t is filled at bar t+1. The target of the last bar but one
    is taken as 0, so that a feed ends flat, as in `outsample.market.accounting.simulate`; nothing else looks ahead.

    Args:
        package: the package.
        feeds: bars of distinct symbols.
        where: what errors call the package.
    Returns: symbol -> account.
    Raises: DataError where two feeds are of one symbol, or features are not finite.
    """
    refuse_twice([feed.symbol for feed in feeds])
    equity = package.starting_equity / len(package.symbols)
    sleeves = {feed.symbol: _Sleeve(feed, package, equity) for feed in feeds}
    streams = {feed.symbol: package.stream(feed.checkpoint, where) for feed in feeds}
    decider = StreamDecider(package.policy, package.symbols, streams)
    for when, present in _by_date(sleeves):
        bars = {symbol: sleeves[symbol].open_bar() for symbol in present}
        for symbol, (_, target, _) in decider.decide(bars, when).items():
            sleeves[symbol].close_bar(target)
    return {symbol: sleeve.account() for symbol, sleeve in sorted(sleeves.items())}


def _by_date(sleeves: Mapping[str, _Sleeve]) -> list[tuple[np.datetime64, list[str]]]:
    """Each date of any feed, ascending, with the symbols that have a bar on it."""
    present: dict[np.datetime64, list[str]] = {}
    for symbol in sorted(sleeves):
        for date in sleeves[symbol].feed.dates:
            present.setdefault(date, []).append(symbol)
    return sorted(present.items())
