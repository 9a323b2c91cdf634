"""Folds in the report, and what it says where they train on both sides of a test."""

import copy
import dataclasses
import re
import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from outsample.config.folds import Folds
from outsample.folds.make import make_folds
from outsample.report import approaches, folds, tables
from outsample.report.inputs import read_tables
from outsample.report.markup import number
from outsample.selection.paths import path_metrics

write_tables = runpy.run_path(str(Path(__file__).parents[1] / "report_tables.py"))["write_tables"]


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return read_tables(write_tables(tmp_path_factory.mktemp("forward")))


@pytest.fixture(scope="module")
def combinatorial(report):
    """The same report as if its folds were the six splits of four blocks."""
    wanted = Folds(scheme="combinatorial_purged", n_folds=4, inner_folds=2)
    dates = pd.bdate_range("2020-01-01", periods=300).astype("datetime64[us]")
    development = pd.concat([pd.DataFrame({"symbol": s, "date": dates}) for s in report.symbols], ignore_index=True)
    made = make_folds(development, wanted, look_back=5)
    generator = np.random.Generator(np.random.PCG64(0))
    tests = made[(made["part"] == "test") & (made["symbol"] == report.symbols[0])]
    earned = pd.concat(
        [
            pd.DataFrame({"fold": line.fold, "date": dates[line.start : line.end], "agent": "ppo", "trial": trial})
            for line in tests.itertuples()
            for trial in range(4)
        ]
    ).assign(seed=0)
    earned["net_return"] = generator.normal(0, 0.01, len(earned))
    config = copy.deepcopy(report.config)
    config["settings"]["folds"] = wanted.model_dump(mode="json")
    return dataclasses.replace(
        report, config=config, folds=made, paths=path_metrics(earned, 252.0), comparison=report.comparison[:0]
    )


def text(fragment: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", fragment))


def test_the_table_says_what_is_left_out_before_and_after_a_test(report, combinatorial):
    assert "left out after" not in folds.folds(report)
    assert folds.FORWARD in folds.folds(report)
    shown = text(folds.folds(combinatorial))
    assert folds.AROUND in shown
    assert folds.FORWARD not in shown
    # Split 1 tests blocks 0 and 2 of 75 bars: it learns from 68 less 2 bars between them, and from what follows.
    assert re.search(r"fold 1 \S+ to \S+ in 2 spans 134 none 2020-01-01 to 2020-04-14 75 7", shown)
    assert re.search(r"fold 1 \S+ to \S+ in 2 spans 134 2 2020-07-29 to 2020-11-10 75 7", shown)


def test_the_time_line_names_the_gaps_on_both_sides(report, combinatorial):
    forward, around = folds.fold_time_line(report), folds.fold_time_line(combinatorial)
    assert "purged before the test" in forward
    assert "walk-forward folds" in forward
    assert "2 bars before it are purged and 7 bars after it are left out" in around
    assert "6 folds that test every bar" in around
    assert "are drawn" not in around


def test_no_arm_is_compared_and_the_report_says_why(combinatorial):
    assert "with folds.scheme combinatorial_purged models learn from bars after those" in approaches.comparison(
        combinatorial
    )
    assert "trained on 6 folds × 2 inner folds" in text(tables.question(combinatorial))


def test_the_chosen_trial_over_its_folds_and_paths(report, combinatorial):
    found = text(folds.fold_metrics(report))
    own = report.fold_metrics.query("agent == 'ppo' and trial == 1 and metric == 'sharpe'").iloc[0]
    numbers = [number(own[name]).text for name in ("mean", "median", "worst", "iqm")]
    assert f"Sharpe ratio {' '.join(numbers)} {own['folds']}" in found
    assert "paths" not in found
    paths = combinatorial.paths.query("trial == 1")["sharpe"]
    least, most = (number(value).text for value in (paths.min(), paths.max()))
    shown = text(folds.fold_metrics(combinatorial))
    assert "The splits make 3 paths, each of which tests every one of 300 bars once." in shown
    assert re.search(rf"Sharpe ratio {least} \S+ {most}", shown)
