"""The hash of a plain value or a table: the same content has the same hash on every machine."""

from __future__ import annotations

import hashlib
import json
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # at run time, this module starts without pandas
    import pandas as pd


def nan_as_null(value: Any) -> Any:
    """The value with NaN as null; infinities stay and are refused by the encoder."""
    if isinstance(value, dict):
        return {k: nan_as_null(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [nan_as_null(v) for v in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def canonical_json(content: Any) -> str:
    """JSON with sorted keys, no spaces and NaN as null: the same content always gives the same text.

    >>> canonical_json({"b": 1, "a": [0.5, float("nan")]})
    '{"a":[0.5,null],"b":1}'
    """
    return json.dumps(nan_as_null(content), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def sha256_of(content: Any) -> str:
    """Hex sha256 of the canonical JSON of a value."""
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()


def sha256_frame(frame: pd.DataFrame) -> str:
    """Hex sha256 of a frame's column names, types and values, in their order; dates count in microseconds."""
    digest = hashlib.sha256()
    for column in frame.columns:
        values = frame[column]
        digest.update(f"{column}:{len(values)};".encode())
        if values.dtype.kind in "fiub":
            digest.update(values.to_numpy().tobytes())
        elif values.dtype.kind == "M":
            digest.update(values.to_numpy().astype("datetime64[us]").astype("int64").tobytes())
        else:
            digest.update("\0".join(map(str, values)).encode())
    return digest.hexdigest()
