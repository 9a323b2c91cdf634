"""The vault: the last span of the data, split off at one date for all symbols before anything is fitted."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from outsample.config.models import Vault
from outsample.errors import DataError
from outsample.features.build import without_warm_up
from outsample.hashing import sha256_frame
from outsample.io.schemas import TABLES


def _day(date: Any) -> str:
    """ISO form of a date, without the time where it is midnight."""
    stamp = pd.Timestamp(date)
    return stamp.date().isoformat() if stamp == stamp.normalize() else stamp.isoformat()


def vault_start(dates: NDArray[np.datetime64], vault: Vault) -> pd.Timestamp:
    """First date of the vault: the first of the dates from `vault.start` on, or that of the last `vault.fraction`.

    Args:
        dates: union of the dates of all symbols, sorted, unique.
    Raises: DataError where `vault.start` leaves no date on either side of it.
    """
    if vault.start is None:
        n_vault = max(1, math.floor(len(dates) * vault.fraction + 0.5))
        position = len(dates) - n_vault
    else:
        position = int(np.searchsorted(dates, np.datetime64(vault.start)))
    if position == len(dates):
        raise DataError(
            f"vault.start {vault.start} is after the last bar of {_day(dates[-1])}; choose an earlier date."
        )
    if position <= 0:
        raise DataError(
            f"The vault takes every date from {_day(dates[0])} on and leaves none for development; "
            "choose a later vault.start or a smaller vault.fraction."
        )
    return pd.Timestamp(dates[position])


def split_vault(
    features: pd.DataFrame, vault: Vault, warm_up: int
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Split the feature table at one date for all symbols.

    Args:
        features: table `features`, sorted by symbol and date.
        vault: where the vault starts.
        warm_up: first rows of each symbol that are not traded, in bars.
    Returns: table `development` (the rows before the vault without each symbol's warm-up); table `vault` (its rows,
        and the `warm_up` rows of each symbol before it, which are not `in_vault`; nor are rows in the warm-up of a
        symbol that starts late); document `split`, whose sha256 covers the bars of the vault and not the features, for
        another feature set looks at the same vault.
    Raises: DataError where one of the two spans is empty.
    """
    features = features.reset_index(drop=True)
    start = vault_start(np.unique(features["date"].to_numpy()), vault)
    late = (features["date"] >= start).to_numpy()
    ready = np.zeros(len(features), bool)
    ready[without_warm_up(features, warm_up).index.to_numpy()] = True
    for span, where in (("before", ready & ~late), ("from", ready & late)):
        if not where.any():
            raise DataError(
                f"No symbol has a bar {span} the vault's start {_day(start)} on once its first {warm_up} bars are used "
                "for the warm-up of the features; give more bars, or choose another vault.start or vault.fraction."
            )
    development = features[ready & ~late].reset_index(drop=True)
    bars_left = features[~late].groupby("symbol").cumcount(ascending=False)  # 0 is the last bar before the vault
    before = bars_left.index[bars_left.to_numpy() < warm_up]
    kept = late.copy()
    kept[before.to_numpy()] = True
    table = features[kept].reset_index(drop=True)
    table.insert(len(TABLES["features"].columns), "in_vault", (ready & late)[kept])
    bars = features.loc[late, list(TABLES["features"].columns)]
    return (
        development,
        table,
        {"vault": _span(bars) | {"sha256": sha256_frame(bars)}, "development": _span(development)},
    )


def _span(frame: pd.DataFrame) -> dict[str, Any]:
    dates = np.unique(frame["date"].to_numpy())
    return {"first": _day(dates[0]), "last": _day(dates[-1]), "dates": len(dates)}
