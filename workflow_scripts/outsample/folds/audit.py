"""The audit of look-ahead for the features, folds and scalers of an experiment's settings."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from outsample.config.features import FeatureSet
from outsample.config.folds import Folds
from outsample.config.models import Vault
from outsample.errors import AuditError
from outsample.features.audit import audit_leakage, choose_cuts
from outsample.features.build import build_features
from outsample.features.user import UserFeature
from outsample.folds.make import make_folds
from outsample.folds.scalers import fit_scalers
from outsample.folds.vault import split_vault, vault_start


class Written(NamedTuple):
    """The tables that training reads."""

    features: Any  # tables; in _KEYS, the columns by which each is sorted
    folds: Any
    scalers: Any


_KEYS = Written(["symbol", "date"], ["fold", "inner", "part", "symbol", "block"], ["fold", "inner", "feature"])


def _check_written(written: Written | None, audited: Written) -> None:
    if written is None:
        return
    for name, keys, found, expected in zip(Written._fields, _KEYS, written, audited, strict=True):
        columns = list(expected.columns)
        ordered = expected.sort_values(keys, ignore_index=True)
        same = sorted(found.columns) == sorted(columns)
        if same:
            compared = found.sort_values(keys, ignore_index=True)[columns].astype(ordered.dtypes.to_dict())
            same = compared.equals(ordered)
        if not same:
            raise AuditError(
                f"The table {name} is not the one that the audit builds from the same bars; delete it and run again."
            )


def audit_experiment(
    validated_bars: pd.DataFrame,
    features: FeatureSet,
    vault: Vault,
    folds: Folds,
    n_cuts: int = 12,
    written: Written | None = None,
    references: Collection[str] = (),
    own: Sequence[UserFeature] = (),
) -> pd.DataFrame:
    """Audit the shipped features, folds and scalers under an experiment's settings (see `audit_leakage`).

    The cuts include the last date before the vault and the ends of train spans, where a scaler that reads one bar too
    far is seen.

    Args:
        validated_bars: table `validated_bars`; the future of the references is replaced at the same cuts.
        n_cuts: about how many cuts are tried; each builds all features once more.
        written: the tables features, folds and scalers that training will read, to be compared with those that are
            audited; None compares nothing.
        references: symbols that are not traded.
        own: features of the user's file.
    Returns: table `audit`.
    Raises: AuditError naming what looks ahead, or the written table that is not the audited one; the errors of
        building features and folds.
    """

    def build(bars: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Any]]:
        return build_features(bars, features, references, own)

    def split_and_fold(table: pd.DataFrame, spec: dict[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
        development, _, _ = split_vault(table, vault, spec["warm_up"])
        parts = make_folds(development, folds, spec["warm_up"])
        names = [feature["name"] for feature in spec["features"]]
        return parts, fit_scalers(development, parts, names, folds.scaling)

    table, spec = build(validated_bars)
    parts, scalers = split_and_fold(table, spec)
    _check_written(written, Written(table, parts, scalers))
    dates = np.unique(table["date"].to_numpy())
    split = int(np.searchsorted(dates, np.datetime64(vault_start(dates, vault))))
    ends = parts[(parts["part"] == "train") & (parts["fold"] >= 0)].groupby("fold")["last_date"].max()
    picked = np.unique(np.linspace(0, len(ends) - 1, max(n_cuts // 2 - 1, 1)).astype(int))
    cuts = choose_cuts(dates, spec["warm_up"], n_cuts, [pd.Timestamp(dates[split - 1]), *ends.iloc[picked]])
    return audit_leakage(validated_bars, build, split_and_fold, cuts)
