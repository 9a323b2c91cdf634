"""Invariants of reading and validating: any good bars come through a CSV as they are, any broken row is refused."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outsample.config.data import CsvSource, Data, SimulatedSource
from outsample.config.models import Market
from outsample.data.columns import REQUIRED
from outsample.data.csv_source import parse_csv
from outsample.data.simulated_source import simulate_bars
from outsample.data.validate import validate_bars
from outsample.errors import DataError, OutsampleError

DATA = Data(source=CsvSource(path="{symbol}.csv"), symbols=["X"])


def _simulated(seed: int, bars: int) -> pd.DataFrame:
    return simulate_bars(SimulatedSource(bars=bars, seed=seed), "X")


def _refusal(content: bytes) -> str:
    """The sentence that refuses a file named X.csv; its name alone where the file is read."""
    try:
        parse_csv(content, "X.csv")
    except OutsampleError as error:
        return str(error)
    return "X.csv"


def _validate(bars: pd.DataFrame) -> pd.DataFrame:
    return validate_bars(bars.assign(symbol="X"), DATA, Market())[0]


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 1000),
    bars=st.integers(10, 60),
    order=st.permutations([*REQUIRED, "note"]),
    ending=st.sampled_from(["\n", "\r\n"]),
)
def test_bars_come_back_from_a_csv_bit_by_bit(seed: int, bars: int, order: list[str], ending: str) -> None:
    written = _simulated(seed, bars)
    text = written.assign(note="x")[order].to_csv(index=False, lineterminator=ending)
    pd.testing.assert_frame_equal(parse_csv(text.encode(), "X.csv"), written)


@settings(max_examples=60, deadline=None)
@given(raw=st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode)), header=st.booleans())
def test_any_bytes_are_read_or_refused_with_a_sentence(raw: bytes, header: bool) -> None:
    content = b"date,open,high,low,close,volume\n" * header + raw
    assert _refusal(content).startswith("X.csv")


@settings(max_examples=60, deadline=None)
@given(cells=st.lists(st.text(st.characters(codec="utf-8"), max_size=12), min_size=6, max_size=6))
def test_any_cells_are_read_or_refused_with_a_sentence(cells: list[str]) -> None:
    line = ",".join('"' + cell.replace('"', '""') + '"' for cell in cells)
    content = f"date,open,high,low,close,volume\n2024-01-02,10,12,9,11,500\n{line}\n".encode()
    assert _refusal(content).startswith("X.csv")


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 100),
    row=st.integers(0, 29),
    column=st.sampled_from(["open", "high", "low", "close"]),
    value=st.sampled_from([np.nan, 0.0, -1.0, np.inf]),
)
def test_one_broken_price_anywhere_is_refused_with_its_date(seed: int, row: int, column: str, value: float) -> None:
    bars = _simulated(seed, 30)
    bars.loc[row, column] = value
    with pytest.raises(DataError, match=str(bars["date"].dt.date[row])):
        _validate(bars)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 100), ratio=st.floats(0.01, 100), cut=st.integers(1, 29))
def test_adjusting_keeps_the_close_at_adj_close_and_the_shape_of_every_bar(seed: int, ratio: float, cut: int) -> None:
    bars = _simulated(seed, 30)
    bars["adj_close"] = bars["close"] * np.where(np.arange(30) < cut, ratio, 1.0)
    validated = _validate(bars)
    np.testing.assert_allclose(validated["close"], bars["adj_close"], rtol=1e-12)
    for column in ("open", "high", "low", "close"):
        np.testing.assert_allclose(validated[column] / validated["factor"], bars[column], rtol=1e-12)
