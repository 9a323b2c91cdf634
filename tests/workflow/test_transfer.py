"""Trials with pre-trained weights, and the mean of them as the policy: the workflow and the procedure agree."""

import json
import subprocess
import sys

import pandas as pd
import pytest
from tests.workflow.conftest import TINY, copy_checkout

pytestmark = pytest.mark.slow

TRANSFER = (
    TINY.replace("symbols: [TINY1, TINY2]", "symbols: [TINY1, TINY2]\n  transfer: [TINY3]").replace(
        "rounds: 2", "rounds: 1"
    )
    + "selection: {arm: enhanced, ensemble: {size: 2}}\n"
)
SCRIPT = """
import sys, json, pandas as pd
from pathlib import Path
from outsample.agents import runtime
runtime.configure_jax(Path(sys.argv[1]) / "work/jax_cache")
from outsample.config.layers import load
from outsample.control.procedure import procedure
root = Path(sys.argv[1])
results = root / "results/transfer"
periods = json.loads((results / "quality.json").read_text())["calendar"]["periods_per_year"]
bars = pd.read_parquet(results / "validated_bars.parquet")
found = procedure(bars, load("transfer", {}, root).settings, periods)
found.portfolios.to_parquet(sys.argv[2])
print(json.dumps([found.selection, found.policy]))
"""


@pytest.fixture(scope="module")
def checkout(repository, tmp_path_factory):
    made = copy_checkout(repository, tmp_path_factory.mktemp("transfer") / "checkout")
    assert "TINY3" in TRANSFER
    assert "rounds: 1" in TRANSFER
    (made.folder / "config/experiments/transfer.yaml").write_text(TRANSFER)
    wanted = ("policy/policy.json", "approach_comparison.parquet", "selection/transfer.json")
    made.build(*(f"results/transfer/{name}" for name in wanted), "--set-scatter", "trials=1")
    return made


@pytest.fixture(scope="module")
def results(checkout):
    return checkout.folder / "results/transfer"


def test_pre_trained_trials_enter_the_matrix_the_arms_and_the_tests(results):
    suggested = [
        json.loads((results / f"trials/ppo/round_{name}/suggestions.json").read_text()) for name in ("0", "transfer")
    ]
    first, again = (document["trials"] for document in suggested)
    assert [trial["trial"] for trial in again] == [2, 3]
    assert {trial["origin"] for trial in again} == {"transfer"}
    assert [trial["params"] for trial in again] == [trial["params"] for trial in first]
    matrix = pd.read_parquet(results / "trials/ppo/round_transfer/matrix.parquet")
    assert set(matrix["symbol"]) == {"TINY1", "TINY2"}
    selection = json.loads((results / "selection/enhanced.json").read_text())
    assert {member["trial"] for member in selection["members"]} == {2, 3}
    assert len(selection["ranking"]) == 4
    assert json.loads((results / "selection/transfer.json").read_text())["trial"] in (2, 3)
    table = pd.read_parquet(results / "approach_comparison.parquet").set_index("arm")
    assert {"transfer", "ensemble", "enhanced", "enhanced_without_multi_metric"} <= set(table.index)
    assert table.loc["enhanced", "choices"] in ("fold 1: ppo 2 + ppo 3", "fold 1: ppo 3 + ppo 2")


def test_the_rows_to_pre_train_on_end_before_the_vault(results):
    start = json.loads((results / "split.json").read_text())["vault"]["first"]
    rows = pd.read_parquet(results / "transfer/development.parquet")
    assert set(rows["symbol"]) == {"TINY3"}
    assert rows["date"].max() < pd.Timestamp(start)
    for name in ("development", "vault", "features"):
        assert set(pd.read_parquet(results / f"{name}.parquet", columns=["symbol"])["symbol"]) == {"TINY1", "TINY2"}


def test_the_procedure_is_that_of_the_workflow(checkout, results, tmp_path):
    command = [sys.executable, "-c", SCRIPT, str(checkout.folder), str(tmp_path / "portfolios.parquet")]
    done = subprocess.run(command, env=checkout.environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    selection, policy = json.loads(done.stdout.splitlines()[-1])
    assert selection == json.loads((results / "selection/enhanced.json").read_text())
    assert policy == json.loads((results / "policy/policy.json").read_text())
    paths = [results / f"trials/ppo/round_{name}/portfolios.parquet" for name in ("0", "transfer")]
    expected = pd.concat([pd.read_parquet(path) for path in paths], ignore_index=True)
    keys = ["trial", "fold", "seed", "date"]
    found = pd.read_parquet(tmp_path / "portfolios.parquet").sort_values(keys, ignore_index=True)
    pd.testing.assert_frame_equal(found[list(expected.columns)], expected, check_exact=True)


def test_another_size_of_the_ensemble_trains_no_trial_again(checkout):
    pending = checkout.pending(
        "results/transfer/policy/policy.json",
        *("--config", "experiment=transfer", "selection={ensemble: {size: 3}}"),
        *("--set-scatter", "trials=1"),
    )
    assert "select_strategy" in pending
    assert not pending & {"run_trials", "run_transfer", "account_trials", "prepare_transfer"}
