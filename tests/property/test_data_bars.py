"""Invariants of reading and validating: any good bars come through a CSV as they are, any broken row is refused."""

import gzip

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outsample.config.data import CsvSource, Data, SimulatedSource
from outsample.config.models import Market
from outsample.config.validation import BarRules
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


LAYOUTS = [
    b"date,open,high,low,close,volume\n2024-01-15,10.5,12.25,9,11,1500\n2024-01-16,11,13,10,12.5,2000\n",
    b"Note\nDate;Open;High;Low;Close;Volume\n16.01.2024;1.011,5;1.013;1.010;1.012,5;2.000\n"
    b"15.01.2024;1.010,5;1.012,25;1.009;1.011;1.500\n",
    b"\xff\xfe" + "unix|o|h|l|c|v\n1705311000|1|2|1|1.5|3K\n1705311060|1|2|1|1.5|3K\n".encode("utf-16-le"),
    b"Price,Close,High,Low,Open,Volume\nTicker,X,X,X,X,X\nDate,,,,,\n2024-01-02T09:30:00Z,1,2,1,1,5\n",
    b'"Date","Price","Open","High","Low","Vol."\n"Jan 15, 2024","1,5","1,5","1,5","1,5","1,5M"\n',
    gzip.compress(b"date,time,open,high,low,close,volume\n2024-01-15,0930,1,2,1,1,5\n", mtime=0),
]


@settings(max_examples=300, deadline=None)
@given(
    layout=st.sampled_from(LAYOUTS),
    changes=st.lists(
        st.tuples(
            st.floats(0, 1),
            st.sampled_from([0, 1, 2]),
            st.one_of(
                st.binary(max_size=3),
                st.sampled_from(
                    [
                        b",",
                        b";",
                        b"\n",
                        b'"',
                        b".",
                        b"-",
                        b"0",
                        b"99",
                        b"e9",
                        b"Z",
                        b"+05:00",
                        b":",
                        b" ",
                        b"\x00",
                        b"\xe9",
                    ]
                ),
            ),
        ),
        max_size=6,
    ),
)
def test_any_damage_to_any_layout_gives_bars_or_a_sentence(layout, changes) -> None:
    """Each change puts bytes in the place of 0 to 2 bytes."""
    content = layout
    for place, cut, new in changes:
        at = int(place * len(content))
        content = content[:at] + new + content[at + cut :]
    assert _refusal(content).startswith("X.csv")


def _written(bars: pd.DataFrame, separator: str, decimal: str, thousands: str, day: str, digits: int) -> str:
    """Bars as a spreadsheet of some country writes them, every cell in quotes."""

    def number(value: float) -> str:
        whole, _, fraction = f"{value:,.{digits}f}".partition(".")
        return whole.replace(",", thousands) + (decimal + fraction if fraction else "")

    lines = [separator.join(f'"{c}"' for c in REQUIRED)]
    for _, bar in bars.iterrows():
        cells = [bar["date"].strftime(day), *(number(bar[c]) for c in REQUIRED[1:])]
        lines.append(separator.join(f'"{c}"' for c in cells))
    return "\n".join(lines) + "\n"


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 1000),
    bars=st.integers(10, 40),
    scale=st.sampled_from([0.001, 1.0, 100.0]),
    separator=st.sampled_from([",", ";", "\t", "|"]),
    marks=st.sampled_from([".,", ".", ",.", ",", ". ", ", ", ".'"]),
    day=st.sampled_from(
        ["%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%Y%m%d", "%d-%b-%Y", "%Y-%m-%d 00:00:00+01:00"]
    ),
    digits=st.integers(0, 4),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    newest_first=st.booleans(),
)
def test_bars_in_the_manner_of_any_country_are_read_right_or_refused(
    seed: int,
    bars: int,
    scale: float,
    separator: str,
    marks: str,
    day: str,
    digits: int,
    encoding: str,
    newest_first: bool,
) -> None:
    """Refused only where the marks, or day and month, have two readings: never read otherwise than written."""
    simulated = _simulated(seed, bars)
    for column in REQUIRED[1:]:
        simulated[column] = (simulated[column] * scale).round(digits)
    decimal, thousands = marks[0], marks[1:]
    rows = simulated.iloc[::-1] if newest_first else simulated
    content = _written(rows, separator, decimal, thousands, day, digits).encode(encoding)
    refusal = _refusal(content)
    if refusal != "X.csv":
        assert " or " in refusal  # both readings
        assert "data.source.format.decimal" in refusal or "data.source.format.date_order" in refusal
        return
    read = parse_csv(content, "X.csv")
    pd.testing.assert_frame_equal(read, simulated, check_exact=True)


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
    odd = {"split_unadjusted": "warning", "unit_error": "warning"}  # such a factor is one of both now and then
    rules = BarRules.model_validate({"severities": odd})
    validated = validate_bars(bars.assign(symbol="X"), DATA, Market(), rules)[0]
    np.testing.assert_allclose(validated["close"], bars["adj_close"], rtol=1e-12)
    for column in ("open", "high", "low", "close"):
        np.testing.assert_allclose(validated[column] / validated["factor"], bars[column], rtol=1e-12)
