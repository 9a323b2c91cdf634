"""Walk-forward folds of random calendars: nothing trains on what it is judged by."""

from collections import defaultdict

import numpy as np
import pandas as pd
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from outsample.config.folds import Folds
from outsample.errors import DataError
from outsample.folds.make import make_folds

CASES = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**32),
        "dates": st.integers(20, 150),
        "n_folds": st.integers(2, 6),
        "inner_folds": st.integers(2, 5),
        "min_train": st.floats(0.2, 0.7),
        "reward_horizon": st.integers(1, 4),
        "embargo": st.integers(0, 15),
        "sparse": st.booleans(),
        "scheme": st.sampled_from(["anchored", "rolling"]),
    }
)


def case(chosen: dict) -> tuple[pd.DataFrame, Folds, pd.DataFrame]:
    """A development span of three symbols: one complete, one that starts late, one with gaps or complete."""
    draw = np.random.Generator(np.random.PCG64(chosen["seed"]))
    calendar = pd.date_range("2020-01-01", periods=chosen["dates"], freq="D", unit="us")
    shown = {
        "A": np.ones(len(calendar), bool),
        "B": np.arange(len(calendar)) >= draw.integers(0, len(calendar)),
        "C": draw.random(len(calendar)) < (0.5 if chosen["sparse"] else 1.1),
    }
    frame = pd.concat([pd.DataFrame({"symbol": s, "date": calendar[rows]}) for s, rows in shown.items()])
    names = ("n_folds", "inner_folds", "min_train", "reward_horizon", "embargo", "scheme")
    given_folds = Folds(**{name: chosen[name] for name in names})
    frame = frame.reset_index(drop=True)
    try:
        return frame, given_folds, make_folds(frame, given_folds, 60)
    except DataError:
        assume(False)
        raise


def rows_of(folds: pd.DataFrame) -> dict[tuple[int, int, str, str], np.ndarray]:
    """The rows of each (fold, inner, part, symbol); none where it has no line."""
    rows: dict[tuple[int, int, str, str], np.ndarray] = defaultdict(lambda: np.array([], int))
    for line in folds.itertuples():
        key = (line.fold, line.inner, line.part, line.symbol)
        rows[key] = np.append(rows[key], np.arange(line.start, line.end))
    return rows


@given(CASES)
@settings(max_examples=30, deadline=None)
def test_train_keeps_its_distance_from_what_is_judged(chosen: dict) -> None:
    _, given_folds, folds = case(chosen)
    rows, purge = rows_of(folds), given_folds.reward_horizon + 1
    gap = purge + (given_folds.embargo or 0)
    for fold in range(-1, given_folds.n_folds):
        for symbol in "ABC":
            test = rows[fold, -1, "test", symbol]
            for inner in range(given_folds.inner_folds):
                train = rows[fold, inner, "train", symbol]
                validate = rows[fold, inner, "validate", symbol]
                if len(test) and len(train):
                    assert train.max() + purge < test.min()
                if len(test) and len(validate):
                    assert validate.max() + purge < test.min()
                if len(validate):
                    inside = (train + purge >= validate.min()) & (train < validate.max() + 1 + gap)
                    assert not inside.any()


@given(CASES)
@settings(max_examples=30, deadline=None)
def test_tests_tile_the_end_and_validated_blocks_tile_the_train_span(chosen: dict) -> None:
    frame, given_folds, folds = case(chosen)
    rows, sizes = rows_of(folds), []
    for symbol in "ABC":
        length = int((frame["symbol"] == symbol).sum())
        tested = [rows[k, -1, "test", symbol] for k in range(given_folds.n_folds)]
        joined = np.concatenate(tested)
        if len(joined):
            np.testing.assert_array_equal(joined, np.arange(joined[0], length))
        if symbol == "A":
            sizes = [len(part) for part in tested]
        for fold in range(-1, given_folds.n_folds):
            blocks = [rows[fold, i, "validate", symbol] for i in range(given_folds.inner_folds)]
            validated = np.concatenate(blocks)
            first = int(validated[0]) if len(validated) else 0
            np.testing.assert_array_equal(validated, first + np.arange(len(validated)))
            if given_folds.scheme == "anchored":
                assert first == 0
                assert len(validated) == length or fold >= 0
            elif symbol == "A":
                assert len(validated) == int(length * given_folds.min_train + 0.5)
                assert validated[-1] == length - 1 or fold >= 0
    assert len(set(sizes[:-1])) == 1
    assert 0 <= sizes[-1] - sizes[0] < given_folds.n_folds


@given(CASES)
@settings(max_examples=30, deadline=None)
def test_dates_are_those_of_the_rows_and_the_reward_ends_before_the_judged_date(chosen: dict) -> None:
    frame, given_folds, folds = case(chosen)
    dates = {symbol: part["date"].to_numpy() for symbol, part in frame.groupby("symbol")}
    for line in folds.itertuples():
        assert dates[line.symbol][line.start] == line.first_date
        assert dates[line.symbol][line.end - 1] == line.last_date
    purge = given_folds.reward_horizon + 1
    starts = folds[folds["part"] == "test"].groupby("fold")["first_date"].min()
    train = folds[(folds["part"] == "train") & (folds["fold"] >= 0)]
    for line in train.itertuples():
        # The reward of the last train row is known `purge` own bars later: before any symbol is tested.
        assert dates[line.symbol][line.end - 1 + purge] < starts[line.fold]
