"""What the report says of the null control."""

import re

import pytest
from tests.report_tables import null_control_document, write_tables

from outsample.config.control import KINDS as ALL_KINDS
from outsample.evaluation.verdict import LEVELS
from outsample.report.control import KINDS, WORDS, control, first_line
from outsample.report.inputs import read_tables
from outsample.report.prose import headline


@pytest.fixture
def tables(tmp_path):
    return read_tables(write_tables(tmp_path))


def with_document(tables, document, **settings):
    object.__setattr__(tables, "null_control", document)
    tables.settings["null_control"] |= settings
    return tables


def test_every_kind_and_level_has_its_words():
    assert set(KINDS) == set(ALL_KINDS)
    assert set(WORDS) == set(LEVELS)


def test_the_first_screen_says_how_often_skill_was_claimed(tables):
    told = first_line(tables)
    assert told == (
        "On 10 surrogates of this market without predictability a short form of the procedure claimed skill over buy "
        "and hold once (95 % interval 0.3\N{NO-BREAK SPACE}% to 44.5\N{NO-BREAK SPACE}%); with an edge planted whose "
        "best Sharpe ratio is 2, 2 of 5 times."
    )
    assert told in headline(tables)
    assert " never (95 %" in first_line(with_document(tables, null_control_document(10, 0)))
    assert " 3 times (95 %" in first_line(with_document(tables, null_control_document(10, 3)))
    searched = with_document(tables, tables.null_control, search=True)
    assert "without predictability the procedure claimed" in first_line(searched)


def test_the_table_has_a_row_for_each_market_and_level(tables):
    html = control(tables)
    rows = re.findall(r"<tr>(.*?)</tr>", html, re.DOTALL)[1:]
    assert len(rows) == 4 * 4 + 2  # two kinds, both together, the planted edge; shifted targets
    claimed = next(row for row in rows if "all of them" in row and "skill over buy and hold" in row)
    assert re.findall(r'data-value="([^"]+)"', claimed) == ["1.0", "10.0", "0.1"]
    assert "Each surrogate was given one trial of the agent direct" in html
    assert "updates: 40" in html
    assert "Blocks of 10 bars" in html


def test_where_there_is_no_control_the_report_says_how_to_make_one(tables):
    none = with_document(tables, null_control_document(0))
    for told in (first_line(none), control(none)):
        assert "null_control.surrogates is 0" in told
        assert "Set it to 100" in told
