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


def build_features(validated_bars: pd.DataFrame, settings: FeatureSet) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Compute the features of every symbol; row t uses that symbol's bars up to and including t.

    Args:
        validated_bars: table `validated_bars`: adjusted prices, sorted by symbol and date.
        settings: look-backs in bars.
    Returns: table `features`, with NaN in the first `warm_up` rows of each symbol (of each feature its own warm-up),
        and the document `feature_spec`.
    Raises: DataError where a symbol is shorter than the longest warm-up, or a feature is not finite after its own.
    """
    features = requested_features(settings)
    warm_up = max(feature.warm_up for feature in features)
    dates = validated_bars["date"].to_numpy()
    columns = {name: validated_bars[name].to_numpy(np.float64) for name in BAR_COLUMNS}
    table = np.empty((len(features), len(validated_bars)))
    for symbol, rows in symbol_rows(validated_bars):
        if rows.stop - rows.start <= warm_up:
            raise DataError(
                f"{symbol} has {rows.stop - rows.start} bars, and the warm-up of the features alone takes {warm_up}; "
                "give more bars or shorter look-backs."
            )
        bars = {name: values[rows] for name, values in columns.items()}
        for index, feature in enumerate(features):
            with np.errstate(all="ignore"):  # what is not finite is an error below, with the date in it
                values = feature.compute(bars)
            _check_finite(feature, values, symbol, dates[rows])
            table[index, rows] = values
    frame = pd.concat(
        [
            validated_bars.reset_index(drop=True),
            pd.DataFrame(dict(zip((f.name for f in features), table, strict=True))),
        ],
        axis=1,
    )
    return frame, {"features": [feature.document() for feature in features], "warm_up": warm_up}
