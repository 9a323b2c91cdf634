"""The page of times."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from outsample.errors import SchemaError
from outsample.report.timings import Work, build_timings, read_benchmarks, trained_bars

HEADER = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


@pytest.fixture
def files(tmp_path):
    (tmp_path / "a.tsv").write_text(HEADER + "1.5\t0:00:01\t100.4\t1\t1\t1\t0\t0\t90.0\t1.25\n")
    (tmp_path / "b.tsv").write_text(HEADER + "42.0\t0:00:42\t2048.0\t1\t1\t1\t0\t0\t90.0\t80.0\n")
    (tmp_path / "c.tsv").write_text(HEADER + "0.2\t0:00:00\tNA\tNA\tNA\tNA\tNA\tNA\t0.0\tNA\n")
    return {"ingest_bars": tmp_path / "a.tsv", "run_trials.ppo.<0>": tmp_path / "b.tsv", "copy": tmp_path / "c.tsv"}


@pytest.fixture
def work():
    """One PPO trial of two networks and one DQN trial of one, on one fold of two inner folds of 100 and 60 rows."""
    keys = {"fold": 0, "seed": 0, "trial": 0}
    ppo = {"torso": "linear", "units": 4, "layers": 1, "updates": 8, "passes": 3}
    ppo["alternatives"] = [{"torso": "tanh", "updates": 4}]
    dqn = {"torso": "linear", "units": 4, "layers": 1, "updates": 5, "steps": 2, "batch": 16, "alternatives": []}
    updates = [("ppo", 0, 4), ("ppo", 1, 4), ("dqn", 0, 4), ("dqn", 1, 5)]
    curves = [{"agent": a, **keys, "inner": i, "update": u} for a, i, count in updates for u in range(count)]
    spans = [(0, "A", 0, 70), (0, "B", 10, 40), (1, "A", 0, 60)]
    folds = [{"fold": 0, "inner": i, "part": "train", "symbol": s, "start": b, "end": e} for i, s, b, e in spans]
    return Work(
        [{"agent": name, "trials": [{"trial": 0, "params": of}]} for name, of in (("ppo", ppo), ("dqn", dqn))],
        pd.DataFrame([{"agent": "ppo", **keys, "network": "tanh 4"}, {"agent": "dqn", **keys, "network": "linear"}]),
        pd.DataFrame(curves),
        pd.DataFrame(folds),
    )


def test_bars_are_counted_as_often_as_they_are_met(work):
    found = trained_bars(work).set_index("agent")
    assert found.loc["ppo"].tolist() == [1, 4, (8 + 4) * 3 * 160]  # the tanh network taken had all of its 4 updates
    assert found.loc["dqn"].tolist() == [1, 2, (4 + 5) * 2 * 16]  # one of its runs was stopped early


def test_lanes_and_bars_a_second_are_those_of_the_agents_jobs(files, work, tmp_path):
    build_timings(files, work, tmp_path / "timings.html")
    text = (tmp_path / "timings.html").read_text()
    row = text[text.index('<th scope="row">ppo</th>') :].split("</tr>")[0]
    assert re.findall(r'data-value="([^"]*)"', row) == ["1.0", "4.0", "5760.0", "42.0", str(1 / 42), str(5760 / 42)]
    assert "undefined" in text[text.index('<th scope="row">dqn</th>') :].split("</tr>")[0]  # no job of it was run here


def test_benchmarks_are_read_as_they_are(files):
    found = read_benchmarks(files)
    assert found["job"].tolist() == ["ingest_bars", "run_trials.ppo.<0>", "copy"]
    assert found["rule"].tolist() == ["ingest_bars", "run_trials", "copy"]
    assert found["s"].tolist() == [1.5, 42.0, 0.2]
    assert found["max_rss"].isna().tolist() == [False, False, True]


def test_the_slowest_job_comes_first_and_short_jobs_have_no_memory(files, work, tmp_path):
    build_timings(files, work, tmp_path / "timings.html")
    text = (tmp_path / "timings.html").read_text()
    jobs = text[text.index('id="timings"') :]
    assert jobs.index("run_trials.ppo.&lt;0&gt;") < jobs.index("ingest_bars") < jobs.index(">copy<")
    assert "All 3 jobs together took 43.7 seconds" in text
    assert "2,048" in jobs
    assert "undefined" in jobs
    assert text.count("<script") == 1  # that of the tables


def test_a_missing_or_a_foreign_file_is_named(files, work, tmp_path):
    with pytest.raises(SchemaError, match=r"gone\.tsv"):
        build_timings({"x": tmp_path / "gone.tsv"}, work, tmp_path / "timings.html")
    (tmp_path / "d.tsv").write_text("a\tb\n1\t2\n")
    with pytest.raises(SchemaError, match=r"d\.tsv.*column s"):
        build_timings({"x": tmp_path / "d.tsv"}, work, tmp_path / "timings.html")


def test_results_from_elsewhere_have_no_times(work, tmp_path):
    build_timings({}, work, tmp_path / "timings.html")
    assert "No rule was run here" in (tmp_path / "timings.html").read_text()
