"""Standardisation fitted on train rows."""

import numpy as np
import pandas as pd
import pytest

from outsample.errors import DataError
from outsample.folds.scalers import fit_scalers


def part(inner: int, name: str, symbol: str, block: int, start: int, end: int) -> dict:
    date = pd.Timestamp("2020-01-01")
    keys = {"fold": 0, "inner": inner, "part": name, "symbol": symbol, "block": block}
    return keys | {"start": start, "end": end, "first_date": date, "last_date": date}


FOLDS = pd.DataFrame(
    [
        part(0, "train", "A", 0, 0, 1),
        part(0, "train", "A", 1, 2, 3),
        part(0, "train", "B", 0, 1, 3),
        part(0, "validate", "A", 0, 1, 2),
        part(1, "train", "A", 0, 1, 3),
        part(-1, "test", "B", 0, 0, 3),
    ]
)
FRAME = pd.DataFrame(
    {"symbol": ["A"] * 3 + ["B"] * 3, "f": [1.0, 100.0, 3.0, 200.0, 5.0, 7.0], "g": [0.0, 1.0, 5.0, 3.0, 4.0, 1.0]}
)


def test_train_rows_of_all_symbols_and_blocks_together() -> None:
    # f in inner fold 0: rows 1, 3 of A and 5, 7 of B: mean 4, variance (9 + 1 + 1 + 9) / 4 = 5.
    scalers = fit_scalers(FRAME, FOLDS, ["g", "f"]).set_index(["inner", "feature"])
    assert scalers.loc[(0, "f"), "center"] == 4.0
    assert scalers.loc[(0, "f"), "scale"] == pytest.approx(np.sqrt(5.0))
    assert scalers.loc[(1, "g"), "center"] == 3.0
    assert scalers.index.tolist() == [(0, "f"), (0, "g"), (1, "f"), (1, "g")]


def test_rows_outside_the_train_part_do_not_matter() -> None:
    changed = FRAME.assign(f=FRAME["f"].where(~FRAME["f"].isin([100.0, 200.0]), -1e9))
    before, after = (fit_scalers(frame, FOLDS[FOLDS["inner"] == 0], ["f"]) for frame in (FRAME, changed))
    pd.testing.assert_frame_equal(before, after, check_exact=True)


def test_a_constant_feature_is_named_with_its_fold() -> None:
    frame = FRAME.assign(h=[0.1, 0.1, 0.1, 0.1, 0.1, 0.2])
    with pytest.raises(DataError, match=r"The feature h is constant on the 2 train rows of fold 0, inner fold 1"):
        fit_scalers(frame, FOLDS, ["f", "h"])
