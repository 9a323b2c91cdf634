"""The rows that weights are pre-trained on: other symbols, bound by the vault and the folds of those traded."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from outsample.config.folds import Folds
from outsample.config.models import Settings
from outsample.errors import DataError
from outsample.features.build import build_features, without_warm_up
from outsample.features.user import UserFeature
from outsample.folds.make import make_folds


def transfer_tables(
    validated_bars: pd.DataFrame,
    settings: Settings,
    development: pd.DataFrame,
    vault_start: pd.Timestamp,
    own: Sequence[UserFeature] = (),
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of `data.transfer` before the vault, and their parts in each fold.

    A row is in the train span of a fold, or of an inner one, by its date alone: purge and embargo are those of the
    symbols that are traded, so that nothing is pre-trained on a date that a model is judged on. Under `anchored`, and
    on both sides of a test under the purged schemes, bars from before the first date of the traded symbols are used as
    well; under `rolling` a train span begins at the same date for all.

    Args:
        validated_bars: table `validated_bars`, of all symbols that are read.
        settings: of them, data, features and folds are read.
        development: table `development` of the symbols that are traded, whose dates the folds are cut on.
        vault_start: first date of the vault.
        own: features of the user.
    Returns: tables `development` and `folds` of the symbols of data.transfer.
    Raises: DataError where none of them has a bar in a part of a fold.
    """
    others = [symbol for symbol in validated_bars["symbol"].unique() if symbol not in settings.data.transfer]
    features, spec = build_features(validated_bars, settings.features, others, own)
    ready = without_warm_up(features, spec["warm_up"])
    rows = ready[(ready["date"] < vault_start).to_numpy()].reset_index(drop=True)
    if rows.empty:
        raise DataError(
            f"{', '.join(settings.data.transfer)} of data.transfer have no bar before the vault's start "
            f"{vault_start.date()} once the first {spec['warm_up']} are used for the warm-up of the features; give "
            "earlier bars."
        )
    folds: Folds = settings.folds
    return rows, make_folds(development, folds, spec["warm_up"], rows)
