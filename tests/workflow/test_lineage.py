"""The lineage of a report that the workflow has made."""

import json
import subprocess
import sys

import pytest

from outsample.io.lineage import hash_path

pytestmark = pytest.mark.slow


def test_the_chain_of_a_report_is_whole_and_confirmed(built):
    command = [sys.executable, "-m", "outsample.cli.main", "lineage", "results/tiny/report.html", "--json"]
    done = subprocess.run(
        command, cwd=built.folder, env=built.environment(), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    files = json.loads(done.stdout)["files"]
    raw = {name for name, one in files.items() if one["rule"] is None}
    assert raw == {"requirements.lock", "reports/report.ipynb"}  # the bars are simulated
    assert files["results/tiny/bars.parquet"]["rule"] == "ingest_bars"
    assert {"run_trials", "train_final", "evaluate"} <= {one["rule"] for one in files.values()}
    seeds = "results/tiny/policy/seeds"  # a folder
    assert files.pop(seeds)["sha256"] == hash_path(built.folder / seeds)
    hashes = built.hashes("tiny")
    assert all(
        one["sha256"] == hashes[name.removeprefix("results/tiny/")] for name, one in files.items() if name not in raw
    )
