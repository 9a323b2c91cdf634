"""What the report reads."""

from __future__ import annotations

import runpy
from pathlib import Path

import pandas as pd
import pytest

from outsample.errors import SchemaError
from outsample.report.inputs import INPUTS, day, days, read_tables

write_tables = runpy.run_path(str(Path(__file__).parents[1] / "report_tables.py"))["write_tables"]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    return write_tables(tmp_path_factory.mktemp("inputs"))


def test_the_fixture_gives_every_input(inputs):
    assert sorted(inputs) == sorted(INPUTS)


def test_rounds_are_joined(inputs):
    tables = read_tables(inputs)
    assert sorted(set(tables.lanes["trial"])) == [0, 1, 2, 3]
    assert len(tables.curves) == 4 * 3 * 2 * 2 * 20
    assert [document["round"] for document in tables.suggestions] == [0, 1]


def test_a_single_file_needs_no_list(inputs):
    tables = read_tables(inputs | {"lanes": str(inputs["lanes"][0])})
    assert sorted(set(tables.lanes["trial"])) == [0, 1]


def test_a_missing_input_is_named(inputs):
    with pytest.raises(SchemaError, match="lacks its input folds"):
        read_tables({name: path for name, path in inputs.items() if name != "folds"})


def test_an_unknown_input_is_named(inputs):
    with pytest.raises(SchemaError, match="does not know the input matrix"):
        read_tables(inputs | {"matrix": "matrix.parquet"})


def test_two_files_where_one_is_asked_for(inputs):
    with pytest.raises(SchemaError, match="one file as folds, not 2"):
        read_tables(inputs | {"folds": [inputs["folds"], inputs["folds"]]})


def test_a_wrong_table_is_refused_by_its_schema(inputs):
    with pytest.raises(SchemaError, match="lacks"):
        read_tables(inputs | {"folds": inputs["trades"]})


def test_a_missing_metric_is_named(inputs):
    with pytest.raises(SchemaError, match="no row agent, portfolio, charm"):
        read_tables(inputs).metric("charm")


def test_dates_keep_their_time_only_where_they_have_one():
    assert day("2021-03-04") == "2021-03-04"
    dates = pd.Series(pd.to_datetime(["2021-03-04 00:00", "2021-03-04 09:30"]))
    assert days(dates) == ["2021-03-04 00:00", "2021-03-04 09:30"]
    assert days(dates[:1]) == ["2021-03-04"]
