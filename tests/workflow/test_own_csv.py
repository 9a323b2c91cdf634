"""A user's own file becomes a report by an experiment file of six lines and the same command."""

import json

import pandas as pd
import pytest

pytestmark = pytest.mark.slow

# As in the README.
EXPERIMENT = """\
data:
  source:
    kind: csv
    path: data/own/{symbol}.csv
  symbols: [MINE]
  start: 2013-06-01
"""
# Keeps the test short; a user gives the experiment's name only.
SHORT = ("search={rounds: 1, trials_per_round: 1, seeds: 1}", "null_control={surrogates: 0}")


def test_own_csv_with_columns_in_any_order(checkout, repository):
    bars = pd.read_csv(repository / "data/market/NVDA.csv")
    bars["Note"] = "ignored"
    own = bars[["volume", "Note", "close", "low", "date", "high", "open"]]
    (checkout.folder / "data/own").mkdir()
    own.rename(columns=str.capitalize).to_csv(checkout.folder / "data/own/MINE.csv", index=False)
    assert len(EXPERIMENT.splitlines()) == 6
    (checkout.folder / "config/experiments/mine.yaml").write_text(EXPERIMENT)

    checkout.build("--config", "experiment=mine", *SHORT, "--", "results/report.html")

    report = (checkout.folder / "results/report.html").read_text()
    assert report == (checkout.folder / "results/mine/report.html").read_text()
    assert "MINE" in report
    quality = json.loads((checkout.folder / "results/mine/quality.json").read_text())
    assert quality["calendar"]["name"] == "XNYS"
    assert quality["calendar"]["inferred"] is True
    assert quality["symbols"]["MINE"]["first"].startswith("2013-06-03")
    assert "XNYS" in report
