"""Standardisation of the features, fitted on the train rows of each fold alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from outsample.errors import DataError
from outsample.features.build import symbol_rows
from outsample.io.schemas import TABLES

# Features are ratios, scores and log returns: what varies by less than this varies by rounding.
SMALLEST_SCALE = 1e-12


def fit_scalers(development: pd.DataFrame, folds: pd.DataFrame, feature_names: Sequence[str]) -> pd.DataFrame:
    """Mean and population standard deviation of each feature over the train rows of each (fold, inner).

    Args:
        development: table `development`, sorted by symbol and date.
        folds: table `folds` of it.
        feature_names: the features, in any order.
    Returns: table `scalers`; a feature is used as (value - center) / scale.
    Raises: DataError naming a feature that does not vary on the train rows of a fold.
    """
    names = sorted(feature_names)
    values = np.ascontiguousarray(development[names].to_numpy(np.float64))
    rows = dict(symbol_rows(development))
    parts = []
    for (fold, inner), blocks in folds[folds["part"] == "train"].groupby(["fold", "inner"], sort=True):
        spans = [
            values[rows[symbol].start + start : rows[symbol].start + end]
            for symbol, start, end in zip(blocks["symbol"], blocks["start"], blocks["end"], strict=True)
        ]
        train = np.concatenate(spans)
        center, scale = train.mean(axis=0), train.std(axis=0)
        constant = np.flatnonzero(scale < SMALLEST_SCALE)
        if len(constant):
            raise DataError(
                f"The feature {names[int(constant[0])]} is constant on the {len(train)} train rows of fold {fold}, "
                f"inner fold {inner}, from {blocks['first_date'].min()} to {blocks['last_date'].max()}; leave it out "
                "of features, or give bars in which it varies."
            )
        parts.append(pd.DataFrame({"fold": fold, "inner": inner, "feature": names, "center": center, "scale": scale}))
    frame = pd.concat(parts, ignore_index=True).astype({"fold": "int32", "inner": "int32"})
    return frame.sort_values(list(TABLES["scalers"].keys), kind="stable", ignore_index=True)
