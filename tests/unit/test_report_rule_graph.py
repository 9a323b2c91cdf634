"""The graph of rules in the report."""

from __future__ import annotations

import json
import re

import pytest
from tests.report_tables import RULES_RUN, write_tables

from outsample.report.inputs import read_tables
from outsample.report.rule_graph import RULES, ranks, read_graph, rule_graph


def test_every_rule_stands_below_all_that_it_reads():
    graph = read_graph(json.loads(RULES.read_text()))
    row = {rule: number for number, rules in enumerate(ranks(graph)) for rule in rules}
    assert set(row) == set(json.loads(RULES.read_text()))
    assert row["ingest_bars"] == 0
    assert row["build_report"] == max(row.values())
    assert all(row[maker] < row[rule] for rule, makers in graph.items() for maker in makers)


def test_paths_that_others_imply_are_left_out_and_others_stay():
    graph = read_graph(("ingest_bars", "validate_bars", "build_features", "split_vault", "evaluate"))
    assert graph["split_vault"] == {"build_features"}
    assert graph["evaluate"] == {"split_vault"}  # not validate_bars, which it reads as well


@pytest.fixture
def drawn(tmp_path):
    return rule_graph(read_tables(write_tables(tmp_path)))


def test_the_rules_of_the_experiment_are_drawn_and_said(drawn):
    assert set(re.findall(r"<text[^>]*>(\w+)</text>", drawn)) == {*RULES_RUN, "merge_config", "build_report"}
    assert "run_transfer" not in drawn
    row = drawn[drawn.index('<th scope="row">split_vault</th>') :].split("</tr>")[0]
    assert row.endswith("<td>build_features</td>")
    edges = sum(map(len, read_graph({*RULES_RUN, "merge_config", "build_report"}).values()))
    assert drawn.count("<path") == edges > 10
