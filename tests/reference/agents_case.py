"""A planted market with its folds and scalers, built by hand, for the tests of the agents.

Two-state drift: +-`drift` by a hidden state that stays with probability `persistence`; the Bayes filter of the state
with the best hysteresis is the yardstick.
"""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd

from outsample.market.panel import Panel

LAGS = 10
PURGE = 12


def planted(bars: int, seed: int, drift: float = 0.004, volatility: float = 0.01, persistence: float = 0.95):
    """Log returns [bars] of the planted market."""
    generator = np.random.Generator(np.random.PCG64(seed))
    flips = generator.random(bars) > persistence
    state = 1 - 2 * ((np.cumsum(flips) + generator.integers(2)) % 2)
    return drift * state + volatility * generator.standard_normal(bars)


def lagged(log_returns, lags: int = LAGS):
    """The last `lags` returns [T, lags] up to and including each bar; the first rows are short of history (zeros)."""
    padded = np.concatenate([np.zeros(lags - 1), log_returns])
    return np.lib.stride_tricks.sliding_window_view(padded, lags)[:, ::-1].copy()


def panel(log_returns_by_symbol: dict[str, np.ndarray], extra: int = 0, seed: int = 5) -> Panel:
    """Bars whose open is the close before, with lagged returns and `extra` noise features."""
    generator = np.random.Generator(np.random.PCG64(seed))
    closes = [100 * np.exp(np.cumsum(r)) for r in log_returns_by_symbol.values()]
    features = np.concatenate([lagged(r) for r in log_returns_by_symbol.values()])
    features = np.concatenate([features, generator.standard_normal((len(features), extra))], axis=1)
    lengths = [len(close) for close in closes]
    close = np.concatenate(closes)
    day = np.datetime64("2000-01-03", "us")
    return Panel(
        symbols=tuple(log_returns_by_symbol),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        dates=np.concatenate([day + np.arange(n).astype("timedelta64[D]") for n in lengths]),
        open=np.concatenate([np.r_[c[0], c[:-1]] for c in closes]),
        close=close,
        factor=np.ones(len(close)),
        features=features,
        feature_names=tuple(f"f{i:02}" for i in range(features.shape[1])),
    )


def folds(of: Panel, spans: dict[int, tuple[int, int]], inner_folds: int = 4, first: int = LAGS) -> pd.DataFrame:
    """Folds table: fold -> (end of train, end of test) for all symbols; fold -1 without a test."""
    rows = []
    for fold, (train_end, test_end) in spans.items():
        edges = np.linspace(first, train_end, inner_folds + 1).astype(int)
        for symbol in of.symbols:
            if test_end > train_end:
                rows.append((fold, -1, "test", symbol, 0, train_end, test_end))
            for inner, (low, high) in enumerate(itertools.pairwise(edges)):
                rows.append((fold, inner, "validate", symbol, 0, low, high))
                blocks = [(first, low - PURGE), (high + PURGE, train_end - 2)]
                for block, (start, end) in enumerate(b for b in blocks if b[1] > b[0]):
                    rows.append((fold, inner, "train", symbol, block, start, end))
    frame = pd.DataFrame(rows, columns=["fold", "inner", "part", "symbol", "block", "start", "end"])
    return frame.sort_values(["fold", "inner", "part", "symbol", "block"], ignore_index=True)


def scalers(of: Panel, table: pd.DataFrame) -> pd.DataFrame:
    """Mean and standard deviation of each feature over the train rows of (fold, inner)."""
    rows = []
    for (fold, inner), part in table[table["part"] == "train"].groupby(["fold", "inner"]):
        index = np.concatenate(
            [np.arange(r.start, r.end) + of.offsets[of.symbols.index(r.symbol)] for r in part.itertuples()]
        )
        for i, name in enumerate(of.feature_names):
            column = of.features[index, i]
            rows.append((fold, inner, name, column.mean(), column.std()))
    return pd.DataFrame(rows, columns=["fold", "inner", "feature", "center", "scale"])
