"""Scaling of the features, fitted on the train rows of each fold alone.

Of the train values of a feature, with x a value of any bar:

    standard       (x - mean) / standard deviation
    robust         (x - median) / (0.741 * interquartile range), which for normal values is the standard deviation
    min_max        from -1 at the least to 1 at the largest train value, linear in between
    quantile_rank  from -1 to 1 by rank: linear between 33 quantiles, which are equally far apart in rank

The first two go on beyond the train values; the last two stay at -1 and 1 there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from outsample.errors import DataError
from outsample.features.build import symbol_rows
from outsample.io.schemas import TABLES

Kind = Literal["standard", "robust", "min_max", "quantile_rank"]
Floats = NDArray[np.float64]

# Features are ratios, scores and log returns: what varies by less than this varies by rounding.
SMALLEST_SCALE = 1e-12
_NORMAL_IQR = 1.3489795003921634  # interquartile range of the standard normal distribution
_STEPS = {"min_max": 1, "quantile_rank": 32}


def fit_scalers(
    development: pd.DataFrame, folds: pd.DataFrame, feature_names: Sequence[str], kind: Kind = "standard"
) -> pd.DataFrame:
    """The scaler of each feature over the train rows of each (fold, inner).

    Args:
        development: table `development`, sorted by symbol and date.
        folds: table `folds` of it.
        feature_names: the features, in any order.
        kind: which scaling.
    Returns: table `scalers`: center and scale, which are mean and population standard deviation, or median and scaled
        interquartile range where robust; of min_max and quantile_rank also the knots, by ascending rank.
    Raises: DataError naming a feature that does not vary on the train rows of a fold, or not enough to be scaled.
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
        where = (
            f"the {len(train)} train rows of fold {fold}, inner fold {inner}, from {blocks['first_date'].min()} to "
            f"{blocks['last_date'].max()}"
        )
        fitted = {"center": train.mean(axis=0), "scale": train.std(axis=0)}
        constant = np.flatnonzero(fitted["scale"] < SMALLEST_SCALE)
        if len(constant):
            raise DataError(
                f"The feature {names[int(constant[0])]} is constant on {where}; leave it out of features, or give bars "
                "in which it varies."
            )
        if kind == "robust":
            fitted = _robust(train, names, where)
        elif kind in _STEPS:
            knots = np.quantile(train, np.linspace(0, 1, _STEPS[kind] + 1), axis=0)
            fitted |= {f"knot_{number:02}": of_rank for number, of_rank in enumerate(knots)}
        parts.append(pd.DataFrame({"fold": fold, "inner": inner, "feature": names} | fitted))
    frame = pd.concat(parts, ignore_index=True).astype({"fold": "int32", "inner": "int32"})
    return frame.sort_values(list(TABLES["scalers"].keys), kind="stable", ignore_index=True)


def _robust(train: Floats, names: Sequence[str], where: str) -> dict[str, Floats]:
    """Median and scaled interquartile range of each feature."""
    low, median, high = np.quantile(train, [0.25, 0.5, 0.75], axis=0)
    constant = np.flatnonzero(high - low < SMALLEST_SCALE)
    if len(constant):
        raise DataError(
            f"The middle half of the feature {names[int(constant[0])]} is constant on {where}, so that folds.scaling "
            "robust cannot scale it; take another scaling, or leave the feature out of features."
        )
    return {"center": median, "scale": (high - low) / _NORMAL_IQR}
