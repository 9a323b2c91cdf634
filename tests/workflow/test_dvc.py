"""DVC records what Snakemake made, in either order, and an older version comes back without any training."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from tests.workflow.conftest import Checkout, copy_checkout

pytestmark = pytest.mark.slow

EXPERIMENT = Path("config/experiments/quickstart.yaml")
RESULTS = Path("results/quickstart")
UNVERSIONED = {"logs", "benchmarks", "timings.html"}


@dataclass(frozen=True)
class Versioned:
    """A checkout under Git and DVC whose main job is the tiny experiment."""

    checkout: Checkout

    @property
    def folder(self) -> Path:
        return self.checkout.folder

    def environment(self) -> dict[str, str]:
        own = {f"GIT_{role}_{what}": "test" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        own |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "DVC_NO_ANALYTICS": "1"}
        own |= {"DVC_GLOBAL_CONFIG_DIR": f"{self.folder}.dvc", "DVC_SITE_CACHE_DIR": f"{self.folder}.dvc/site"}
        own["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return self.checkout.environment() | own

    def attempt(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.folder, env=self.environment(), capture_output=True, text=True, timeout=1200, check=False
        )

    def run(self, *command: str) -> str:
        done = self.attempt(*command)
        assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def commit(self, name: str) -> None:
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--message", name)
        self.run("git", "tag", name)

    def accept(self) -> subprocess.CompletedProcess[str]:
        return self.attempt("python", "scripts/accept_version.py")

    def trained_at(self) -> dict[str, int]:
        """When the logs of the training rules were written: training again writes them again."""
        logs = self.folder / RESULTS / "logs"
        return {path.name: path.stat().st_mtime_ns for path in [*logs.glob("run_trials*"), *logs.glob("train_final*")]}

    def nothing_to_do(self) -> bool:
        return self.checkout.planned() == {}


@pytest.fixture(scope="module")
def versions(repository, tmp_path_factory) -> Versioned:
    """Two versions: the first made by Snakemake and recorded by DVC, the second made by `dvc repro`."""
    repo = Versioned(copy_checkout(repository, tmp_path_factory.mktemp("dvc") / "checkout"))
    shutil.copy(repo.folder / "config/experiments/tiny.yaml", repo.folder / EXPERIMENT)
    repo.run("git", "init", "--quiet", "--initial-branch", "main")
    repo.commit("sources")
    repo.checkout.build()
    before = repo.trained_at()
    repo.run("dvc", "repro")
    assert before == repo.trained_at(), "dvc repro trained what snakemake had trained already"
    repo.commit("first")
    experiment = repo.folder / EXPERIMENT
    experiment.write_text(experiment.read_text().replace("updates: 2", "updates: 3"))
    repo.run("dvc", "repro")
    assert before != repo.trained_at(), "dvc repro must train when the agent's settings change"
    assert repo.nothing_to_do()
    repo.commit("second")
    return repo


def metrics(repo) -> dict:
    return json.loads((repo.folder / RESULTS / "metrics.json").read_text())


def test_stage_versions_every_result_apart_from_logs_and_times(versions):
    stage = yaml.safe_load((versions.folder / "dvc.yaml").read_text())["stages"]["run"]
    listed = {Path(next(iter(out))).name for out in stage["outs"] + stage["metrics"]}
    made = {path.name for path in (versions.folder / RESULTS).iterdir()}
    assert made - UNVERSIONED == listed
    assert all(entry == {"persist": True} for out in stage["outs"] for entry in out.values())


def test_second_repro_does_nothing(versions):
    before = (versions.folder / "dvc.lock").read_bytes()
    assert "didn't change" in versions.run("dvc", "repro")
    assert (versions.folder / "dvc.lock").read_bytes() == before


def test_older_version_comes_back_and_forth_without_training(versions):
    newer = metrics(versions)
    trained = versions.trained_at()
    versions.run("git", "checkout", "--quiet", "first")
    versions.run("dvc", "checkout")
    older = metrics(versions)
    assert older != newer
    assert versions.accept().returncode == 0
    assert versions.nothing_to_do()
    versions.run("git", "checkout", "--quiet", "second")
    versions.run("dvc", "checkout")
    assert versions.accept().returncode == 0
    assert versions.nothing_to_do()
    assert metrics(versions) == newer
    assert versions.trained_at() == trained


def test_metrics_of_two_versions_are_compared(versions):
    found = json.loads(versions.run("dvc", "metrics", "diff", "first", "second", "--json"))
    difference = found[str(RESULTS / "metrics.json")]["agent.turnover"]
    assert difference["new"] == pytest.approx(metrics(versions)["agent"]["turnover"])
    assert difference["diff"] != 0


def test_plots_of_two_versions_are_drawn_together(versions, tmp_path):
    versions.run("dvc", "plots", "diff", "first", "second", "--out", str(tmp_path / "plots"))
    page = (tmp_path / "plots" / "index.html").read_text()
    for word in ("Equity on the vault", '"first"', '"second"', "buy_and_hold"):
        assert word in page
    last = (versions.folder / RESULTS / "equity.csv").read_text().splitlines()[-1].split(",")
    assert last[1] in page  # the agent's equity of the last bar


def test_version_that_was_not_checked_out_is_not_accepted(versions):
    versions.run("git", "checkout", "--quiet", "first")
    refused = versions.accept()
    versions.run("git", "checkout", "--quiet", "second")
    assert refused.returncode == 1
    assert "is not what dvc.lock of this version says" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert versions.nothing_to_do(), "nothing may have been marked"


def test_cache_without_an_object_is_told_and_nothing_is_marked(versions, tmp_path):
    lock = yaml.safe_load(versions.run("git", "show", "first:dvc.lock"))
    outs = {out["path"]: out["md5"] for out in lock["stages"]["run@quickstart"]["outs"]}
    digest = outs[str(RESULTS / "report.html")]
    stored = versions.folder / ".dvc/cache/files/md5" / digest[:2] / digest[2:]
    kept = shutil.move(stored, tmp_path / "object")
    versions.run("git", "checkout", "--quiet", "first")
    assert versions.attempt("dvc", "checkout").returncode != 0
    refused = versions.accept()
    assert refused.returncode == 1
    assert "report.html" in refused.stderr
    assert "dvc pull" in refused.stderr
    assert not versions.nothing_to_do()
    shutil.move(kept, stored)
    versions.run("git", "checkout", "--quiet", "second")
    versions.run("dvc", "checkout")
    assert versions.accept().returncode == 0


def test_version_that_is_restored_elsewhere_is_known_in_full(versions):
    """As in a fresh clone: nothing is left but what Git and DVC hold; a later change must not be overlooked."""
    for name in ("results", "work", ".snakemake"):
        shutil.rmtree(versions.folder / name)
    versions.run("dvc", "checkout")
    accepted = versions.accept()
    assert accepted.returncode == 0, accepted.stderr
    assert versions.checkout.pending() == {"build_timings"}  # the times of the jobs are not versioned
    versions.checkout.build()
    assert "No rule was run here" in (versions.folder / RESULTS / "timings.html").read_text()
    before = (versions.folder / EXPERIMENT).read_text()
    (versions.folder / EXPERIMENT).write_text(before.replace("[TINY1, TINY2]", "[TINY1, TINY3]"))
    assert {"merge_config", "ingest_bars", "run_trials", "evaluate"} <= versions.checkout.pending()
    (versions.folder / EXPERIMENT).write_text(before)


def test_own_data_is_versioned_beside_the_shipped(versions):
    own = versions.folder / "data/own"
    own.mkdir()
    shutil.copy(versions.folder / "data/market/AAPL.csv", own / "MINE.csv")
    versions.run("dvc", "add", "data/own")
    assert (versions.folder / "data/own.dvc").is_file()
    changed = versions.run("dvc", "status", "run@quickstart")
    assert "modified" in changed
    assert "data" in changed
    versions.run("dvc", "remove", "data/own.dvc")
    shutil.rmtree(own)
