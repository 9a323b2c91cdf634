"""The page of times."""

from __future__ import annotations

import pytest

from outsample.errors import SchemaError
from outsample.report.timings import build_timings, read_benchmarks

HEADER = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


@pytest.fixture
def files(tmp_path):
    (tmp_path / "a.tsv").write_text(HEADER + "1.5\t0:00:01\t100.4\t1\t1\t1\t0\t0\t90.0\t1.25\n")
    (tmp_path / "b.tsv").write_text(HEADER + "42.0\t0:00:42\t2048.0\t1\t1\t1\t0\t0\t90.0\t80.0\n")
    (tmp_path / "c.tsv").write_text(HEADER + "0.2\t0:00:00\tNA\tNA\tNA\tNA\tNA\tNA\t0.0\tNA\n")
    return {"ingest_bars": tmp_path / "a.tsv", "run_trials <0>": tmp_path / "b.tsv", "copy": tmp_path / "c.tsv"}


def test_benchmarks_are_read_as_they_are(files):
    found = read_benchmarks(files)
    assert found["rule"].tolist() == ["ingest_bars", "run_trials <0>", "copy"]
    assert found["s"].tolist() == [1.5, 42.0, 0.2]
    assert found["max_rss"].isna().tolist() == [False, False, True]


def test_the_slowest_job_comes_first_and_short_jobs_have_no_memory(files, tmp_path):
    build_timings(files, tmp_path / "timings.html")
    text = (tmp_path / "timings.html").read_text()
    assert text.index("run_trials &lt;0&gt;") < text.index("ingest_bars") < text.index(">copy<")
    assert 'data-value="43.7"' in text
    assert "2,048" in text
    assert "undefined" in text
    assert "<script" not in text


def test_a_missing_or_a_foreign_file_is_named(files, tmp_path):
    with pytest.raises(SchemaError, match=r"gone\.tsv"):
        build_timings({"x": tmp_path / "gone.tsv"}, tmp_path / "timings.html")
    (tmp_path / "d.tsv").write_text("a\tb\n1\t2\n")
    with pytest.raises(SchemaError, match=r"d\.tsv.*column s"):
        build_timings({"x": tmp_path / "d.tsv"}, tmp_path / "timings.html")


def test_results_from_elsewhere_have_no_times(tmp_path):
    build_timings({}, tmp_path / "timings.html")
    assert "No rule was run here" in (tmp_path / "timings.html").read_text()
