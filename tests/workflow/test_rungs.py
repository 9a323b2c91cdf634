"""A search with rungs and two objectives: its files are those of the procedure in one process, whatever the shards."""

import json
import subprocess
import sys

import pandas as pd
import pytest
from tests.workflow.conftest import TINY, copy_checkout

pytestmark = pytest.mark.slow

HALVED = TINY.replace(
    "agents: {ppo: {alternatives: [], updates: 2, passes: 1, segment: 25}}",
    "agents: {direct: {alternatives: [], updates: 4, segment: 25}}",
).replace(
    "search: {rounds: 2, trials_per_round: 2, seeds: 1}",
    "search: {agents: [direct], objective: pareto, rounds: 1, trials_per_round: 4, seeds: 1, rungs: {levels: 2, "
    "reduction_factor: 2}}",
)
WARM = HALVED.replace("objective: pareto, ", "warm_start: halved, ")
FILES = ("selection/sharpe_only.json", "selection/pareto.parquet")
# More shards than the last rung has lanes: four or six of three or two trials on two folds.
RUN = ("--set-scatter", "trials=7", "--", *(f"results/halved/{name}" for name in FILES))


@pytest.fixture(scope="module")
def halved(repository, tmp_path_factory):
    made = copy_checkout(repository, tmp_path_factory.mktemp("halved") / "checkout")
    assert HALVED.count("direct") == 2  # both texts were found in the tiny experiment
    (made.folder / "config/experiments/halved.yaml").write_text(HALVED)
    (made.folder / "config/experiments/warm.yaml").write_text(WARM)
    made.build(*RUN)
    return made


def test_seven_shards_of_rungs_give_what_one_process_gives(halved, repository, tmp_path):
    script = repository / "tests/reference/run_search.py"
    subprocess.run(
        [sys.executable, script, halved.folder, "halved", tmp_path], env=halved.environment(), check=True, timeout=600
    )
    results, keys = halved.folder / "results/halved", ["trial", "fold", "seed", "metric"]
    found = pd.read_parquet(results / "trials/direct/round_0/scores.parquet").sort_values(keys, ignore_index=True)
    alone = pd.read_parquet(tmp_path / "scores.parquet").sort_values(keys, ignore_index=True)
    pd.testing.assert_frame_equal(found, alone[found.columns], check_exact=True, check_dtype=False)
    assert json.loads((results / FILES[0]).read_text()) == json.loads((tmp_path / "selection.json").read_text())


def test_the_stopped_are_recorded_never_chosen_and_have_fewer_updates(halved):
    folder = halved.folder / "results/halved/trials/direct/round_0"
    rung = pd.read_parquet(folder / "rung_0/rung.parquet").set_index("trial")
    assert rung["goes_on"].sum() in (2, 3)
    assert rung.loc[0, "goes_on"]  # the configured settings
    curves = pd.read_parquet(folder / "curves.parquet").groupby("trial")["update"].max() + 1
    assert curves.to_dict() == {trial: 4 if on else 2 for trial, on in rung["goes_on"].items()}
    assert set(pd.read_parquet(folder / "portfolios.parquet")["trial"]) == {0, 1, 2, 3}  # all count
    selection = json.loads((halved.folder / "results/halved" / FILES[0]).read_text())
    assert rung.loc[selection["trial"], "goes_on"]
    front = pd.read_parquet(halved.folder / "results/halved" / FILES[1])
    assert set(front["trial"]) <= set(rung.index[rung["goes_on"]])
    assert not list(folder.rglob("*.npz"))  # handed on and deleted


def test_a_second_run_does_nothing_and_a_warm_start_reads_the_trials_of_the_first(halved):
    assert halved.pending(*RUN) == set()
    suggestions = "results/warm/trials/direct/round_0/suggestions.json"
    assert "run_rung" not in halved.pending("--set-scatter", "trials=7", "--", suggestions)
    # The trials of the first are its inputs: they are kept up to date, here for another number of shards.
    assert {"run_rung", "suggest_trials"} <= halved.pending("--set-scatter", "trials=3", "--", suggestions)
