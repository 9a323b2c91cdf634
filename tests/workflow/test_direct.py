"""The agent `direct` with a memory through the whole chain: report, package and paper need nothing of their own."""

import json

import pandas as pd
import pytest
from tests.workflow.conftest import copy_checkout

pytestmark = pytest.mark.slow


def test_direct_ends_in_a_report_a_package_and_a_paper_replay(repository, tmp_path):
    made = copy_checkout(repository, tmp_path / "checkout")
    made.build(
        "results/report.html",
        "results/tiny/package.json",
        "results/tiny/paper/paper.json",
        "--config",
        "experiment=tiny",
        "search={agents: [direct]}",
        "agents={direct: {torso: gru, alternatives: [], updates: 2, segment: 25}}",
    )
    folder = made.folder / "results/tiny"
    policy = json.loads((folder / "policy/policy.json").read_text())
    assert policy["agent"] == "direct"
    memory = ["batch", 4 * policy["models"]]
    assert (policy["inputs"]["memory"], policy["outputs"]["memory_next"]) == (memory, memory)
    assert set(pd.read_parquet(folder / "trials/direct/round_1/scores.parquet")["agent"]) == {"direct"}
    metrics = pd.read_parquet(folder / "evaluation/metrics.parquet")
    best = metrics[metrics["series"] == "best_in_hindsight"].set_index("symbol")["value"]
    assert set(best.index) == {"portfolio", "TINY1", "TINY2"}
    assert (
        best.min()
        > metrics[(metrics["series"] != "best_in_hindsight") & (metrics["metric"] == "total_return")]["value"].max()
    )
    assert "Best attainable in hindsight" in (made.folder / "results/report.html").read_text()
    assert len((made.folder / "vault_ledger.jsonl").read_text().splitlines()) == 1  # the bound is no look of its own
    differences = json.loads((folder / "paper/paper.json").read_text())["largest_difference"]
    assert max(differences.values()) < 1e-9
