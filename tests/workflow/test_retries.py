"""A killed job and an error of the machine are tried again, a named error is not."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

RESTARTED = "Trying to restart job"


def process_of(log, patience=240):
    """Process id of the job that has this log open."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        for handle in Path("/proc").glob("[0-9]*/fd/*"):
            try:
                if Path(os.readlink(handle)) == log:
                    return int(handle.parts[2])
            except OSError:  # the process has ended meanwhile
                continue
        time.sleep(0.05)
    raise AssertionError(f"no process opened {log} within {patience} s")


def test_killed_job_is_tried_again_and_ends_in_the_same_bytes(checkout, built):
    run = checkout.start(checkout.folder / "run.txt", "results/tiny/report.html")
    job = process_of(checkout.folder / "results/tiny/logs/run_trials.ppo.0.2-of-2.log")
    assert job != run.pid
    os.kill(job, signal.SIGKILL)
    assert run.wait(timeout=600) == 0, (checkout.folder / "run.txt").read_text()[-3000:]
    assert RESTARTED in (checkout.folder / "run.txt").read_text()
    assert checkout.hashes("tiny") == built.hashes("tiny")


def test_killed_job_goes_on_from_its_checkpoint(checkout, built):
    run = checkout.start(checkout.folder / "run.txt", "results/tiny/report.html", OUTSAMPLE_CHECKPOINT_SECONDS="0")
    log = checkout.folder / "results/tiny/logs/run_trials.ppo.0.1-of-2.log"
    job = process_of(log)
    kept = checkout.folder / "work/run_trials/tiny/ppo/round_0/1-of-2"
    until = time.monotonic() + 240
    while not any(path.name.isdecimal() for path in kept.glob("*")):
        assert run.poll() is None
        assert time.monotonic() < until, "no checkpoint was written"
        time.sleep(0.01)
    os.kill(job, signal.SIGKILL)
    assert run.wait(timeout=600) == 0, (checkout.folder / "run.txt").read_text()[-3000:]
    assert "Going on from a checkpoint" in log.read_text()
    assert not kept.exists(), "the checkpoints of a finished shard are deleted"
    assert checkout.hashes("tiny") == built.hashes("tiny")


def test_named_error_is_final(checkout):
    (checkout.folder / "data/market/BAD.csv").write_text("date,open,high,low,close,volume\n")
    (checkout.folder / "config/experiments/bad.yaml").write_text("data: {source: {kind: csv}, symbols: [BAD]}\n")
    done = checkout.snakemake("results/bad/bars.parquet")
    assert done.returncode == 1
    assert RESTARTED not in done.stdout
    assert "BAD.csv" in (checkout.folder / "results/bad/logs/ingest_bars.log").read_text()


def test_error_of_the_machine_is_tried_again_and_then_told(checkout):
    command = " ".join(checkout.command("results/quickstart/bars.parquet"))
    done = subprocess.run(
        ["bash", "-c", f"ulimit -f 200; exec {command}"],  # no file above 200 KiB: a full disk, for this run only
        cwd=checkout.folder,
        env=checkout.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 1
    assert len(re.findall(RESTARTED, done.stdout)) == 2
    assert (
        "The machine failed rule ingest_bars"
        in (checkout.folder / "results/quickstart/logs/ingest_bars.log").read_text()
    ), done.stdout[-3000:]
    assert not (checkout.folder / "results/quickstart/bars.parquet").exists()
