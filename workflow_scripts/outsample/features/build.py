"""From validated bars to the feature table and its specification."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from outsample.config.features import FeatureSet
from outsample.errors import DataError
from outsample.features.indicators import Array
from outsample.features.references import Closes, close_column, last_closes
from outsample.features.registry import Feature, requested_features
from outsample.features.streaming import seconds_of
from outsample.features.user import UserFeature
from outsample.features.user_checks import check_values

BAR_COLUMNS = ("open", "high", "low", "close", "volume")


def symbol_rows(frame: pd.DataFrame) -> Iterator[tuple[str, slice]]:
    """Each symbol of a table that is sorted by symbol, with the slice of its rows."""
    symbols = frame["symbol"].to_numpy()
    starts = np.flatnonzero(np.append(True, symbols[1:] != symbols[:-1])) if len(symbols) else np.array([], int)
    for start, end in zip(starts, np.append(starts[1:], len(symbols)), strict=True):
        yield str(symbols[start]), slice(int(start), int(end))


def without_warm_up(features: pd.DataFrame, warm_up: int) -> pd.DataFrame:
    """The rows of a feature table without the first `warm_up` rows of each symbol; keeps the index."""
    return features[features.groupby("symbol").cumcount().to_numpy() >= warm_up]


def _check_finite(feature: Feature, values: Array, symbol: str, dates: np.ndarray) -> None:
    bad = np.flatnonzero(~np.isfinite(values[feature.warm_up :]))
    if len(bad):
        row = feature.warm_up + int(bad[0])
        raise DataError(
            f"{symbol}: the feature {feature.name} is {values[row]} on {pd.Timestamp(dates[row])} (row {row}), after "
            f"its warm-up of {feature.warm_up} bars; correct the bars of the {feature.warm_up + 1} dates up to there."
        )


def symbol_features(
    bars: pd.DataFrame,
    settings: FeatureSet,
    closes: Mapping[str, Closes] | None = None,
    own: Sequence[UserFeature] = (),
) -> pd.DataFrame:
    """Compute the features of one symbol; row t uses its bars, and the closes of others, up to and including t.

    Args:
        bars: rows of the table `validated_bars` of one symbol, by ascending date.
        settings: look-backs in bars.
        closes: each of `settings.others` -> its adjusted closes.
        own: features of the user's file (`outsample.features.registry.own_features`).
    Returns: rows of the table `features`, with the closes of others at the symbol's dates, and NaN in the first rows of
        each feature, its warm-up.
    Raises: DataError where the symbol is shorter than the longest warm-up, another symbol's close is not there or too
        old, a feature is not finite after its warm-up, or one of the user's does not keep to what it declares.
    """
    features = requested_features(settings, own)
    warm_up = max(feature.warm_up for feature in features)
    symbol, dates = str(bars["symbol"].iloc[0]), bars["date"].to_numpy()
    if len(bars) <= warm_up:
        raise DataError(
            f"{symbol} has {len(bars)} bars, and the warm-up of the features alone takes {warm_up}; "
            "give more bars or shorter look-backs."
        )
    table = {
        close_column(other): last_closes(symbol, dates, other, (closes or {})[other], settings.cross_max_age)
        for other in settings.others
    }
    columns = {name: bars[name].to_numpy(np.float64) for name in BAR_COLUMNS} | table | {"date": seconds_of(dates)}
    for feature in features:
        with np.errstate(all="ignore"):  # what is not finite is an error below, with the date in it
            values = feature.compute(columns)
        if feature.user is not None:
            check_values(feature.user, columns, values, symbol, dates)
        _check_finite(feature, values, symbol, dates)
        table[feature.name] = values
    # Not copied into one block: a symbol of minute bars has half a million rows of all these columns.
    return pd.DataFrame({column: bars[column].array for column in bars} | table, copy=False)


def feature_spec(settings: FeatureSet, own: Sequence[UserFeature] = ()) -> dict[str, Any]:
    """The document `feature_spec`: the features in the order of the policy's inputs, the longest warm-up, and the
    other symbols whose closes they take, with the age in days at which a close is too old."""
    features = requested_features(settings, own)
    return {
        "features": [feature.document() for feature in features],
        "warm_up": max(feature.warm_up for feature in features),
        "others": {"symbols": settings.others, "max_age": settings.cross_max_age},
    }


def closes_of(bars: pd.DataFrame) -> Closes:
    """The closes of one symbol's bars, which ascend by date."""
    return Closes(bars["date"].to_numpy(), bars["close"].to_numpy(np.float64))


def build_features(
    validated_bars: pd.DataFrame,
    settings: FeatureSet,
    references: Collection[str] = (),
    own: Sequence[UserFeature] = (),
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """`symbol_features` of every symbol of the table `validated_bars` but the references, and the document
    `feature_spec`."""
    parts = {symbol: validated_bars.iloc[rows] for symbol, rows in symbol_rows(validated_bars)}
    closes = {symbol: closes_of(part) for symbol, part in parts.items() if symbol in settings.others}
    built = [symbol_features(part, settings, closes, own) for symbol, part in parts.items() if symbol not in references]
    return pd.concat(built, ignore_index=True), feature_spec(settings, own)
