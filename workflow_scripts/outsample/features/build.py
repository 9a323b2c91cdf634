"""From validated bars to the feature table and its specification."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from outsample.config.features import FeatureSet
from outsample.errors import DataError
from outsample.features.indicators import Array
from outsample.features.registry import Feature, requested_features

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


def symbol_features(bars: pd.DataFrame, settings: FeatureSet) -> pd.DataFrame:
    """Compute the features of one symbol; row t uses its bars up to and including t.

    Args:
        bars: rows of the table `validated_bars` of one symbol, by ascending date.
        settings: look-backs in bars.
    Returns: rows of the table `features`, with NaN in the first rows of each feature, its warm-up.
    Raises: DataError where the symbol is shorter than the longest warm-up, or a feature is not finite after its own.
    """
    features = requested_features(settings)
    warm_up = max(feature.warm_up for feature in features)
    symbol, dates = str(bars["symbol"].iloc[0]), bars["date"].to_numpy()
    if len(bars) <= warm_up:
        raise DataError(
            f"{symbol} has {len(bars)} bars, and the warm-up of the features alone takes {warm_up}; "
            "give more bars or shorter look-backs."
        )
    columns = {name: bars[name].to_numpy(np.float64) for name in BAR_COLUMNS}
    table = {}
    for feature in features:
        with np.errstate(all="ignore"):  # what is not finite is an error below, with the date in it
            values = feature.compute(columns)
        _check_finite(feature, values, symbol, dates)
        table[feature.name] = values
    # Not copied into one block: a symbol of minute bars has half a million rows of all these columns.
    return pd.DataFrame({column: bars[column].array for column in bars} | table, copy=False)


def feature_spec(settings: FeatureSet) -> dict[str, Any]:
    """The document `feature_spec`: the features in the order of the policy's inputs, and the longest warm-up."""
    features = requested_features(settings)
    return {
        "features": [feature.document() for feature in features],
        "warm_up": max(feature.warm_up for feature in features),
    }


def build_features(validated_bars: pd.DataFrame, settings: FeatureSet) -> tuple[pd.DataFrame, dict[str, Any]]:
    """`symbol_features` of every symbol of the table `validated_bars`, and the document `feature_spec`."""
    parts = [symbol_features(validated_bars.iloc[rows], settings) for _, rows in symbol_rows(validated_bars)]
    return pd.concat(parts, ignore_index=True), feature_spec(settings)
