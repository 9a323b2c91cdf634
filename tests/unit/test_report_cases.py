"""The whole report of experiments of every kind: each number is one of its tables, and what is missing is said."""

from __future__ import annotations

import importlib
import json
import math
import runpy
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest

from outsample.errors import SchemaError
from outsample.io import read_json, read_table, write_json, write_table
from outsample.report.inputs import DOCUMENT_INPUTS, SEVERAL_DOCUMENTS, SEVERAL_TABLES, TABLE_INPUTS, read_tables

fixtures = runpy.run_path(str(Path(__file__).parents[1] / "report_tables.py"))
write_tables = fixtures["write_tables"]
# Tables whose numbers are counts of rows, dates or bars, which no table holds as a number.
COUNTED = {"audits", "audited", "folds", "trials", "repairs", "arms"}
TEN = tuple(f"S{number:02d}" for number in range(10))


def page(report, repository) -> dict[str, str]:
    """What each cell of the notebook shows."""
    cells = nbformat.read(repository / "reports" / "report.ipynb", as_version=4).cells
    calls = [cell.source for cell in cells if cell.cell_type == "code"][2:]
    shown = {}
    for call in calls:
        module, _, name = call.removesuffix("(report)").partition(".")
        shown[call] = str(getattr(importlib.import_module(f"outsample.report.{module}"), name)(report))
    return shown


class Values(HTMLParser):
    """(id of the table, value) of every cell with a number."""

    def __init__(self, html: str):
        super().__init__()
        self.found: list[tuple[str, float]] = []
        self.name = ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag == "table":
            self.name = given.get("id", "")
        elif tag == "td" and given.get("data-value", "undefined") != "undefined":
            self.found.append((self.name, float(given["data-value"])))


def numbers(content) -> set[float]:
    """Every number in a document or a table."""
    if isinstance(content, pd.DataFrame):
        columns = [content[c].to_numpy() for c in content.columns if content[c].dtype.kind in "iuf"]
        return {float(value) for column in columns for value in column}
    if isinstance(content, dict):
        return set().union(*map(numbers, content.values()))
    if isinstance(content, (list, tuple)):
        return set().union(*map(numbers, content))
    return {float(content)} if isinstance(content, (int, float)) and not isinstance(content, bool) else set()


def held(inputs) -> set[float]:
    """Every number in the files that the report reads."""
    found: set[float] = set()
    for names, read in ((DOCUMENT_INPUTS | SEVERAL_DOCUMENTS, read_json), (TABLE_INPUTS | SEVERAL_TABLES, read_table)):
        for name, schema in names.items():
            paths = inputs[name] if isinstance(inputs[name], list) else [inputs[name]]
            found = found.union(*(numbers(read(path, schema)) for path in paths))
    return found


@pytest.mark.parametrize("case", [{}, {"trades": False, "symbols": ("AAA",)}, {"agents": ("dqn", "ppo")}], ids=str)
def test_every_number_of_every_table_is_one_that_was_read(case, tmp_path, repository):
    inputs = write_tables(tmp_path, **case)
    known = held(inputs)
    shown = Values("\n".join(page(read_tables(inputs), repository).values())).found
    assert len({name for name, _ in shown}) > 12
    strange = {
        (name, value) for name, value in shown if name not in COUNTED and value not in known | {-v for v in known}
    }
    assert strange == set()


def test_ten_symbols_each_have_their_figure_and_their_column(tmp_path, repository):
    shown = page(read_tables(write_tables(tmp_path, TEN)), repository)
    assert shown["figures.behaviour(report)"].count('class="chart"') == 10
    for symbol in TEN:
        assert f">{symbol}</th>" in shown["tables.metrics_by_symbol(report)"]
        assert f"({symbol})" in shown["drivers.actions(report)"]
    assert "a sleeve of 1/10 each" in shown["tables.question(report)"]


def test_an_agent_that_never_trades_has_sentences_in_place_of_figures(tmp_path, repository):
    shown = page(read_tables(write_tables(tmp_path, ("AAA",), trades=False)), repository)
    assert "the agent never trades" in shown["prose.headline(report)"]
    assert "no rolling Sharpe ratio" in shown["performance.rolling(report)"]
    assert "every return of the agent on the vault is the same" in shown["performance.distribution(report)"]
    assert "made no trade" in shown["figures.holding_times(report)"]
    assert "0.00 (AAA); 0 is always the same target" in shown["drivers.actions(report)"]
    rows = [row for row in shown["performance.drawdowns(report)"].split("<tr>") if ">agent 1<" in row]
    assert rows == []  # buy and hold has some


def test_without_a_null_control_the_first_screen_says_so(tmp_path, repository):
    inputs = write_tables(tmp_path)
    write_json(fixtures["null_control_document"](0), inputs["null_control"], "null_control")
    shown = page(read_tables(inputs), repository)
    for call in ("prose.headline(report)", "control.control(report)"):
        assert "was not measured: null_control.surrogates is 0. Set it to 100" in shown[call]


def test_trials_that_broke_down_are_told_in_table_and_figures(tmp_path, repository):
    inputs = write_tables(tmp_path)
    for path in inputs["lanes"]:
        lanes = read_table(path, "lanes")
        lanes.loc[lanes["trial"] == 2, "failure"] = "inner fold 0, update 3"
        write_table(lanes, path, "lanes")
    for path in inputs["scores"]:
        scores = read_table(path, "scores")
        scores.loc[scores["trial"] == 2, "value"] = np.nan
        write_table(scores, path, "scores")
    history = read_table(inputs["history"], "search_history")
    write_table(history.assign(failed=history["trial"] == 2), inputs["history"], "search_history")
    shown = page(read_tables(inputs), repository)
    assert "6 of 24 lanes broke down" in shown["tables.trials(report)"]
    assert "Trials that broke down are left out." in shown["figures.trial_scores(report)"]
    assert "Of 4 trials 1 broke down and 0 stayed flat" in shown["search.history(report)"]


def test_a_symbol_that_is_markup_is_text_everywhere(tmp_path, repository):
    evil = "<script>alert(1)</script>"
    inputs = write_tables(tmp_path, (evil, "BBB"))
    counts = read_json(inputs["explained"], "explained")
    write_json(counts | {"symbols": [evil]}, inputs["explained"], "explained")
    shown = "\n".join(page(read_tables(inputs), repository).values())
    assert "<script>alert" not in shown
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
    for content in shown.split('class="chart-data"')[1:]:
        drawn = content.partition(">")[2].partition("</script>")[0]
        assert "<script>" not in str(json.loads(drawn))  # plotly.js would read it as markup


@pytest.mark.parametrize("name", ["rolling", "history", "explanation", "drawdowns"])
def test_a_table_with_an_unexpected_column_is_refused_with_a_sentence(name, tmp_path):
    inputs = write_tables(tmp_path)
    pd.read_parquet(inputs[name]).assign(surprise=1.0).to_parquet(inputs[name])
    with pytest.raises(SchemaError, match=r"has unexpected surprise; delete the file and run the rule that writes it"):
        read_tables(inputs)


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("looks", {"model": "99" * 32}, "evaluated another policy than the one in policy.json; run the rule evaluate"),
        ("looks", {"vault": "99" * 32}, "opened another vault than the one in split.json; run the rule evaluate"),
        ("policy", {"features": ["sma_50"]}, "explains other features than the policy's; run the rule explain_policy"),
    ],
)
def test_a_stale_file_is_named_with_the_rule_that_makes_it_anew(name, change, said, tmp_path):
    inputs = write_tables(tmp_path)
    write_json(read_json(inputs[name], name) | change, inputs[name], name)
    with pytest.raises(SchemaError, match=said):
        read_tables(inputs)


def test_the_tables_of_the_new_sections_show_each_row(tmp_path, repository):
    report = read_tables(write_tables(tmp_path))
    shown = page(report, repository)
    found = Values(shown["performance.drawdowns(report)"]).found
    depths = report.drawdowns.sort_values(["series", "rank"])["depth"]
    assert [value for _, value in found][::3] == [-depth for depth in depths]
    months = [value for _, value in Values(shown["performance.months(report)"]).found]
    own = report.months[report.months["series"] == "agent"].sort_values(["year", "month"])
    assert months[1::3] == own["net_return"].tolist()
    changed = [value for _, value in Values(shown["drivers.drivers(report)"]).found]
    assert changed[0] == report.explanation["changed"].max()
    assert "More than every shuffle of the control: return_0." in shown["drivers.drivers(report)"]
    assert not any(math.isnan(value) for value in changed)


def test_parameters_that_the_score_follows_are_shown_strongest_first(tmp_path, repository):
    inputs = write_tables(tmp_path)
    rows = [("ppo", "clip", 9, 0.2, np.nan, 0.6), ("ppo", "learning_rate", 9, 0.9, -1.0, 0.004)]
    columns = ["agent", "parameter", "trials", "strength", "direction", "p_value"]
    write_table(pd.DataFrame(rows, columns=columns), inputs["importance"], "parameter_importance")
    html = page(read_tables(inputs), repository)["search.importance(report)"]
    assert html.index("learning_rate") < html.index("clip")
    assert "smaller values" in html
    assert "no direction" in html
    assert [value for _, value in Values(html).found] == [9, 0.9, 0.004, 9, 0.2, 0.6]
