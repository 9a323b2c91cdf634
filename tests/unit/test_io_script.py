"""How scripts take their arguments, log and fail."""

import logging
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import outsample
from outsample.errors import DataError, OutsampleError
from outsample.io.locking import exclusive, hold_folder, writable_folder
from outsample.io.script import FINAL, check_checkout, run_script, worth_retrying


def job(tmp_path, **parts):
    scripts = Path(outsample.__file__).parents[1]
    empty = {"wildcards": {}, "params": {}, "input": {}, "output": {}}
    return SimpleNamespace(
        rule="a_rule", log=[tmp_path / "job.log"], threads=1, scriptdir=str(scripts), **(empty | parts)
    )


def test_main_gets_its_arguments_by_name(tmp_path):
    seen = {}

    def main(bars, table, *, settings, agent, spare=1):
        seen.update(bars=bars, table=table, settings=settings, agent=agent, spare=spare)

    parts = {"input": {"bars": "b"}, "output": {"table": "t"}, "wildcards": {"agent": "ppo"}}
    run_script(main, job(tmp_path, params={"settings": {"x": 1}, "code": "hash"}, **parts))
    assert seen == {"bars": "b", "table": "t", "settings": {"x": 1}, "agent": "ppo", "spare": 1}


def test_rule_that_lacks_an_argument_is_a_defect(tmp_path):
    with pytest.raises(TypeError, match="rule a_rule does not give bars"):
        run_script(lambda bars: None, job(tmp_path))


def test_named_error_is_one_sentence_in_the_log(tmp_path):
    def main():
        raise DataError("AAPL.csv, line 3: the close is -1; remove the row.")

    with pytest.raises(SystemExit) as ended:
        run_script(main, job(tmp_path))
    assert ended.value.code == 1
    assert (tmp_path / "job.log").read_text() == f"AAPL.csv, line 3: the close is -1; remove the row.\n{FINAL}\n"
    assert not worth_retrying(tmp_path / "job.log")


def test_defect_keeps_its_traceback(tmp_path):
    with pytest.raises(ZeroDivisionError):
        run_script(lambda: 1 / 0, job(tmp_path))
    assert "Traceback" in (tmp_path / "job.log").read_text()
    assert not worth_retrying(tmp_path / "job.log")
    logging.getLogger().handlers.clear()


def test_error_of_the_machine_may_be_tried_again(tmp_path):
    def main():
        (tmp_path / "missing" / "bars.parquet").write_bytes(b"")

    with pytest.raises(OSError, match="missing"):
        run_script(main, job(tmp_path))
    assert worth_retrying(tmp_path / "job.log")
    logging.getLogger().handlers.clear()


def test_killed_job_may_be_tried_again(tmp_path):
    assert worth_retrying(tmp_path / "never_opened.log")
    (tmp_path / "job.log").write_text("Training lane 3\n")
    assert worth_retrying(tmp_path / "job.log")


def test_script_of_another_checkout_is_refused(tmp_path):
    (tmp_path / "outsample").mkdir()
    with pytest.raises(OutsampleError, match="install this checkout"):
        check_checkout(str(tmp_path))


def test_folder_is_held_by_one_process_and_free_when_it_dies(tmp_path):
    code = (
        "import sys, pathlib\nfrom outsample.io.locking import hold_folder\n"
        "h = hold_folder(pathlib.Path('run.lock'))\nprint('held', flush=True)\nsys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout.readline() == "held\n"
    with pytest.raises(OutsampleError, match="Another run is working in"):
        hold_folder(tmp_path / "run.lock")
    other.kill()
    other.wait()
    for pipe in (other.stdin, other.stdout):
        pipe.close()
    hold_folder(tmp_path / "run.lock").close()


def test_exclusive_reads_from_the_start_and_appends(tmp_path):
    for line in ("a\n", "b\n"):
        with exclusive(tmp_path / "ledger.jsonl") as handle:
            handle.read()
            handle.write(line)
    assert (tmp_path / "ledger.jsonl").read_text() == "a\nb\n"


def test_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "results").write_text("a file where a folder should be")
    with pytest.raises(OutsampleError, match="results/ cannot be written"):
        writable_folder(tmp_path / "results")
