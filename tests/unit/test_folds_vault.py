"""The split between development and vault."""

import datetime

import numpy as np
import pandas as pd
import pytest

from outsample.config.models import Vault
from outsample.errors import DataError
from outsample.folds.vault import split_vault


def table(spans: dict[str, tuple[int, int]]) -> pd.DataFrame:
    """A feature table; a symbol has rows at positions [start, end) of a daily calendar from 2020-01-01."""
    calendar = pd.date_range("2020-01-01", periods=40, freq="D", unit="us")
    parts = []
    for symbol, (start, end) in spans.items():
        x = np.arange(float(start), end)
        prices = dict.fromkeys(("open", "high", "low", "close"), x + 1)
        parts.append(
            pd.DataFrame({"symbol": symbol, "date": calendar[start:end], **prices, "volume": x, "factor": 1.0, "f": x})
        )
    return pd.concat(parts, ignore_index=True)


def test_the_last_fraction_of_the_dates_goes_to_the_vault_with_its_warm_up() -> None:
    development, vault, split = split_vault(table({"A": (0, 12)}), Vault(fraction=0.25), warm_up=2)
    assert development["f"].tolist() == [2, 3, 4, 5, 6, 7, 8]
    assert vault["f"].tolist() == [7, 8, 9, 10, 11]
    assert vault["in_vault"].tolist() == [False, False, True, True, True]
    assert split["development"] == {"first": "2020-01-03", "last": "2020-01-09", "dates": 7}
    assert {key: split["vault"][key] for key in ("first", "last", "dates")} == {
        "first": "2020-01-10",
        "last": "2020-01-12",
        "dates": 3,
    }
    assert vault.columns.tolist()[-2:] == ["in_vault", "f"]


def test_one_date_for_symbols_of_unequal_spans() -> None:
    spans = {"A": (0, 12), "B": (6, 12), "C": (8, 12), "D": (0, 7)}  # C starts just before the vault, D ends before
    development, vault, _ = split_vault(table(spans), Vault(fraction=0.25), warm_up=2)
    rows = {symbol: part["f"].tolist() for symbol, part in development.groupby("symbol")}
    assert rows == {"A": [2, 3, 4, 5, 6, 7, 8], "B": [8], "D": [2, 3, 4, 5, 6]}
    rows = {symbol: part["f"].tolist() for symbol, part in vault.groupby("symbol")}
    assert rows == {"A": [7, 8, 9, 10, 11], "B": [7, 8, 9, 10, 11], "C": [8, 9, 10, 11], "D": [5, 6]}
    traded = {symbol: part["f"].tolist() for symbol, part in vault[vault["in_vault"]].groupby("symbol")}
    assert traded == {"A": [9, 10, 11], "B": [9, 10, 11], "C": [10, 11]}  # row 9 of C is still its warm-up


def test_a_given_start_is_the_first_date_from_then_on() -> None:
    frame = table({"A": (0, 12)})
    frame = frame[frame["f"] != 8].reset_index(drop=True)
    _, vault, split = split_vault(frame, Vault(start=datetime.date(2020, 1, 9)), warm_up=0)
    assert vault["f"].tolist() == [9, 10, 11]
    assert split["vault"]["first"] == "2020-01-10"


def test_the_hash_is_of_the_bars_of_the_vault_alone() -> None:
    frame = table({"A": (0, 12)})

    def digest(changed: pd.DataFrame, warm_up: int = 2) -> str:
        return split_vault(changed, Vault(fraction=0.25), warm_up)[2]["vault"]["sha256"]

    late = table({"A": (0, 12), "C": (8, 12)})
    warming = (late["symbol"] == "C") & (late["f"] == 9)  # in the vault, but not traded: it moves what is traded
    assert digest(late.assign(close=late["close"].where(~warming, 99.0))) != digest(late)
    same = digest(frame)
    assert digest(frame.assign(f=0.0)) == digest(frame, warm_up=3) == same
    assert digest(frame.assign(close=frame["close"].where(frame["f"] != 8, 99.0))) == same
    assert digest(frame.assign(close=frame["close"].where(frame["f"] != 9, 99.0))) != same


@pytest.mark.parametrize(
    ("vault", "warm_up", "message"),
    [
        (Vault(start=datetime.date(2030, 1, 1)), 2, "vault.start 2030-01-01 is after the last bar of 2020-01-12"),
        (Vault(start=datetime.date(2020, 1, 1)), 2, "leaves none for development"),
        (Vault(start=datetime.date(2020, 1, 2)), 2, "No symbol has a bar before the vault's start 2020-01-02"),
        (Vault(fraction=0.25), 12, "No symbol has a bar before"),
    ],
)
def test_an_empty_span_is_refused(vault: Vault, warm_up: int, message: str) -> None:
    with pytest.raises(DataError, match=message):
        split_vault(table({"A": (0, 12)}), vault, warm_up)
