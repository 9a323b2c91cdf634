"""Features of a user's file: whatever uses its last bars only passes the audit and streams; a bar further it fails."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outsample.config.features import FeatureSet, UserFeatures
from outsample.errors import AuditError
from outsample.features.audit import audit_leakage, choose_cuts
from outsample.features.build import build_features
from outsample.features.registry import own_features
from outsample.features.streaming import FeatureStream

INPUTS = ("open", "high", "low", "close", "volume")
NONE_BUILT_IN = {
    **{"return_lags": [0], "return_horizons": [], "sma": [], "ema": [], "rsi": None, "macd": None},
    **{"bollinger": None, "atr": None, "volatility": [], "volume": None},
}
# Of a window [T, W] of each input, oldest bar first; `weights` [W] are drawn.
SHAPES = {
    "weighted": "np.log(first) @ weights",
    "spread": "(np.log(last) - np.log(first)) @ np.abs(weights)",
    "ratio": "first[:, -1] / first.mean(axis=1)",
    "range": "(first.max(axis=1) - last.min(axis=1)) / last[:, -1]",
}


def source(shape: str, inputs: tuple[str, str], weights: list[float], ahead: int) -> bytes:
    """A file whose feature uses the last bars, and `ahead` further ones."""
    size = len(weights)
    return f"""
import numpy as np
from outsample.features.user import feature

@feature(name="mine", formula="f", inputs={inputs!r}, warm_up={size - 1})
def mine(*columns):
    weights, windows = np.array({weights!r}), []
    for column in columns:
        later = np.concatenate([column[{ahead}:], np.repeat(column[-1:], {ahead})])
        padded = np.concatenate([np.repeat(later[:1], {size - 1}), later])
        windows.append(np.lib.stride_tricks.sliding_window_view(padded, {size}))
    first, last = windows
    return {SHAPES[shape]}
""".encode()


def drawn_bars(seed: int) -> pd.DataFrame:
    draw = np.random.Generator(np.random.PCG64(seed))
    close = 20 * np.exp(np.cumsum(0.02 * draw.standard_normal(70)))
    open_ = close * np.exp(0.01 * draw.standard_normal(70))
    prices = {"open": open_, "high": np.maximum(open_, close) * 1.01, "low": np.minimum(open_, close) * 0.99}
    date = pd.bdate_range("2020-01-01", periods=70).astype("datetime64[us]")
    volume = draw.exponential(1e6, 70) + 1
    return pd.DataFrame({"symbol": "A", "date": date} | prices | {"close": close, "volume": volume, "factor": 1.0})


def one_fold(table: pd.DataFrame, spec: dict) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A fold and a scaler that know dates only: what is audited here are the features."""
    keys = {"fold": 0, "inner": 0, "part": "train", "symbol": "A", "block": 0}
    span = {"start": 0, "end": 1, "first_date": table["date"].iloc[0], "last_date": table["date"].iloc[0]}
    scalers = pd.DataFrame([{"fold": 0, "inner": 0, "feature": "mine", "center": 0.0, "scale": 1.0}])
    return pd.DataFrame([keys | span]), scalers


@given(
    seed=st.integers(0, 2**32),
    shape=st.sampled_from(sorted(SHAPES)),
    inputs=st.permutations(INPUTS[:4]).map(lambda order: tuple(order[:2])),
    weights=st.lists(st.floats(0.1, 2.0).map(lambda x: round(x, 3)), min_size=2, max_size=9),
)
@settings(max_examples=15, deadline=None)
def test_the_audit_passes_what_is_causal_and_stops_what_is_not(seed, shape, inputs, weights) -> None:
    bars, wanted = drawn_bars(seed), FeatureSet(**NONE_BUILT_IN, user=UserFeatures(file="mine.py", use=["mine"]))
    cuts = choose_cuts(bars["date"].to_numpy(), len(weights), 5)

    def building(ahead: int):
        own = own_features(wanted, source(shape, inputs, weights, ahead))
        return own, lambda frame: build_features(frame, wanted, own=own)

    own, causal = building(0)
    audit = audit_leakage(bars, causal, one_fold, cuts)
    assert audit["changed"].sum() == 0
    assert "mine" in set(audit.loc[audit["kind"] == "feature", "name"])

    table, spec = causal(bars)
    stream = FeatureStream.from_spec(spec["features"], own)
    found = np.array([stream.push(*bar)[-1] for bar in bars[list(INPUTS)].to_numpy().tolist()])
    near = 1e-9 * float(table["mine"].std()) + 1e-12
    np.testing.assert_allclose(found, table["mine"], rtol=0, atol=near)

    with pytest.raises(AuditError, match="The feature mine looks ahead"):
        audit_leakage(bars, building(1)[1], one_fold, cuts)
