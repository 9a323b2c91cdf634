"""What the report says of the ways to choose."""

import pandas as pd
import pytest
from tests.report_tables import comparison_table, write_tables

from outsample.report.approaches import WORDS, comparison, sentences
from outsample.report.inputs import read_tables
from outsample.selection.arms import ARMS


def _changed(**columns) -> pd.DataFrame:
    return comparison_table().assign(**columns)


def test_every_arm_has_its_words():
    assert list(WORDS) == [*ARMS, "hpo"]


def test_the_sentences_name_what_is_more_than_noise_and_what_is_an_upper_bound():
    told = sentences(comparison_table())
    assert told[0].startswith("On 120 bars of 2 folds")
    assert told[0].endswith("more than noise by their Sharpe ratio: multi_metric is better by 0.75.")
    assert "hpo, which may choose them, is therefore an upper bound" in told[1]
    assert len(told) == 2


def test_the_sentences_say_where_there_is_only_noise_or_nothing_to_compare():
    noise = comparison_table()
    noise = noise[noise["arm"] != "hpo"].assign(p_holm=0.5)
    assert [told.rpartition(", ")[2] for told in sentences(noise)] == [
        "no arm differs from the configured settings by more than noise."
    ]
    same = noise.assign(choices="fold 1: ppo 0")
    assert sentences(same) == ["Every arm chose the configured settings on every fold, so they do not differ."]
    worse = noise.assign(difference=-0.75, p_holm=[1.0, 0.9, 0.01, 0.9])
    assert sentences(worse)[0].endswith("multi_metric is worse by 0.75.")


@pytest.mark.parametrize("empty", [False, True])
def test_the_table_shows_every_number_of_its_table(tmp_path, empty):
    tables = read_tables(write_tables(tmp_path))
    if empty:
        object.__setattr__(tables, "comparison", tables.comparison.iloc[:0])
        assert "The arms are not compared" in comparison(tables)
        return
    html = comparison(tables)
    for value in (0.25, 0.75, -0.125, 1.5, 0.625, -0.375, 0.03):
        assert f'data-value="{value!r}"' in html
    assert "hpo (upper bound)" in html
