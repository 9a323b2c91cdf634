"""Bars of a market of known truth: a hidden two-state drift, or a random walk where the drift is 0.

    state_t = state_(t-1) with probability persistence, else its opposite; state_0 = +1 or -1, each with probability 1/2
    log(close_t / close_(t-1)) = state_t drift + volatility N(0, 1)
    open_t = close_(t-1) exp(0.1 volatility N(0, 1))

So a decision taken at the close of t and filled at the open of t+1 earns the drift of bar t+1, short of a little noise.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from outsample.config.data import SimulatedSource
from outsample.errors import DataError

FIRST_DAY = "2000-01-03"
FIRST_CLOSE = 100.0  # the close before the first bar
OVERNIGHT = 0.1  # noise from a close to the next open, in volatilities of a bar
WICK = 0.5  # scale of the high above and the low below both open and close, in volatilities of a bar
MEAN_VOLUME = 1_000_000.0
VOLUME_SPREAD = 0.3  # standard deviation of log volume
_LARGEST_LOG = 600.0  # prices stay between e-600 and e600, which float64 holds with room for their products


class SimulatedBars:
    """Source of kind simulated."""

    simulated = True

    def __init__(self, settings: SimulatedSource, root: Path) -> None:
        self._settings = settings

    def where(self, symbol: str) -> str:
        return f"simulated symbol {symbol}"

    def describe(self) -> dict[str, Any]:
        return self._settings.model_dump(mode="json")

    def fingerprint(self, symbol: str) -> tuple[str | None, str | None]:
        return None, None

    def provenance(self, symbol: str) -> dict[str, Any]:
        return {}

    def read(self, symbol: str) -> pd.DataFrame:
        """See `simulate_bars`."""
        return simulate_bars(self._settings, symbol)


def simulate_states(settings: SimulatedSource, symbol: str) -> NDArray[np.int8]:
    """The hidden states, +1 or -1, of the bars that `simulate_bars` gives for the same settings and symbol.

    Returns: states [T]; state_t is that of the return from the close of t-1 to the close of t.
    """
    return _draw_states(settings, _streams(settings, symbol)[0])


def simulate_bars(settings: SimulatedSource, symbol: str) -> pd.DataFrame:
    """Bars on the weekdays from 2000-01-03 on; they depend on the settings and the symbol's name, on no other symbol.

    Returns: date, open, high, low, close, volume and adj_close (null), one row a bar.
    Raises: DataError where drift or volatility carry prices out of the range of float64.

    >>> bars = simulate_bars(SimulatedSource(bars=10), "UP")
    >>> bool((bars["high"] >= bars["low"]).all()), len(bars)
    (True, 10)
    """
    states, noise, overnight, wicks, volume = _streams(settings, symbol)
    volatility = settings.volatility
    returns = settings.drift * _draw_states(settings, states) + volatility * noise.standard_normal(settings.bars)
    log_close = np.log(FIRST_CLOSE) + np.cumsum(returns)
    log_before = np.concatenate([[np.log(FIRST_CLOSE)], log_close[:-1]])
    log_open = log_before + OVERNIGHT * volatility * overnight.standard_normal(settings.bars)
    up, down = WICK * volatility * np.abs(wicks.standard_normal((2, settings.bars)))
    log_high, log_low = np.maximum(log_open, log_close) + up, np.minimum(log_open, log_close) - down
    if max(-log_low.min(), log_high.max()) > _LARGEST_LOG:
        raise DataError(
            f"simulated symbol {symbol}: prices leave the range of numbers; "
            "lower data.source.bars, drift, volatility or persistence."
        )
    days = np.busday_offset(np.datetime64(FIRST_DAY), np.arange(settings.bars))
    return pd.DataFrame(
        {
            "date": days.astype("datetime64[us]"),
            "open": np.exp(log_open),
            "high": np.exp(log_high),
            "low": np.exp(log_low),
            "close": np.exp(log_close),
            "volume": np.rint(MEAN_VOLUME * np.exp(VOLUME_SPREAD * volume.standard_normal(settings.bars))),
            "adj_close": np.nan,
        }
    )


def _streams(settings: SimulatedSource, symbol: str) -> list[np.random.Generator]:
    """Streams of states, noise, overnight noise, wicks and volume; each of its own, so that none shifts another."""
    name = int.from_bytes(hashlib.sha256(symbol.encode()).digest()[:16], "big")
    seeds = np.random.SeedSequence([settings.seed, name]).spawn(5)
    return [np.random.Generator(np.random.PCG64(s)) for s in seeds]


def _draw_states(settings: SimulatedSource, stream: np.random.Generator) -> NDArray[np.int8]:
    uniform = stream.random(settings.bars)
    flips = uniform >= settings.persistence
    flips[0] = uniform[0] >= 0.5
    return (1 - 2 * (np.cumsum(flips) % 2)).astype(np.int8)
