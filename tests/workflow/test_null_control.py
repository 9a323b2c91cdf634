"""The procedure that runs on surrogates is the workflow's own, and surrogates cost no compilation but the first's."""

import json
import subprocess
import sys

import pandas as pd
import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def results(built):
    return built.folder / "results/tiny"


@pytest.fixture(scope="module")
def procedure(repository, built, tmp_path_factory):
    """What the procedure gives on the tiny experiment's own bars, and a few surrogates of them."""
    folder = tmp_path_factory.mktemp("procedure")
    script = repository / "tests/reference/run_procedure.py"
    command = [sys.executable, str(script), str(built.folder), "tiny", str(folder)]
    done = subprocess.run(command, env=built.environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return folder


@pytest.fixture(scope="module")
def outcome(procedure):
    return json.loads((procedure / "outcome.json").read_text())


def of_all_rounds(results, pattern):
    return pd.concat([pd.read_parquet(path) for path in sorted(results.glob(pattern))], ignore_index=True)


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("targets", "trials/ppo/round_*/shards/*.targets.parquet"),
        ("portfolios", "trials/ppo/round_*/portfolios.parquet"),
        ("scores", "trials/ppo/round_*/scores.parquet"),
    ],
)
def test_trials_are_those_of_the_workflow(results, procedure, name, pattern):
    keys = [*("trial", "fold", "seed"), *{"targets": ("symbol", "row"), "scores": ("metric",)}.get(name, ("date",))]
    expected = of_all_rounds(results, pattern).sort_values(keys, ignore_index=True)
    found = pd.read_parquet(procedure / f"{name}.parquet").sort_values(keys, ignore_index=True)
    assert len(expected) > 0
    pd.testing.assert_frame_equal(found[list(expected.columns)], expected, check_exact=True)


def test_choice_policy_and_verdict_are_those_of_the_workflow(results, outcome, procedure):
    assert outcome["selection"] == json.loads((results / "selection/sharpe_only.json").read_text())
    assert outcome["onnx_sha256"] == json.loads((results / "policy/policy.json").read_text())["onnx_sha256"]
    verdict = json.loads((results / "evaluation/verdict.json").read_text())
    assert verdict["look"] == 1
    assert outcome["level"] == verdict["level"]
    assert outcome["tests"] == {name: verdict["tests"][name] for name in outcome["tests"]}
    returns = pd.read_parquet(results / "evaluation/returns.parquet").query("symbol == 'portfolio'")
    found = pd.read_parquet(procedure / "returns.parquet")
    for series, column in (("agent", "net_return"), ("buy_and_hold", "buy_and_hold")):
        expected = returns[returns["series"] == series]
        assert found["date"].tolist() == expected["date"].tolist()
        assert found[column].tolist() == expected["net_return"].tolist()


def test_only_the_first_surrogate_compiles(outcome):
    assert outcome["compiled"][0] > 0
    assert outcome["compiled"][1:] == [0, 0, 0]


def test_a_surrogate_is_the_same_in_any_company(outcome):
    assert outcome["same_in_any_company"]


def test_no_surrogates_are_said_to_be_none(results):
    assert json.loads((results / "null_control.json").read_text())["surrogates"] == 0
    assert pd.read_parquet(results / "null_control.parquet").empty
    assert "null_control.surrogates is 0" in (results / "report.html").read_text()
