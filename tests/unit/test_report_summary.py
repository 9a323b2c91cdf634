"""The report as a page of Markdown."""

import dataclasses
import itertools

import pytest
from tests.report_tables import write_tables

from outsample.report.inputs import read_tables
from outsample.report.summary import markdown


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return read_tables(write_tables(tmp_path_factory.mktemp("tables"), title="A <b>title</b> | of *ours*"))


def test_it_says_the_verdict_and_its_numbers_are_those_of_the_tables(tables):
    text = markdown(tables)
    lines = text.splitlines()
    assert lines[0] == "# A \\<b\\>title\\</b\\> \\| of \\*ours\\*"
    assert f"**{tables.verdict['title']}**" in text
    for sentence in tables.verdict["sentences"]:
        assert sentence.replace("_", "\\_")[:30] in text
    sharpe = tables.metric("sharpe")
    row = next(line for line in lines if line.startswith("| Sharpe ratio |"))
    assert f"| {sharpe['value']:.2f} |".replace("-", "\N{MINUS SIGN}") in row.replace("-", "\N{MINUS SIGN}")
    assert "| `hpo` (upper bound) |" in text
    assert "3 sessions without a bar" in text
    assert text.endswith("|\n")
    assert markdown(tables) == text


def test_every_table_is_rectangular(tables):
    lines = markdown(tables).splitlines()
    tables_of = [line for line in lines if line.startswith("|")]
    assert len(tables_of) > 15
    for before, rule in itertools.pairwise(lines):
        if rule.startswith("| ---"):
            assert before.replace("\\|", "").count("|") == rule.count("|")


def test_a_report_without_a_comparison_says_so(tables):
    bare = dataclasses.replace(tables, comparison=tables.comparison.iloc[:0])
    assert "The arms are not compared" in markdown(bare)
