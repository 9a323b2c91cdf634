"""Dates of bars: whether they ascend, and how an error or a document shows them."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def day_text(moment: np.datetime64 | pd.Timestamp) -> str:
    """A date without the time of day where that is midnight.

    >>> day_text(np.datetime64("2024-01-02T00:00:00")), day_text(np.datetime64("2024-01-02T09:30:00"))
    ('2024-01-02', '2024-01-02 09:30:00')
    """
    return str(pd.Timestamp(moment)).removesuffix(" 00:00:00")


def first_days(moments: NDArray[np.datetime64], shown: int = 3) -> str:
    """The first few dates, and how many more there are.

    >>> first_days(np.arange("2024-01-01", "2024-01-06", dtype="datetime64[D]"))
    '2024-01-01, 2024-01-02, 2024-01-03 and 2 more'
    """
    listed = ", ".join(day_text(m) for m in moments[:shown])
    return f"{listed} and {len(moments) - shown} more" if len(moments) > shown else listed


def first_disorder(dates: NDArray[np.datetime64]) -> tuple[int, Literal["empty", "duplicate", "unsorted"]] | None:
    """The first row whose date is empty, equals the one before or is earlier, and which of the three; None if ordered.

    >>> first_disorder(np.array(["2024-01-02", "2024-01-02"], "datetime64[us]"))
    (1, 'duplicate')
    """
    if np.isnat(dates).any():
        return int(np.isnat(dates).argmax()), "empty"
    back = dates[1:] <= dates[:-1]
    if not back.any():
        return None
    row = int(back.argmax()) + 1
    return row, "duplicate" if dates[row] == dates[row - 1] else "unsorted"
