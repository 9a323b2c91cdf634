"""The ledger of looks."""

import json

import pytest

from outsample.errors import DataError
from outsample.evaluation.looks import record_look


def test_looks_count_distinct_models_of_one_vault() -> None:
    lines: list[str] = []
    seen = []
    for vault, model in [("v", "a"), ("v", "b"), ("w", "a"), ("v", "a"), ("v", "c"), ("v", "b")]:
        lines, look = record_look(lines, vault, model, "x")
        seen.append(look)
    assert seen == [1, 2, 1, 1, 3, 2]
    assert [json.loads(line)["model"] for line in lines] == ["a", "b", "a", "c"]


def test_the_same_model_under_another_name_is_the_same_look() -> None:
    lines, _ = record_look([], "v", "a", "x")
    again, look = record_look(lines, "v", "a", "another")
    assert (again, look) == (lines, 1)


def test_a_merged_ledger_counts_a_model_once() -> None:
    entry = json.dumps({"vault": "v", "model": "a", "experiment": "x"})
    lines, look = record_look([entry, "", entry], "v", "b", "x")
    assert look == 2
    assert lines[:3] == [entry, "", entry]


@pytest.mark.parametrize("line", ["<<<<<<< HEAD", '{"vault": "v"}', "[1]"])
def test_a_broken_ledger_is_refused(line: str) -> None:
    with pytest.raises(DataError, match="Line 2 of the vault ledger"):
        record_look(["", line], "v", "a", "x")
