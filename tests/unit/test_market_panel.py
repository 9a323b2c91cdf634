"""The panel: rows of unequal spans, and tables that it refuses."""

import numpy as np
import pandas as pd
import pytest

from outsample.errors import SchemaError
from outsample.market.panel import Panel


def bars():
    return pd.DataFrame(
        {
            "symbol": ["A", "A", "A", "B", "B"],
            "date": pd.to_datetime(["2020-01-01", "2020-01-02", "2020-01-03", "2020-01-02", "2020-01-03"]),
            "open": [1.0, 2, 3, 4, 5],
            "close": [1.5, 2.5, 3.5, 4.5, 5.5],
            "factor": 0.5,
            "volume": 7.0,
            "momentum": [0.1, 0.2, 0.3, 0.4, 0.5],
            "trend": [1.0, 2, 3, 4, 5],
        }
    )


def test_rows_of_a_symbol_lie_together():
    panel = Panel.from_frame(bars(), ["trend", "momentum"])
    assert panel.symbols == ("A", "B")
    assert panel.offsets.tolist() == [0, 3, 5]
    assert panel.rows(1) == slice(3, 5)
    assert panel.close[panel.rows(1)].tolist() == [4.5, 5.5]
    assert panel.features[3].tolist() == [4.0, 0.4]
    assert panel.feature_names == ("trend", "momentum")
    assert panel.dates.dtype == np.dtype("datetime64[us]")


def test_a_panel_may_have_no_features_or_no_rows():
    assert Panel.from_frame(bars(), []).features.shape == (5, 0)
    empty = Panel.from_frame(bars().iloc[:0], ["trend"])
    assert (empty.symbols, empty.offsets.tolist(), empty.features.shape) == ((), [0], (0, 1))


@pytest.mark.parametrize("order", [[1, 0, 2, 3, 4], [0, 0, 1, 3, 4], [3, 4, 0, 1, 2], [0, 3, 1, 4, 2]])
def test_unsorted_or_repeated_rows_are_refused(order):
    with pytest.raises(SchemaError, match="not sorted"):
        Panel.from_frame(bars().iloc[order], [])


def test_a_missing_column_is_named():
    with pytest.raises(SchemaError, match="lacks factor, colour"):
        Panel.from_frame(bars().drop(columns="factor"), ["trend", "colour"])
