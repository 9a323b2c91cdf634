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
    assert "Checks that stop the run: 1; that warn: 2; switched off: 0." in html
    assert "Warnings, each of one check and one symbol: 2." in html
    assert html.count(FOUND) == 2
    assert "2 checks found nothing" in html
    assert "The open or the close is outside low .. high." in html
    assert "B&lt;B" in html
    assert "Set in validation.severities" not in html


def test_relaxed_checks_are_named(report) -> None:
    html = quality_checks(_with(report, [("unit_error", "warning", 0), ("large_move", "off", 0)]))
    assert "Set in validation.severities: unit_error (warning instead of error), large_move (off instead of w" in html
    assert "Checks that stop the run: 0; that warn: 1; switched off: 1." in html
    assert "1 checks found nothing" in html, "what is off was not looked for"


def test_a_report_without_repairs_says_so(report) -> None:
    assert "No repair was asked for" in repairs(report)


def test_repairs_are_shown_with_counts_and_first_values(report) -> None:
    entry = {"rule": "drop_false_wicks", "symbol": "B<B", "bars": 1234, "values": 2345, "detail": "low 0.06 -> 11"}
    idle = [
        entry | {"rule": "drop_null_rows", "symbol": s, "bars": 0, "values": 0, "detail": ""} for s in ("AAA", "B<B")
    ]
    html = repairs(_with(report, [], [entry, *idle]))
    assert "drop_null_rows found nothing to repair in AAA, B&lt;B." in html
    for words in ("drop_false_wicks", "B&lt;B", "1,234", "2,345", "low 0.06 -&gt; 11"):
        assert words in html
