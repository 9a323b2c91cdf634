"""Standardisation fitted on train rows."""

import numpy as np
import pandas as pd
import pytest

from outsample.agents.inputs import scaler_arrays
from outsample.agents.scaling import scaled
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


VARIED = pd.DataFrame({"symbol": "A", "f": [0.0, 1.0, 2.0, 4.0, 9.0, 100.0]})  # the last row is not trained on
WHOLE = pd.DataFrame([part(0, "train", "A", 0, 0, 5)])


def test_robust_is_the_median_and_the_interquartile_range() -> None:
    # Quartiles of 0, 1, 2, 4, 9 are 1 and 4; those of a normal distribution are 1.349 standard deviations apart.
    (row,) = fit_scalers(VARIED, WHOLE, ["f"], "robust").itertuples()
    assert row.center == 2.0
    assert row.scale == pytest.approx(3 / 1.3489795)


def test_min_max_goes_from_minus_1_to_1_and_stays_there() -> None:
    scalers = fit_scalers(VARIED, WHOLE, ["f"], "min_max")
    assert scalers[["knot_00", "knot_01"]].to_numpy().tolist() == [[0.0, 9.0]]
    assert through(scalers, [-5.0, 0.0, 4.5, 9.0, 100.0]) == [-1.0, -1.0, 0.0, 1.0, 1.0]


def test_quantile_rank_is_the_rank_among_the_train_values() -> None:
    frame = pd.DataFrame({"symbol": "A", "f": np.exp(np.arange(65.0) / 16)})
    scalers = fit_scalers(frame, pd.DataFrame([part(0, "train", "A", 0, 0, 65)]), ["f"], "quantile_rank")
    ranks = through(scalers, frame["f"].tolist())
    # Of 65 values every second one is one of the 33 knots; the others lie between two of them.
    assert ranks[::2] == pytest.approx(np.linspace(-1, 1, 33).tolist(), abs=1e-6)
    assert ranks == sorted(ranks)
    assert through(scalers, [-1e9, 1e9]) == [-1.0, 1.0]


def test_a_value_that_many_rows_have_is_in_the_middle_of_their_ranks() -> None:
    frame = pd.DataFrame({"symbol": "A", "f": [-1.0] * 25 + [0.0] * 50 + [1.0] * 25})
    scalers = fit_scalers(frame, pd.DataFrame([part(0, "train", "A", 0, 0, 100)]), ["f"], "quantile_rank")
    assert through(scalers, [0.0, 1e-12]) == pytest.approx([0.0, 0.0], abs=1e-6)


def through(scalers: pd.DataFrame, values: list[float]) -> list[float]:
    """Values of the one feature f as a network reads them."""
    center, scale = scaler_arrays(scalers, 0, ["f"])
    return np.asarray(scaled(np.array(values, np.float32)[:, None], center[0], scale[0]))[:, 0].tolist()


@pytest.mark.parametrize("kind", ["standard", "robust", "min_max", "quantile_rank"])
def test_a_constant_feature_is_named_by_every_scaling(kind) -> None:
    with pytest.raises(DataError, match=r"The feature h is constant on the 5 train rows of fold 0, inner fold 0"):
        fit_scalers(VARIED.assign(h=[1.0] * 5 + [2.0]), WHOLE, ["f", "h"], kind)


def test_robust_refuses_a_feature_whose_middle_half_is_constant() -> None:
    with pytest.raises(DataError, match=r"The middle half of the feature h is constant on the 5 train rows .* robust"):
        fit_scalers(VARIED.assign(h=[0.0, 0.0, 0.0, 0.0, 1.0, 1.0]), WHOLE, ["h"], "robust")
