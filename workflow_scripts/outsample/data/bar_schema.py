"""The shape of the table `bars` as pandera states it: its columns, their types, and what may be empty."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import pandas as pd

from outsample.errors import DataError

if TYPE_CHECKING:
    from pandera.pandas import DataFrameSchema


@lru_cache(maxsize=1)
def bar_schema() -> DataFrameSchema:
    """Symbol, date, open, high, low, close, volume and adj_close; what their values must be, the checks say."""
    import pandera.pandas as pa  # takes half a second, and most runs of the command line check no bars

    text, moment = pa.Column(str), pa.Column("datetime64[us]", nullable=True)
    numbers = {c: pa.Column(float, nullable=True) for c in ("open", "high", "low", "close", "volume", "adj_close")}
    return pa.DataFrameSchema({"symbol": text, "date": moment, **numbers}, strict=True)


def check_shape(bars: pd.DataFrame, where: str) -> None:
    """Stop where a table is none of bars.

    Raises: DataError naming the first column that lacks, is too many or is of another type.
    """
    import pandera.errors

    try:
        bar_schema().validate(bars)
    except pandera.errors.SchemaError as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{where}: the bars are no table of bars ({reason}); run ingest_bars again.") from error
