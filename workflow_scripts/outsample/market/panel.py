"""The bars and features of all symbols as plain arrays, one symbol after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from outsample.errors import SchemaError

if TYPE_CHECKING:  # the paper broker runs where there is no pandas
    import pandas as pd

_BAR_COLUMNS = ("symbol", "date", "open", "close", "factor")


@dataclass(frozen=True)
class Panel:
    """N rows of M symbols, one symbol after the other; spans may be unequal.

    Row i is one bar of one symbol: its prices and its features are known at the close of `dates[i]`.
    """

    symbols: tuple[str, ...]
    offsets: NDArray[np.int64]  # [M+1]; the rows of symbol m are offsets[m]:offsets[m+1]
    dates: NDArray[np.datetime64]  # [N], datetime64[us]
    open: NDArray[np.float64]  # [N], adjusted
    close: NDArray[np.float64]  # [N], adjusted
    factor: NDArray[np.float64]  # [N]; raw price = adjusted price / factor
    features: NDArray[np.float64]  # [N, F], raw: not yet standardised
    feature_names: tuple[str, ...]

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, feature_names: Sequence[str]) -> Panel:
        """The panel of a table of bars and features that is sorted by (symbol, date).

        Args:
            frame: columns symbol, date, open, close, factor and every one of `feature_names`; others are ignored.
            feature_names: the columns that become features, in the order of the policy's inputs; may be empty.
        Raises: SchemaError when a column is missing, or rows are not sorted by symbol and date without repeats.
        """
        missing = [name for name in (*_BAR_COLUMNS, *feature_names) if name not in frame.columns]
        if missing:
            raise SchemaError(f"The table of bars lacks {', '.join(missing)}: build the features again.")
        names = frame["symbol"].to_numpy(dtype=object)
        dates = frame["date"].to_numpy(dtype="datetime64[us]")
        starts = np.flatnonzero(np.r_[True, names[1:] != names[:-1]]) if len(names) else np.zeros(0, dtype=np.int64)
        symbols = tuple(str(names[row]) for row in starts)
        later = dates[1:] > dates[:-1]
        if len(names):
            later[starts[1:] - 1] = True
        if list(symbols) != sorted(set(symbols)) or not later.all():
            raise SchemaError("The table of bars is not sorted by symbol and date without repeats: build it again.")
        return cls(
            symbols=symbols,
            offsets=np.r_[starts, len(names)].astype(np.int64),
            dates=dates,
            open=frame["open"].to_numpy(dtype=np.float64),
            close=frame["close"].to_numpy(dtype=np.float64),
            factor=frame["factor"].to_numpy(dtype=np.float64),
            features=frame[list(feature_names)].to_numpy(dtype=np.float64).reshape(len(names), len(feature_names)),
            feature_names=tuple(feature_names),
        )

    def rows(self, symbol_index: int) -> slice:
        """The rows of one symbol, given by its place in `symbols`."""
        return slice(int(self.offsets[symbol_index]), int(self.offsets[symbol_index + 1]))
