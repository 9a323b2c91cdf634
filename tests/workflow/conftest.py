"""Real runs of the workflow in a copy of the checkout, on an experiment that takes seconds."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from outsample.io.locking import exclusive

# Too short to learn anything: these tests are about files, not about skill.
TINY = """\
data:
  source: {kind: simulated, bars: 700, drift: 0.004}
  symbols: [TINY1, TINY2]
folds: {n_folds: 2, inner_folds: 2, min_train: 0.5, embargo: 5}
agents: {ppo: {alternatives: [], updates: 2, passes: 1, segment: 25}}
search: {rounds: 2, trials_per_round: 2, seeds: 1}
final: {seeds: 2}
evaluation: {resamples: 100, random_agents: 20}
null_control: {surrogates: 0, changes: {alternatives: [], updates: 4, segment: 25}}
"""


@dataclass(frozen=True)
class Checkout:
    """A copy of the repository in which workflows run."""

    folder: Path

    def environment(self) -> dict[str, str]:
        """Environment in which this copy's package is the one that is imported."""
        return os.environ | {"PYTHONPATH": str(self.folder / "workflow_scripts"), "COLUMNS": "200", "NO_COLOR": "1"}

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Snakemake with 2 cores; standard error is joined to the output."""
        return subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=1200,
            check=False,
        )

    def start(self, output: Path, *arguments: str, **variables: str) -> subprocess.Popen[bytes]:
        """Start Snakemake in a process group of its own, with further environment variables; its words go to a file."""
        with output.open("w") as log:
            return subprocess.Popen(
                self.command(*arguments),
                cwd=self.folder,
                env=self.environment() | variables,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def build(self, *arguments: str) -> str:
        """Run Snakemake and expect it to succeed."""
        done = self.snakemake(*arguments)
        assert done.returncode == 0, done.stdout[-6000:]
        return done.stdout

    def planned(self, *arguments: str) -> dict[str, int]:
        """Number of jobs of each rule that a run would execute."""
        output = self.build("--dry-run", *arguments)
        table = output.split("Job stats", 1)[1].split("total", 1)[0] if "Job stats" in output else ""
        jobs = re.findall(r"^\s*(\w[\w ]*?)\s+(\d+)\s*$", table, re.MULTILINE)
        return {name.replace(" ", "_"): int(count) for name, count in jobs if name != "all"}

    def pending(self, *arguments: str) -> set[str]:
        """Names of the rules that a run would execute."""
        return set(self.planned(*arguments))

    def hashes(self, experiment: str) -> dict[str, str]:
        """sha256 of every result that is promised to be the same in every run."""
        results = self.folder / "results" / experiment
        return {
            str(path.relative_to(results)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(results.rglob("*"))
            if path.suffix in {".parquet", ".json", ".onnx", ".html"}
            and path.name != "timings.html"
            and "orbax" not in path.parts
        }


def copy_checkout(repository: Path, folder: Path) -> Checkout:
    """Copy what git tracks or would track, with the tiny experiment and an empty ledger of looks."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=repository,
        capture_output=True,
        check=True,
    ).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (repository / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(repository / name, folder / name)
    (folder / "config" / "experiments" / "tiny.yaml").write_text(TINY)
    (folder / "vault_ledger.jsonl").write_text("")
    return Checkout(folder)


@pytest.fixture
def checkout(repository, tmp_path) -> Checkout:
    """A fresh copy."""
    return copy_checkout(repository, tmp_path / "checkout")


@pytest.fixture(scope="session")
def built(repository, tmp_path_factory) -> Checkout:
    """A copy in which the tiny experiment has been built; tests leave it as they found it.

    Built once in a run of the tests; each of its processes has a copy of its own.
    """
    own = tmp_path_factory.mktemp("built") / "checkout"
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    base = tmp_path_factory.getbasetemp()
    original = (base.parent if worker else base) / "original"
    with exclusive(original.with_suffix(".lock")):
        if not original.exists():
            made = copy_checkout(repository, tmp_path_factory.mktemp("first") / "checkout")
            made.build("results/tiny/report.html", "results/tiny/timings.html")
            made.folder.rename(original)
    shutil.copytree(original, own, symlinks=True)
    return Checkout(own)
