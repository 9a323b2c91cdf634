"""Walk-forward folds and inner folds; the indices printed here are the specification."""

import numpy as np
import pandas as pd
import pytest

from outsample.config.folds import Folds
from outsample.errors import DataError
from outsample.folds.make import make_folds


def development(positions: dict[str, list[int]]) -> pd.DataFrame:
    """Rows at the given positions of a daily calendar."""
    start = pd.Timestamp("2020-01-01")
    parts = [
        pd.DataFrame({"symbol": symbol, "date": (start + pd.to_timedelta(rows, unit="D")).astype("datetime64[us]")})
        for symbol, rows in positions.items()
    ]
    return pd.concat(parts, ignore_index=True)


def printed(folds: pd.DataFrame, symbol: str = "A") -> str:
    """One line a part: its rows, blocks one after the other."""
    lines = []
    for (fold, inner, part), blocks in folds[folds["symbol"] == symbol].groupby(["fold", "inner", "part"]):
        rows = [list(range(start, end)) for start, end in zip(blocks["start"], blocks["end"], strict=True)]
        lines.append(f"{fold:2} {inner:2} {part:8} " + " | ".join(" ".join(map(str, block)) for block in rows))
    return "\n".join(lines)


def test_twelve_rows() -> None:
    folds = make_folds(development({"A": list(range(12))}), Folds(n_folds=2, min_train=0.5, inner_folds=2), 0)
    assert printed(folds) == "\n".join(
        [
            "-1  0 train    8 9 10 11",
            "-1  0 validate 0 1 2 3 4 5",
            "-1  1 train    0 1 2 3",
            "-1  1 validate 6 7 8 9 10 11",
            " 0 -1 test     8 9",
            " 0  0 train    5",
            " 0  0 validate 0 1 2",
            " 0  1 train    0",
            " 0  1 validate 3 4 5",
            " 1 -1 test     10 11",
            " 1  0 train    6 7",
            " 1  0 validate 0 1 2 3",
            " 1  1 train    0 1",
            " 1  1 validate 4 5 6 7",
        ]
    )


def test_twelve_rows_rolling() -> None:
    settings = Folds(n_folds=2, min_train=0.5, inner_folds=2, scheme="rolling")
    assert printed(make_folds(development({"A": list(range(12))}), settings, 0)) == "\n".join(
        [
            "-1  0 train    11",
            "-1  0 validate 6 7 8",
            "-1  1 train    6",
            "-1  1 validate 9 10 11",
            " 0 -1 test     8 9",
            " 0  0 train    5",
            " 0  0 validate 0 1 2",
            " 0  1 train    0",
            " 0  1 validate 3 4 5",
            " 1 -1 test     10 11",
            " 1  0 train    7",
            " 1  0 validate 2 3 4",
            " 1  1 train    2",
            " 1  1 validate 5 6 7",
        ]
    )


def test_a_rolling_span_counts_dates_and_a_symbol_with_gaps_has_fewer_rows_in_it() -> None:
    settings = Folds(n_folds=2, min_train=0.5, inner_folds=2, scheme="rolling")
    folds = make_folds(development({"A": list(range(24)), "B": list(range(0, 24, 2))}), settings, 0)
    of_last = folds[(folds["fold"] == 1) & (folds["part"] != "test")]
    first = of_last.groupby("symbol")["first_date"].min()
    assert first["A"] == pd.Timestamp("2020-01-06")  # test from position 19, purge 2, 12 dates: positions 5 to 16
    assert first["B"] == pd.Timestamp("2020-01-07")


def test_embargo_purge_on_both_sides_and_remainders() -> None:
    # 31 dates: first train span 12, purge 2, two test spans of 8 and 9; the third of three blocks takes the remainder.
    settings = Folds(n_folds=2, min_train=0.4, inner_folds=3, embargo=1)
    folds = make_folds(development({"A": list(range(31))}), settings, look_back=60)
    assert printed(folds[folds["fold"] >= 0]) == "\n".join(
        [
            " 0 -1 test     14 15 16 17 18 19 20 21",
            " 0  0 train    7 8 9 10 11",
            " 0  0 validate 0 1 2 3",
            " 0  1 train    0 1 | 11",
            " 0  1 validate 4 5 6 7",
            " 0  2 train    0 1 2 3 4 5",
            " 0  2 validate 8 9 10 11",
            " 1 -1 test     22 23 24 25 26 27 28 29 30",
            " 1  0 train    9 10 11 12 13 14 15 16 17 18 19",
            " 1  0 validate 0 1 2 3 4 5",
            " 1  1 train    0 1 2 3 | 15 16 17 18 19",
            " 1  1 validate 6 7 8 9 10 11",
            " 1  2 train    0 1 2 3 4 5 6 7 8 9",
            " 1  2 validate 12 13 14 15 16 17 18 19",
        ]
    )


def test_the_embargo_is_the_longest_look_back_unless_given() -> None:
    frame = development({"A": list(range(100))})
    settings = Folds(n_folds=2, min_train=0.5, inner_folds=2)
    pd.testing.assert_frame_equal(
        make_folds(frame, settings, look_back=9), make_folds(frame, settings.model_copy(update={"embargo": 9}), 60)
    )


def test_a_longer_reward_horizon_purges_more() -> None:
    settings = Folds(n_folds=2, min_train=0.5, inner_folds=2, reward_horizon=4)
    folds = make_folds(development({"A": list(range(60))}), settings, 0)
    first = folds[folds["fold"] == 0].set_index(["inner", "part"])
    assert first.loc[(1, "validate"), "end"] == 30
    assert first.loc[(-1, "test"), "start"] == 35
    assert first.loc[(1, "train"), "end"] == first.loc[(1, "validate"), "start"] - 5
    assert first.loc[(0, "train"), "start"] == first.loc[(0, "validate"), "end"] + 5


def test_a_symbol_that_starts_late_has_no_rows_in_early_parts() -> None:
    # B starts at date 9: it is tested in both folds, and trained on in fold 1 only through its later rows.
    folds = make_folds(
        development({"A": list(range(31)), "B": list(range(9, 31))}),
        Folds(n_folds=2, min_train=0.4, inner_folds=3, embargo=0),
        0,
    )
    assert printed(folds[folds["fold"] >= 0], "B") == "\n".join(
        [
            " 0 -1 test     5 6 7 8 9 10 11 12",
            " 0  0 train    0 1 2",
            " 0  1 train    1 2",
            " 0  2 validate 0 1 2",
            " 1 -1 test     13 14 15 16 17 18 19 20 21",
            " 1  0 train    0 1 2 3 4 5 6 7 8 9 10",
            " 1  1 train    5 6 7 8 9 10",
            " 1  1 validate 0 1 2",
            " 1  2 train    0",
            " 1  2 validate 3 4 5 6 7 8 9 10",
        ]
    )
    line = folds[(folds["symbol"] == "B") & (folds["part"] == "test") & (folds["fold"] == 0)].iloc[0]
    assert (line["first_date"], line["last_date"]) == (pd.Timestamp("2020-01-15"), pd.Timestamp("2020-01-22"))


def test_a_symbol_without_train_rows_is_still_tested() -> None:
    folds = make_folds(
        development({"A": list(range(31)), "B": list(range(13, 31))}),
        Folds(n_folds=2, min_train=0.4, inner_folds=3, embargo=0),
        0,
    )
    parts = folds[(folds["symbol"] == "B") & (folds["fold"] == 0)]["part"].tolist()
    assert parts == ["test"]


def test_the_purge_counts_the_own_bars_of_a_symbol_with_gaps() -> None:
    # C trades every third date: its reward reaches two of its own bars ahead, six dates of the union.
    sparse = list(range(0, 60, 3))
    folds = make_folds(
        development({"A": list(range(60)), "C": sparse}),
        Folds(n_folds=2, min_train=0.5, inner_folds=2, embargo=0),
        0,
    )
    own = folds[(folds["symbol"] == "C") & (folds["fold"] == 0)].set_index(["inner", "part"])
    dense = folds[(folds["symbol"] == "A") & (folds["fold"] == 0)].set_index(["inner", "part"])
    assert dense.loc[(-1, "test"), "start"] == 32
    assert sparse[own.loc[(-1, "test"), "start"]] == 33
    assert own.loc[(1, "validate"), "end"] == own.loc[(-1, "test"), "start"] - 2
    assert dense.loc[(1, "validate"), "start"] == 15
    assert sparse[own.loc[(1, "train"), "end"] - 1 + 2] < 15
    assert sparse[own.loc[(0, "train"), "start"] - 2] >= 15


@pytest.mark.parametrize(
    ("dates", "settings", "message"),
    [
        (12, {"n_folds": 5, "embargo": 0}, "a test span would have 0 dates.*number of folds that fits is 2"),
        (30, {"n_folds": 9, "embargo": 0}, "a test span would have 1 dates.*number of folds that fits is 6"),
        (30, {"n_folds": 2, "embargo": 60}, "keeps no date to train on.*that fits is 0; give 249 dates"),
        (30, {"n_folds": 2, "inner_folds": 20}, "a validated block would have 0 dates"),
    ],
)
def test_too_few_dates_are_refused_with_what_fits(dates: int, settings: dict, message: str) -> None:
    given = Folds(**({"min_train": 0.5, "inner_folds": 2} | settings))
    with pytest.raises(DataError, match=message):
        make_folds(development({"A": list(range(dates))}), given, 0)


def test_the_number_of_folds_that_is_named_fits() -> None:
    frame = development({"A": list(range(30))})
    make_folds(frame, Folds(n_folds=6, min_train=0.5, inner_folds=2, embargo=0), 0)
    make_folds(
        development({"A": list(range(249))}), Folds(n_folds=2, min_train=0.5, inner_folds=2, embargo=60), look_back=0
    )


def test_types_and_order_are_those_of_the_schema() -> None:
    folds = make_folds(
        development({"B": list(range(40)), "A": list(range(40))}).sort_values(["symbol", "date"], ignore_index=True),
        Folds(n_folds=2, inner_folds=2),
        1,
    )
    assert folds.dtypes[["fold", "inner", "block"]].tolist() == [np.dtype("int32")] * 3
    keys = ["fold", "inner", "part", "symbol", "block"]
    pd.testing.assert_frame_equal(folds, folds.sort_values(keys, ignore_index=True))
