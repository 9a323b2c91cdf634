"""The vault traded on paper against the evaluation: the same equity, fills and costs, or an error."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from outsample.errors import PackageError, PaperError
from outsample.features.references import close_column
from outsample.market.trades import round_trips
from outsample.packaging.contents import BAR, Package
from outsample.packaging.decider import day_text
from outsample.paper.broker import Account
from outsample.paper.feed import Feed

TOLERANCE = 1e-9  # of a column's largest value in the evaluation, at least 1


def check_archive(archive: bytes | None, document: Mapping[str, Any]) -> bytes:
    """The bytes of the archive that the document `package` names.

    Raises: PackageError where they are missing or others.
    """
    if archive is None or hashlib.sha256(archive).hexdigest() != document["sha256"]:
        state = "is missing" if archive is None else "is not the one that was built"
        raise PackageError(
            f"The package {document['file']} {state}; run package_model again: delete package.json beside its folder."
        )
    return archive


def vault_feeds(package: Package, vault: pd.DataFrame) -> list[Feed]:
    """The feeds of the vault's bars, from the package's checkpoint before it.

    Args:
        package: the package.
        vault: table `vault`; only its rows `in_vault` are traded.
    Raises: PackageError where the package is of other symbols.
    """
    opened = vault[vault["in_vault"].to_numpy()]
    if sorted(set(opened["symbol"])) != list(package.symbols):
        raise PackageError("The package trades other symbols than the vault holds; run package_model again.")
    feeds = []
    for symbol in package.symbols:
        rows = opened[opened["symbol"] == symbol]
        (checkpoint,) = (c for c in package.checkpoints[symbol] if c.span == "vault")
        dates = rows["date"].to_numpy().astype("datetime64[us]")
        bars, factor = rows[list(BAR)].to_numpy(np.float64), rows["factor"].to_numpy(np.float64)
        others = {other: rows[close_column(other)].to_numpy(np.float64) for other in package.others}
        feeds.append(Feed(symbol, checkpoint, dates, bars, factor, others))
    return feeds


def compare(
    table: pd.DataFrame,
    accounts: Mapping[str, Account],
    package: Package,
    returns: pd.DataFrame,
    trades: pd.DataFrame,
) -> dict[str, float]:
    """The largest difference of each column from the evaluation's, as a fraction of its largest value (at least 1).

    Args:
        table: table `paper_ledger` of the accounts.
        accounts: symbol -> account, on the vault.
        package: the package.
        returns, trades: of the evaluation.
    Raises: PaperError where the bars, or the number of round trips, or a value by more than 1e-9, are others.
    """
    own = table.sort_values(["symbol", "date"], ignore_index=True)
    evaluated = returns[returns["series"] == "agent"].sort_values(["symbol", "date"], ignore_index=True)
    found = _differences("returns", own, evaluated, ["equity", "net_return", "cost", "target", "position", "price"])
    trips = [
        round_trips(account.ledger, account.feed.dates, account.fills / account.feed.factor, symbol)
        for symbol, account in accounts.items()
    ]
    own = pd.concat(trips, ignore_index=True).rename(columns={"entry_date": "date"})
    evaluated = trades.rename(columns={"entry_date": "date"}).sort_values(["symbol", "date"], ignore_index=True)
    columns = ["direction", "bars", "entry_price", "exit_price", "profit", "cost"]
    found |= {f"trade_{name}": value for name, value in _differences("trades", own, evaluated, columns).items()}
    return found


def _differences(what: str, own: pd.DataFrame, evaluated: pd.DataFrame, columns: list[str]) -> dict[str, float]:
    keys = ["symbol", "date"]
    if len(own) != len(evaluated) or not (own[keys].to_numpy() == evaluated[keys].to_numpy()).all():
        raise PaperError(
            f"Paper trading made {len(own)} rows where the evaluation's table {what} has {len(evaluated)}, or on other "
            "dates: the package does not trade as was evaluated; run package_model and evaluate again."
        )
    found = {}
    for column in columns:
        mine, theirs = own[column].to_numpy(np.float64), evaluated[column].to_numpy(np.float64)
        apart = np.abs(mine - theirs) / max(float(np.abs(theirs).max(initial=0.0)), 1.0)
        if not (apart <= TOLERANCE).all():
            row = int(np.argmin(apart <= TOLERANCE))
            raise PaperError(
                f"Paper trading has {column} {mine[row]:.12g} for {own['symbol'].iloc[row]} on "
                f"{day_text(own['date'].to_numpy()[row])} where the evaluation's table {what} has {theirs[row]:.12g}: "
                "the package does not trade as was evaluated; run package_model and evaluate again."
            )
        found[column] = float(apart.max(initial=0.0))
    return found
