"""A run that is killed goes on by the same command; a second run in the same folder is refused."""

import signal
import time

import pandas as pd
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
def start(checkout):
    """Start a run in its own process group; it is in the middle of a shard of run_trials when it is returned."""
    processes = []

    def started(shard, *arguments):
        process = checkout.start(checkout.folder / f"{len(processes)}.txt", *arguments, TARGET)
        processes.append(process)
        wait_for(checkout.folder / f"results/tiny/logs/run_trials.ppo.{shard}.log", process)
        return process

    yield started
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()


def test_run_that_is_killed_twice_ends_in_the_bytes_of_another_number_of_shards(checkout, start, built):
    three = ("--set-scatter", "trials=3", "--")
    for shard in ("0.1-of-3", "1.2-of-3"):
        running = start(shard, *three)
        running.send_signal(signal.SIGKILL)
        running.wait()
        assert not (checkout.folder / TARGET).exists()
    checkout.build(*three, TARGET)
    found, expected = (
        {name: sha256 for name, sha256 in folder.hashes("tiny").items() if "/shards/" not in name}
        for folder in (checkout, built)
    )
    assert found == expected
    for table in ("targets", "lanes", "curves"):  # what the shards hold, together
        for number in range(2):
            own, other = (rows_of(folder, number, table) for folder in (checkout, built))
            assert len(own) > 0
            pd.testing.assert_frame_equal(own, other, check_exact=True)


def rows_of(checkout, number, table):
    """The rows of a table of all shards of a round, in one order."""
    shards = (checkout.folder / f"results/tiny/trials/ppo/round_{number}/shards").glob(f"*.{table}.parquet")
    rows = pd.concat([pd.read_parquet(path) for path in sorted(shards)])
    return rows.sort_values(list(rows.columns), ignore_index=True)


def test_second_run_is_refused_with_a_sentence(checkout, start):
    running = start("0.1-of-2")
    second = checkout.snakemake(TARGET)
    assert second.returncode == 1
    assert "Another run is working in checkout/" in second.stdout
    assert "Traceback" not in second.stdout
    assert running.poll() is None
