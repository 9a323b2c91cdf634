"""The closes of another symbol on a symbol's own dates: the last at or before each, and none that is too old.

NumPy only: paper trading aligns new bars by the same function as the workflow aligns those it was trained on.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from outsample.errors import DataError

Floats = NDArray[np.float64]
Dates = NDArray[np.datetime64]

_CLOSE = ":close"


class Closes(NamedTuple):
    """Adjusted closes of one symbol."""

    dates: Dates  # [N], ascending
    values: Floats  # [N]


def close_column(symbol: str) -> str:
    """The input column which holds the closes of another symbol, and the column of the feature table.

    >>> close_column("SPY")
    'SPY:close'
    """
    return symbol + _CLOSE


def other_symbol(column: str) -> str | None:
    """The other symbol of an input column, None for a column of the symbol's own bars.

    >>> other_symbol("SPY:close"), other_symbol("close")
    ('SPY', None)
    """
    return column.removesuffix(_CLOSE) if column.endswith(_CLOSE) and column != _CLOSE else None


def last_closes(symbol: str, dates: Dates, other: str, closes: Closes, max_age: int, settings: bool = True) -> Floats:
    """The close of the other symbol's last bar at or before each date, never of a later one.

    Args:
        symbol: whose dates they are; for errors.
        dates: [T], ascending.
        other: name of the other symbol.
        closes: its closes; those after the last date are ignored.
        max_age: days that its bar may lie before the date.
        settings: whether the reader of an error can change the settings.
    Returns: closes [T].
    Raises: DataError at the first date at which the other symbol has no bar yet, or one that is too old.

    >>> days = np.arange("2024-01-02", "2024-01-05", dtype="datetime64[D]")
    >>> last_closes("A", days, "SPY", Closes(days[[0, 2]], np.array([470.0, 472.0])), 5)
    array([470., 470., 472.])
    """
    rows = np.searchsorted(closes.dates, dates, side="right") - 1
    if len(dates) and rows[0] < 0:
        begins = f"begins on {_text(closes.dates[0])}" if len(closes.dates) else "has no bar"
        raise DataError(
            f"{symbol} has a bar on {_text(dates[0])}, and {other}, whose close its features take, {begins}; give "
            f"earlier bars of {other}"
            + (f", a later data.start, or take {other} out of features.cross." if settings else ".")
        )
    old = dates - closes.dates[rows] > np.timedelta64(max_age, "D")
    if old.any():
        row = int(old.argmax())
        raise DataError(
            f"{symbol} on {_text(dates[row])}: the last bar of {other} is of {_text(closes.dates[rows[row]])}, more "
            f"than {max_age} days before; complete the bars of {other}"
            + (", or raise features.cross_max_age." if settings else ".")
        )
    return closes.values[rows]


def _text(date: np.datetime64) -> str:
    return str(date.astype("datetime64[s]")).replace("T", " ").removesuffix(" 00:00:00")
