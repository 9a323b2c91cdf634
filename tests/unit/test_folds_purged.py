"""Purged k-fold and combinatorial purged splits; the indices printed here are the specification."""

import re

import numpy as np
import pandas as pd
import pytest
from skfolio.model_selection import CombinatorialPurgedCV

from outsample.config.folds import Folds
from outsample.errors import ConfigError, DataError
from outsample.folds.make import make_folds
from outsample.folds.purged import Purged
from outsample.folds.spans import SymbolDates

KFOLD = {"scheme": "purged_kfold", "n_folds": 3, "inner_folds": 2}


def development(positions: dict[str, list[int]]) -> pd.DataFrame:
    """Rows at the given positions of a daily calendar."""
    start = pd.Timestamp("2020-01-01")
    parts = [
        pd.DataFrame({"symbol": symbol, "date": (start + pd.to_timedelta(rows, unit="D")).astype("datetime64[us]")})
        for symbol, rows in positions.items()
    ]
    return pd.concat(parts, ignore_index=True)


def printed(folds: pd.DataFrame, symbol: str = "A") -> list[str]:
    """One line a part: its rows, blocks one after the other."""
    lines = []
    for (fold, inner, part), blocks in folds[folds["symbol"] == symbol].groupby(["fold", "inner", "part"]):
        rows = [list(range(start, end)) for start, end in zip(blocks["start"], blocks["end"], strict=True)]
        lines.append(f"{fold:2} {inner:2} {part:8} " + " | ".join(" ".join(map(str, block)) for block in rows))
    return lines


def test_twelve_rows_of_purged_k_fold() -> None:
    # Blocks of 4. A train row lies 2 before a tested or validated one (a reward of one bar, filled one bar later), and
    # 2 after it.
    assert printed(make_folds(development({"A": list(range(12))}), Folds(**KFOLD), 0)) == [
        "-1  0 train    8 9 10 11",
        "-1  0 validate 0 1 2 3 4 5",
        "-1  1 train    0 1 2 3",
        "-1  1 validate 6 7 8 9 10 11",
        " 0 -1 test     0 1 2 3",
        " 0  0 train    11",
        " 0  0 validate 6 7 8",
        " 0  1 train    6",
        " 0  1 validate 9 10 11",
        " 1 -1 test     4 5 6 7",
        " 1  0 train    10 11",
        " 1  0 validate 0 1",
        " 1  1 train    0 1",
        " 1  1 validate 10 11",
        " 2 -1 test     8 9 10 11",
        " 2  0 train    5",
        " 2  0 validate 0 1 2",
        " 2  1 train    0",
        " 2  1 validate 3 4 5",
    ]


def test_twelve_rows_of_combinatorial_splits_without_inner_folds() -> None:
    plan = Purged.of(12, 4, Folds(scheme="combinatorial_purged", n_folds=4, n_test_folds=2), look_back=0)
    every = SymbolDates(np.arange(12).astype("datetime64[D]"), np.arange(13))
    found = [
        (
            [list(range(*block)) for block in tested],
            [row for span in every.around(tested, plan.purge, plan.embargo) for row in range(*span)],
        )
        for tested in plan.outer
    ]
    assert found == [
        ([[0, 1, 2], [3, 4, 5]], [8, 9, 10, 11]),
        ([[0, 1, 2], [6, 7, 8]], [11]),  # 3, 4 follow a test, 4, 5 precede one
        ([[0, 1, 2], [9, 10, 11]], [5, 6]),
        ([[3, 4, 5], [6, 7, 8]], [0, 11]),
        ([[3, 4, 5], [9, 10, 11]], [0]),
        ([[6, 7, 8], [9, 10, 11]], [0, 1, 2, 3]),
    ]


def test_the_embargo_follows_a_tested_block_only() -> None:
    # 24 rows in 3 blocks of 8, purge 2, embargo 1: before the tested rows 8-15, 6 and 7 are left out, after them 16-18.
    folds = make_folds(development({"A": list(range(24))}), Folds(**KFOLD, embargo=1), look_back=1)
    assert printed(folds[folds["fold"] == 1]) == [
        " 1 -1 test     8 9 10 11 12 13 14 15",
        " 1  0 train    19 20 21 22 23",
        " 1  0 validate 0 1 2 3 4",
        " 1  1 train    0 1 2",
        " 1  1 validate 5 | 19 20 21 22 23",
    ]


def test_a_split_of_24_rows_whose_inner_fold_lies_on_both_sides_of_a_test() -> None:
    settings = Folds(scheme="combinatorial_purged", n_folds=4, n_test_folds=2, inner_folds=2)
    folds = make_folds(development({"A": list(range(24))}), settings, 0)
    assert printed(folds[folds["fold"] == 1]) == [
        " 1 -1 test     0 1 2 3 4 5 | 12 13 14 15 16 17",
        " 1  0 train    23",
        " 1  0 validate 8 9 | 20",
        " 1  1 train    8 9",
        " 1  1 validate 21 22 23",
    ]


@pytest.mark.parametrize(("n_folds", "tested"), [(4, 2), (5, 3), (6, 2)])
@pytest.mark.parametrize("embargo", [0, 3])
def test_the_outer_spans_of_a_complete_symbol_are_those_of_skfolio(n_folds: int, tested: int, embargo: int) -> None:
    plan = Purged(dates=65, n_folds=n_folds, tested=tested, purge=2, embargo=embargo, inner=2)
    every = SymbolDates(np.arange(65).astype("datetime64[D]"), np.arange(66))
    cutter = CombinatorialPurgedCV(n_folds, tested, purged_size=2, embargo_size=embargo)
    for (train, tests), blocks in zip(cutter.split(np.empty((65, 1))), plan.outer, strict=True):
        assert [list(test) for test in tests] == [list(range(*block)) for block in blocks]
        assert train.tolist() == [row for span in every.around(blocks, 2, embargo) for row in range(*span)]


@pytest.mark.parametrize("scheme", ["purged_kfold", "combinatorial_purged"])
def test_what_is_trained_on_keeps_its_distance_on_both_sides_for_symbols_with_gaps(scheme: str) -> None:
    symbols = {"A": list(range(160)), "B": list(range(50, 160)), "C": list(range(0, 160, 3))}
    settings = Folds(scheme=scheme, n_folds=4, inner_folds=2, reward_horizon=2)
    folds, purge, embargo = make_folds(development(symbols), settings, 5), 3, 5
    tested = {symbol: np.zeros(len(rows), int) for symbol, rows in symbols.items()}
    for (fold, symbol), parts in folds.groupby(["fold", "symbol"]):
        rows = {
            key: np.concatenate([np.arange(r.start, r.end) for r in of_part.itertuples()])
            for key, of_part in parts.groupby(["inner", "part"])
        }
        test = rows.get((-1, "test"), np.array([], int))
        tested[symbol][test] += 1
        for inner in range(2):
            train, validated = (rows.get((inner, part), np.array([], int)) for part in ("train", "validate"))
            for judged in (test, validated):
                apart = train[:, None] - judged[None, :]
                assert not ((apart >= -purge) & (apart <= 0)).any(), (fold, symbol, inner)
                # What follows a judged block by gap rows at most is left out: apart counts from its last row.
                last = judged[np.flatnonzero(np.diff(judged, append=10**6) > 1)] if len(judged) else judged
                after = train[:, None] - last[None, :]
                assert not ((after > 0) & (after <= purge + embargo)).any(), (fold, symbol, inner)
            assert not set(validated) & set(test)
    times = 1 if scheme == "purged_kfold" else 3  # of C(4, 2) splits, those that test a block
    assert all((count == times).all() for count in tested.values())


def test_a_symbol_that_starts_late_does_not_look_back_into_a_tested_block() -> None:
    # Block 0 ends at 25 April. The stock is listed on 13 April, trades on weekdays only, and its first 20 bars are the
    # warm-up: 22 dates after the block, on 18 May, a look-back of 20 of its own bars would reach 20 April.
    look_back, days = 20, pd.date_range("2020-01-01", periods=464).astype("datetime64[us]")
    bars = days[(days >= "2020-04-13") & (days.day_of_week < 5)]
    frame = pd.concat(
        [pd.DataFrame({"symbol": "AAA", "date": bars[look_back:]}), pd.DataFrame({"symbol": "B", "date": days})]
    )
    folds = make_folds(frame.reset_index(drop=True), Folds(scheme="purged_kfold", n_folds=4, inner_folds=2), look_back)
    block = folds[(folds["fold"] == 0) & (folds["part"] == "test")]
    assert block["last_date"].tolist() == [pd.Timestamp("2020-04-25")]
    learnt = folds[(folds["fold"] == 0) & (folds["part"] != "test") & (folds["symbol"] == "AAA")]
    assert (bars[learnt["start"]] > pd.Timestamp("2020-04-25")).all()  # the bar 20 before the first row of each span
    assert learnt["start"].min() == look_back  # its warm-up lies before them
    unseen = folds[(folds["fold"] == 3) & (folds["symbol"] == "AAA") & (folds["part"] == "validate")]
    assert unseen["start"].min() == 0


def test_rows_to_pre_train_on_keep_the_same_dates_away_from_a_test() -> None:
    # The traded symbol has every second date, the other one every date.
    frame, others = development({"A": list(range(0, 240, 2))}), development({"Z": list(range(260))})
    settings = Folds(scheme="combinatorial_purged", n_folds=4, inner_folds=2)
    traded, parts = make_folds(frame, settings, 3), make_folds(frame, settings, 3, others)
    assert set(parts["part"]) == {"train", "validate"}
    assert set(parts["symbol"]) == {"Z"}
    days = frame["date"].to_numpy()
    for test in traded[traded["part"] == "test"].itertuples():
        first, last = days[max(test.start - 2, 0)], days[min(test.end + 4, len(days) - 1)]  # purge 2, embargo 3
        learnt = parts[parts["fold"] == test.fold]
        assert ((learnt["last_date"] < first) | (learnt["first_date"] > last)).all()


def test_every_bar_of_the_final_policy_is_validated_once() -> None:
    folds = make_folds(development({"A": list(range(40))}), Folds(**KFOLD), 3)
    final = folds[(folds["fold"] == -1) & (folds["part"] == "validate")]
    assert list(zip(final["start"], final["end"], strict=True)) == [(0, 20), (20, 40)]


@pytest.mark.parametrize(
    ("dates", "settings", "message"),
    [
        (12, {"n_folds": 7}, "a tested block would have 1 dates.*largest number of folds that fits is 6"),
        (
            9,
            {"n_folds": 3},
            "inner fold 0 of fold 0 keeps no date to train on.*that fits is 0; give 12 dates.*, or lower folds.inner",
        ),
        (24, {"n_folds": 3, "inner_folds": 8}, "inner fold 0 of fold 0 would validate 1 dates in a row, at least 2"),
        (
            30,
            {"n_folds": 3, "embargo": 10},
            "inner fold 0 of fold 0 keeps no date to train on once the purge of 2 and the embargo of 10 are taken",
        ),
        # Fewer, larger blocks leave less to train on: of 20 dates 4 do not fit, nor 7, for the remainder is all tested.
        (20, {"scheme": "combinatorial_purged", "n_folds": 4}, "folds that fits is 10, and the nearest 5"),
        (20, {"scheme": "combinatorial_purged", "n_folds": 7}, "folds that fits is 10, and the nearest 6"),
    ],
)
def test_too_few_dates_are_refused_with_what_fits(dates: int, settings: dict, message: str) -> None:
    frame, given = development({"A": list(range(dates))}), Folds(**KFOLD | settings)
    with pytest.raises(DataError, match=message) as refused:
        make_folds(frame, given, 0)
    for fits in re.findall(r"that fits is ([1-9]\d*)|the nearest (\d+)", str(refused.value)):
        make_folds(frame, given.model_copy(update={"n_folds": int(max(fits))}), 0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"scheme": "combinatorial_purged", "n_folds": 4, "n_test_folds": 4},
            "n_test_folds 4 is not below folds.n_folds 4, which leaves no block to train on; set it to at most 3",
        ),
        (
            {"scheme": "combinatorial_purged", "n_folds": 2},
            "n_test_folds 2 is not below .* train on; raise folds.n_folds",
        ),
        ({"scheme": "combinatorial_purged", "n_folds": 20, "n_test_folds": 10}, "make 184,756 splits"),
    ],
)
def test_splits_that_cannot_be_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Folds(**settings)
    Folds(**settings | {"scheme": "purged_kfold"})  # where the key has no meaning


def test_an_embargo_below_the_look_back_is_refused_where_training_follows_a_test() -> None:
    frame = development({"A": list(range(60))})
    with pytest.raises(ConfigError, match=r"folds\.embargo 2 is below the longest look-back of a feature, 3 bars"):
        make_folds(frame, Folds(**KFOLD, embargo=2), look_back=3)
    make_folds(frame, Folds(n_folds=2, inner_folds=2, embargo=2), look_back=3)
