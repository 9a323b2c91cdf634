"""The files that every rule of training reads, and those that it writes of its lanes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from outsample.agents.lanes import LaneResults
from outsample.config.models import Gate, Market
from outsample.io import read_json, read_table, write_table
from outsample.market.accounting import MarketRules
from outsample.market.panel import Panel


class TrainingData(NamedTuple):
    """What lanes are trained on, in the order in which `outsample.agents.lanes.train_lanes` takes it."""

    panel: Panel
    folds: pd.DataFrame
    scalers: pd.DataFrame
    rules: MarketRules
    gate: Gate


def read_panel(rows: str | Path, spec: str | Path) -> Panel:
    """The bars and features of a table "development", by the document "feature_spec"."""
    names = [feature["name"] for feature in read_json(spec, "feature_spec")["features"]]
    return Panel.from_frame(read_table(rows, "development"), names)


def read_training(
    development: str | Path,
    spec: str | Path,
    quality: str | Path,
    folds: str | Path,
    scalers: str | Path,
    settings: Mapping[str, Any],
) -> TrainingData:
    """What lanes are trained on.

    Args:
        development, spec, quality, folds, scalers: the files of these names.
        settings: with the blocks market and gate.
    """
    periods = read_json(quality, "quality")["calendar"]["periods_per_year"]
    return TrainingData(
        panel=read_panel(development, spec),
        folds=read_table(folds, "folds"),
        scalers=read_table(scalers, "scalers"),
        rules=MarketRules.from_settings(Market(**settings["market"]), periods),
        gate=Gate(**settings["gate"]),
    )


def write_results(results: LaneResults, targets: str | Path, lanes: str | Path, curves: str | Path) -> None:
    """Write what lanes gave."""
    write_table(results.targets, targets, "targets")
    write_table(results.lanes, lanes, "lanes")
    write_table(results.curves, curves, "curves")
