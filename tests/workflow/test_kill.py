"""A run that is killed goes on by the same command; a second run in the same folder is refused."""

import signal
import time

import pytest

pytestmark = pytest.mark.slow

TARGET = "results/tiny/report.html"


def wait_for(path, process, seconds=240):
    until = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, f"the run ended before {path.name} was there"
        assert time.monotonic() < until, f"{path.name} did not appear within {seconds} s"
        time.sleep(0.05)


@pytest.fixture
def running(checkout):
    """A run in its own process group, in the middle of run_trials."""
    process = checkout.start(checkout.folder / "first.txt", TARGET)
    wait_for(checkout.folder / "results/tiny/logs/run_trials.ppo.0.1-of-2.log", process)
    yield process
    if process.poll() is None:
        process.kill()
    process.wait()


def test_killed_run_ends_in_the_same_bytes(checkout, running, built):
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert not (checkout.folder / TARGET).exists()
    checkout.build(TARGET)
    assert checkout.hashes("tiny") == built.hashes("tiny")


def test_second_run_is_refused_with_a_sentence(checkout, running):
    second = checkout.snakemake(TARGET)
    assert second.returncode == 1
    assert "Another run is working in checkout/" in second.stdout
    assert "Traceback" not in second.stdout
    assert running.poll() is None
