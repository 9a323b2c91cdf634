"""The whole chain on markets of known truth: it finds the planted edge, and nothing in a random walk."""

import json

import numpy as np
import pandas as pd
import pytest
from tests.reference.bayes import oracle_log_return
from tests.workflow.conftest import copy_checkout

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def markets(repository, tmp_path_factory):
    made = copy_checkout(repository, tmp_path_factory.mktemp("markets") / "checkout")
    made.build("results/planted_edge/report.html", "results/random_walk/report.html")
    return made.folder / "results"


def verdict(folder):
    return json.loads((folder / "evaluation/verdict.json").read_text())


def agent(folder):
    returns = pd.read_parquet(folder / "evaluation/returns.parquet")
    return returns[(returns["series"] == "agent")]


def test_planted_edge_is_found(markets):
    assert verdict(markets / "planted_edge")["level"] == "evidence_over_buy_and_hold"


def test_planted_edge_earns_most_of_what_the_bayes_filter_earns(markets):
    folder = markets / "planted_edge"
    rows = agent(folder)
    portfolio = rows[rows["symbol"] == "portfolio"]
    earned = float(np.log1p(portfolio["net_return"]).sum())
    best = oracle_log_return(folder)
    assert best > 0.2
    assert earned >= 0.8 * best


def test_nothing_is_found_in_a_random_walk(markets):
    folder = markets / "random_walk"
    assert verdict(folder)["level"] == "none"
    assert agent(folder)["target"].abs().mean() < 0.05


def test_simulated_bars_are_marked(markets):
    for name in ("planted_edge", "random_walk"):
        assert json.loads((markets / name / "bars.manifest.json").read_text())["simulated"] is True
        assert "simulated" in (markets / name / "report.html").read_text().lower()
