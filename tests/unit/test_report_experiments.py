"""The page that compares experiments."""

import html

import pytest
from tests.report_tables import write_tables

from outsample.errors import SchemaError
from outsample.report.experiments import compare_experiments


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folders = [tmp_path_factory.mktemp(name) for name in ("one", "two")]
    inputs = [write_tables(folders[0]), write_tables(folders[1], symbols=("<script>", "BBB"), trades=False)]
    out = folders[0] / "compare.html"
    compare_experiments(
        [case["config"] for case in inputs],
        [case["verdict"] for case in inputs],
        [case["metrics"] for case in inputs],
        [case["selections"][1] for case in inputs],
        out,
    )
    return out.read_text(encoding="utf-8")


def test_each_experiment_has_a_row_with_its_verdict_and_intervals(page):
    assert page.count('<th scope="row">small</th>') == 2
    assert "never trades" in page
    assert " to " in page
    assert "A choice among them needs" not in page  # the caution is one sentence of its own
    assert "a choice among them needs a vault" in html.unescape(page)


def test_settings_that_differ_are_shown_and_others_are_not(page):
    assert '<th scope="row">data.symbols</th>' in page
    assert "market.commission" not in page
    tables, script = page.split("<script>\n// Makes")  # what sorts the tables
    assert "<script>" not in tables + script
    assert "&lt;script&gt;" in tables


def test_nothing_to_compare_is_told(tmp_path):
    with pytest.raises(SchemaError, match="There is no experiment to compare; run one first"):
        compare_experiments([], [], [], [], tmp_path / "x.html")
