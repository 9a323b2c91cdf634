"""Train spans of several segments, as k-fold and combinatorial splits have: no step crosses a gap, no gap is read."""

import dataclasses
import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from outsample.agents.inputs import fold_rows
from outsample.agents.lanes import train_lanes
from outsample.agents.studio import Lane, Studio
from outsample.config.agents import Agents
from outsample.config.folds import Folds
from outsample.config.models import Gate
from outsample.folds.make import make_folds
from outsample.folds.scalers import fit_scalers
from outsample.market.accounting import MarketRules
from outsample.market.panel import Panel

_SPEC = importlib.util.spec_from_file_location("agents_case", Path(__file__).parents[1] / "reference/agents_case.py")
case = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(case)

RULES = MarketRules("next_open", cost_rate=6e-4, borrow_per_bar=4e-5, short_selling=True, grid=0.01, band=0.0)
LOOK_BACK = 10
PANEL = case.panel({"A": case.planted(300, 1), "B": case.planted(270, 2)})
SPLIT = 6  # tests the blocks 1 and 3 of 6, and trains on 0, 2, 4 and 5
SETTINGS = {**Agents().direct.model_dump(), "alternatives": [], "updates": 3, "segment": 20}


def _development(panel: Panel) -> pd.DataFrame:
    rows = [panel.rows(index) for index in range(len(panel.symbols))]
    symbol = np.repeat(panel.symbols, [span.stop - span.start for span in rows])
    return pd.DataFrame({"symbol": symbol, "date": panel.dates}).assign(
        **dict(zip(panel.feature_names, panel.features.T, strict=True))
    )


def _folds(panel: Panel) -> pd.DataFrame:
    wanted = Folds(scheme="combinatorial_purged", n_folds=6, n_test_folds=2, inner_folds=2)
    return make_folds(_development(panel), wanted, LOOK_BACK)


def _used(parts: tuple[str, ...]) -> np.ndarray:
    """Rows of the panel that are in these parts of the split."""
    folds, used = _folds(PANEL), np.zeros(len(PANEL.dates), bool)
    for line in folds[(folds["fold"] == SPLIT) & folds["part"].isin(parts)].itertuples():
        first = PANEL.rows(PANEL.symbols.index(line.symbol)).start
        used[first + line.start : first + line.end] = True
    return used


def _poisoned(keep: np.ndarray) -> Panel:
    features = np.where(keep[:, None], PANEL.features, np.nan)
    prices = {name: np.where(keep, getattr(PANEL, name), np.nan) for name in ("open", "close")}
    return dataclasses.replace(PANEL, features=features, **prices)


def _scalers(panel: Panel) -> pd.DataFrame:
    folds = _folds(PANEL)
    return fit_scalers(_development(panel), folds[folds["fold"] == SPLIT], PANEL.feature_names)


def test_scalers_are_those_of_the_train_rows_on_both_sides_of_a_test() -> None:
    folds, scalers = _folds(PANEL), _scalers(PANEL)
    pd.testing.assert_frame_equal(_scalers(_poisoned(_used(("train",)))), scalers, check_exact=True)
    lines = folds[(folds["fold"] == SPLIT) & (folds["inner"] == 1) & (folds["part"] == "train")]
    assert lines.groupby("symbol")["block"].max().min() >= 1  # more than one segment of each symbol
    of_inner = scalers[(scalers["inner"] == 1) & (scalers["feature"] == "f00")].iloc[0]
    rows = [np.arange(r.start, r.end) + PANEL.rows(PANEL.symbols.index(r.symbol)).start for r in lines.itertuples()]
    values = PANEL.features[np.concatenate(rows), 0]
    assert of_inner["center"] == pytest.approx(values.mean())
    assert of_inner["scale"] == pytest.approx(values.std())


def test_segments_lie_within_the_train_blocks() -> None:
    folds = _folds(PANEL)
    studio = Studio.open("direct", PANEL, folds, _scalers(PANEL), RULES)
    job = studio.jobs(Lane(0, SPLIT, 0, SETTINGS), 20)
    for inner, blocks in enumerate(fold_rows(folds, PANEL)[SPLIT].train):
        for start, length in zip(np.asarray(job.start[inner]), np.asarray(job.length[inner]), strict=True):
            assert any(first <= start and start + length <= end - 1 for first, end in blocks)


@pytest.mark.slow
def test_what_is_purged_and_embargoed_changes_no_bit_of_a_lane() -> None:
    lanes, folds = [Lane(0, SPLIT, 0, SETTINGS)], _folds(PANEL)
    keep = _used(("train", "validate", "test"))
    assert 40 < (~keep).sum() < 200
    found = [
        train_lanes("direct", lanes, panel, folds, _scalers(panel), RULES, Gate()) for panel in (PANEL, _poisoned(keep))
    ]
    for name in ("targets", "lanes", "curves"):
        first, other = (getattr(results, name) for results in found)
        pd.testing.assert_frame_equal(first, other, check_exact=True)
    targets = found[0].targets
    assert targets["target"].nunique() > 1
    # Both tested blocks, and nothing else, each from flat to flat.
    tests = folds[(folds["fold"] == SPLIT) & (folds["part"] == "test")]
    assert len(targets) == (tests["end"] - tests["start"]).sum()
