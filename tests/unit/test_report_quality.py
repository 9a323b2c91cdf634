"""The report on the quality of bars says what was found, what was relaxed, and what was repaired."""

import dataclasses
import runpy
from pathlib import Path

import pytest

from outsample.report.inputs import read_tables
from outsample.report.quality import quality_checks, repairs

write_tables = runpy.run_path(str(Path(__file__).parents[1] / "report_tables.py"))["write_tables"]
FOUND = "1 sessions of XNYS have no bar (2020-01-03)"


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return read_tables(write_tables(tmp_path_factory.mktemp("quality")))


def _with(report, checks=(), repaired=()):
    entries = [
        {"id": name, "severity": severity, "symbol": symbol, "count": count, "detail": FOUND if count else ""}
        for name, severity, count in checks
        for symbol in ("AAA", "B<B")
    ]
    return dataclasses.replace(report, quality=report.quality | {"checks": entries, "repairs": list(repaired)})


def test_checks_are_counted_by_severity_and_findings_shown(report) -> None:
    html = quality_checks(
        _with(
            report, [("prices_in_range", "error", 0), ("sessions_covered", "warning", 1), ("stale_run", "warning", 0)]
        )
    )
    assert "1 checks are errors, which stop the run, and 2 are warnings; 0 are off." in html
    assert "Findings, each of a check and a symbol: 0 errors and 2 warnings." in html
    assert html.count(FOUND) == 2
    assert "2 checks found nothing" in html
    assert "The open or the close is outside low .. high." in html
    assert "AAA, B&lt;B" in html
    assert "Set in validation.severities" not in html


def test_relaxed_checks_are_named(report) -> None:
    html = quality_checks(_with(report, [("unit_error", "warning", 0), ("large_move", "off", 0)]))
    assert "Set in validation.severities: unit_error (warning instead of error), large_move (off instead of w" in html
    assert "1 are warnings; 1 are off." in html


def test_a_report_without_repairs_says_so(report) -> None:
    assert "No repair was asked for" in repairs(report)


def test_repairs_are_shown_with_counts_and_first_values(report) -> None:
    entry = {"rule": "drop_false_wicks", "symbol": "B<B", "bars": 1234, "values": 2345, "detail": "low 0.06 -> 11"}
    html = repairs(_with(report, [], [entry]))
    for words in ("drop_false_wicks", "B&lt;B", "1,234", "2,345", "low 0.06 -&gt; 11"):
        assert words in html
