"""The rows that weights are pre-trained on keep to the vault and the folds of the symbols that are traded."""

import numpy as np
import pandas as pd
import pytest

from outsample.config.folds import Folds
from outsample.config.models import Settings
from outsample.errors import DataError
from outsample.features.build import build_features
from outsample.folds.make import make_folds
from outsample.folds.transfer import transfer_tables
from outsample.folds.vault import split_vault

FOLDS = Folds(n_folds=2, min_train=0.5, inner_folds=2, embargo=3)
SETTINGS = Settings(
    data={"symbols": ["A"], "references": ["R"], "transfer": ["X"]},
    folds=FOLDS.model_dump(),
    features={"cross": [{"symbol": "R", "returns": [1]}]},
)


def _rows(symbol, dates):
    return pd.DataFrame({"symbol": symbol, "date": pd.DatetimeIndex(dates).astype("datetime64[us]")})


@pytest.mark.parametrize("hours", [24, 12, 36])
def test_no_row_is_outside_the_dates_of_the_fold_it_trains(hours):
    own = _rows("A", pd.date_range("2020-01-01", periods=60))
    others = _rows("X", pd.date_range("2019-12-01", "2020-02-29", freq=f"{hours}h"))
    for scheme in ("anchored", "rolling"):
        settings = FOLDS.model_copy(update={"scheme": scheme})
        expected, found = make_folds(own, settings, 5), make_folds(own, settings, 5, others)
        assert set(found["part"]) == {"train", "validate"}
        assert set(found["symbol"]) == {"X"}
        if scheme == "anchored":  # whose spans begin with the first bar of X; the later ones are compared
            found = found[found["last_date"] >= own["date"].min()]
            opening = found["start"] == 0
            found = found.assign(
                first_date=found["first_date"].mask(opening, found["first_date"].clip(own["date"].min()))
            )
            found["block"] = found.groupby(["fold", "inner", "part"]).cumcount()
        keys = ["fold", "inner", "part", "block"]
        compared = expected.merge(found, on=keys, suffixes=("", "_x"))
        assert len(compared) == len(found)
        later = compared["fold"] >= 0
        day = pd.Timedelta(days=1)
        assert (compared["last_date_x"] < compared["last_date"] + day)[later].all()
        assert (compared["first_date_x"] >= compared["first_date"]).all()


def test_on_the_same_dates_the_parts_are_the_same():
    dates = pd.date_range("2020-01-01", periods=60)
    own, found = make_folds(_rows("A", dates), FOLDS, 5), make_folds(_rows("A", dates), FOLDS, 5, _rows("X", dates))
    expected = own[own["part"] != "test"].assign(symbol="X").reset_index(drop=True)
    pd.testing.assert_frame_equal(found, expected)


def test_anchored_spans_begin_with_the_first_bar_of_the_other_symbol():
    # Two dates of the purge lie before the first validated block; the rows of the rolling spans are not older.
    own, others = (
        _rows("A", pd.date_range("2020-01-01", periods=60)),
        _rows("X", pd.date_range("2019-12-22", periods=70)),
    )
    found = make_folds(own, FOLDS, 5, others)
    train = found[found["part"] == "train"].groupby(["fold", "inner"])
    assert set(train["start"].min()) == {0}
    last = {key: rows.sort_values("start")["end"].iloc[0] for key, rows in train}
    assert [last[fold, 0] for fold in (-1, 0, 1)] == [10 - 2] * 3
    same = make_folds(own, FOLDS, 5, others[others["date"] >= "2020-01-01"])
    kept = found[found["last_date"] >= "2020-01-01"]
    assert kept["last_date"].tolist() == same["last_date"].tolist()
    rolling = make_folds(own, FOLDS.model_copy(update={"scheme": "rolling"}), 5, others)
    assert rolling["first_date"].min() == own["date"].min()


def _bars(after=None):
    """Validated bars of A, R and X; those of X from a date on replaced by NaN."""
    dates = pd.date_range("2018-01-01", periods=400).astype("datetime64[us]")
    generator = np.random.Generator(np.random.PCG64(1))
    parts = []
    for symbol in ("A", "R", "X"):
        close = 100 * np.exp(np.cumsum(generator.normal(0, 0.01, len(dates))))
        bars = pd.DataFrame({"symbol": symbol, "date": dates, "open": close, "high": close * 1.01, "low": close * 0.99})
        parts.append(bars.assign(close=close, volume=1000 + 100 * generator.random(len(dates)), factor=1.0))
    bars = pd.concat(parts, ignore_index=True)
    if after is not None:
        far = (bars["symbol"] == "X") & (bars["date"] >= after)
        bars.loc[far, ["open", "high", "low", "close"]] *= 7.0
    return bars


def test_nothing_from_the_vault_is_in_them_and_the_traded_symbols_do_not_see_them():
    bars = _bars()
    features, spec = build_features(bars, SETTINGS.features, SETTINGS.data.untraded)
    assert set(features["symbol"]) == {"A"}
    development, _, split = split_vault(features, SETTINGS.vault, spec["warm_up"])
    start = pd.Timestamp(split["vault"]["first"])
    rows, folds = transfer_tables(bars, SETTINGS, development, start)
    assert set(rows["symbol"]) == {"X"}
    assert rows["date"].max() < start
    assert list(rows.columns) == list(development.columns)
    again, divided = transfer_tables(_bars(start), SETTINGS, development, start)
    pd.testing.assert_frame_equal(rows, again)
    pd.testing.assert_frame_equal(folds, divided)


def test_symbols_that_start_too_late_are_refused_in_one_sentence():
    bars = _bars()
    features, spec = build_features(bars, SETTINGS.features, SETTINGS.data.untraded)
    development, _, split = split_vault(features, SETTINGS.vault, spec["warm_up"])
    start = pd.Timestamp(split["vault"]["first"])
    late = bars[(bars["symbol"] != "X") | (bars["date"] > "2018-06-01")]
    with pytest.raises(DataError, match=r"^No symbol of data.transfer has a bar in part \w+ of fold -?\d"):
        transfer_tables(late.reset_index(drop=True), SETTINGS, development, start)
    first, last = (development["date"].iloc[row].date() for row in (0, -1))
    early = bars[(bars["symbol"] != "X") | (bars["date"] < "2018-06-01")]  # X ends too early
    sentence = rf"^No symbol of data.transfer has a bar in .*; give symbols with bars from {first} to {last}\.$"
    with pytest.raises(DataError, match=sentence):
        transfer_tables(early.reset_index(drop=True), SETTINGS, development, start)
    late = bars[(bars["symbol"] != "X") | (bars["date"] > start - pd.Timedelta(days=30))]
    with pytest.raises(DataError, match=r"^X of data.transfer have no bar before the vault's start"):
        transfer_tables(late.reset_index(drop=True), SETTINGS, development, start)
