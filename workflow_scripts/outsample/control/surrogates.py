"""Surrogate markets: the user's bars with the same symbols, dates and swings, and nothing that could be predicted.

A bar is its move: the logs of its open, high, low and close over the close before it, and its volume. A surrogate
chooses other moves for all bars of a symbol but its first, and prices follow from them, so they are always positive.
All symbols share what is chosen for a date, so that what moves them together stays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from outsample.features.build import symbol_rows

Floats = NDArray[np.float64]
_CLOSE = 3
_WICK = 0.5  # scale of the high above, and of the low below, both open and close, in standard deviations of a bar
_OVERNIGHT = 0.1  # noise from a close to the next open, likewise


@dataclass(frozen=True)
class Moves:
    """The moves of D dates and M symbols; NaN where a symbol has no bar, or its first."""

    bars: pd.DataFrame  # table `validated_bars`
    place: NDArray[np.int64]  # [N] of each row: its date among the D
    symbol: NDArray[np.int64]  # [N] of each row: its symbol among the M
    log: Floats  # [D, M, 4] open, high, low, close over the close before
    volume: Floats  # [D, M]

    @classmethod
    def of(cls, bars: pd.DataFrame) -> Moves:
        """The moves of a table `validated_bars`, sorted by symbol and date."""
        dates, place = np.unique(bars["date"].to_numpy(), return_inverse=True)
        parts = list(symbol_rows(bars))
        symbol = np.repeat(np.arange(len(parts)), [rows.stop - rows.start for _, rows in parts])
        log = np.full((len(dates), len(parts), 4), np.nan)
        volume = np.full((len(dates), len(parts)), np.nan)
        prices = np.log(bars[["open", "high", "low", "close"]].to_numpy(np.float64))
        for number, (_, rows) in enumerate(parts):
            at = place[rows][1:]
            log[at, number] = prices[rows][1:] - prices[rows][:-1, _CLOSE:]
            volume[at, number] = bars["volume"].to_numpy(np.float64)[rows][1:]
        return cls(bars, place, symbol, log, volume)

    @property
    def known(self) -> NDArray[np.bool_]:
        """[D, M] where a symbol has a bar that is not its first."""
        return ~np.isnan(self.log[:, :, _CLOSE])

    @property
    def scale(self) -> Floats:
        """[M] standard deviation of each symbol's log returns."""
        return np.nanstd(self.log[:, :, _CLOSE], axis=0)

    def market(self, log: Floats, volume: Floats) -> pd.DataFrame:
        """The table `validated_bars` of other moves; factors are 1, the first bar of each symbol is as it was.

        Args: log: [D, M, 4]. volume: [D, M].
        """
        table = self.bars.reset_index(drop=True).copy()
        prices = table[["open", "high", "low", "close"]].to_numpy(np.float64, copy=True)
        traded = table["volume"].to_numpy(np.float64, copy=True)
        for _, rows in symbol_rows(table):
            later = slice(rows.start + 1, rows.stop)
            moves = log[self.place[later], self.symbol[later]]
            closes = np.log(prices[rows.start, _CLOSE]) + np.concatenate([[0.0], np.cumsum(moves[:, _CLOSE])])
            prices[later] = np.exp(closes[:-1, None] + moves)
            traded[later] = volume[self.place[later], self.symbol[later]]
        table[["open", "high", "low", "close"]] = prices
        return table.assign(volume=traded, factor=1.0)


def random_signs(moves: Moves, generator: np.random.Generator) -> pd.DataFrame:
    """A random walk with the market's own swings: each date keeps the size of its moves, and a coin gives their sign.

    With a the log return of the market and s = +-1, the same for all symbols of a date, the log return is
    s a - log cosh a, so that the expected close is the close before: nothing is to be earned, over flat or over buy and
    hold. Fat tails, volatility clustering and the correlation of the symbols are those of the market. A bar that is
    turned over has its high below and its low above.
    Reference: the wild bootstrap of a martingale (Wu 1986; Rademacher weights, Liu 1988).
    """
    return moves.market(turned_over(moves, generator), moves.volume)


def turned_over(moves: Moves, generator: np.random.Generator) -> Floats:
    """The moves of `random_signs`, [D, M, 4]."""
    sign = np.where(generator.random(len(moves.log)) < 0.5, -1.0, 1.0)[:, None, None]
    turned = np.where(sign > 0, moves.log, -moves.log[:, :, [0, 2, 1, _CLOSE]])
    return np.asarray(turned - np.log(np.cosh(moves.log[:, :, _CLOSE:])))


def permuted_blocks(moves: Moves, block: int, generator: np.random.Generator) -> pd.DataFrame:
    """The market's own bars in another order: blocks of `block` dates are permuted, all symbols together.

    Drift and tails are the market's; what repeats within a block survives. Where symbols begin or pause on their own,
    only dates on which the same symbols have bars change places.
    """
    patterns, group = np.unique(moves.known, axis=0, return_inverse=True)
    source = np.arange(len(moves.log))
    for number in range(len(patterns)):
        dates = np.flatnonzero(group.ravel() == number)
        parts = [dates[start : start + block] for start in range(0, len(dates), block)]
        source[dates] = np.concatenate([parts[part] for part in generator.permutation(len(parts))])
    return moves.market(moves.log[source], moves.volume[source])


def gaussian_walk(moves: Moves, drift: bool, generator: np.random.Generator) -> pd.DataFrame:
    """A Gaussian walk with the market's volatility and correlation, and its mean log return where `drift`.

    Without it the expected close is the close before. Highs, lows and opens are those of small independent noise.
    """
    known, scale = moves.known, moves.scale
    common = moves.log[known.all(axis=1), :, _CLOSE]
    correlation = np.atleast_2d(np.corrcoef(common.T)) if len(common) > common.shape[1] else np.eye(len(scale))
    values, vectors = np.linalg.eigh(correlation)
    noise = generator.standard_normal((len(known), len(scale))) @ (vectors * np.sqrt(np.maximum(values, 0.0))).T
    mean = np.nanmean(moves.log[:, :, _CLOSE], axis=0) if drift else -(scale**2) / 2
    close = mean + scale * noise
    opened = _OVERNIGHT * scale * generator.standard_normal(close.shape)
    up, down = _WICK * scale * np.abs(generator.standard_normal((2, *close.shape)))
    log = np.stack([opened, np.maximum(opened, close) + up, np.minimum(opened, close) - down, close], axis=-1)
    return moves.market(log, moves.volume)


def surrogate(bars: pd.DataFrame, kind: str, number: int, seed: int, block: int) -> pd.DataFrame:
    """One surrogate market without predictability; a pure function of its arguments.

    Args:
        bars: table `validated_bars`.
        kind: volatility, blocks, gaussian or gaussian_drift.
        number: which one; other numbers are independent.
        seed: seed of them all.
        block: bars of the blocks of the kind `blocks`.
    Returns: table `validated_bars` with the same symbols and dates.
    Raises: ValueError for an unknown kind.
    """
    moves, generator = Moves.of(bars), generator_of(seed, number)
    if kind == "volatility":
        return random_signs(moves, generator)
    if kind == "blocks":
        return permuted_blocks(moves, block, generator)
    if kind in ("gaussian", "gaussian_drift"):
        return gaussian_walk(moves, kind == "gaussian_drift", generator)
    raise ValueError(f"{kind} is no kind of surrogate")


def generator_of(seed: int, number: int, purpose: int = 0) -> np.random.Generator:
    """The source of randomness of one surrogate."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, purpose, number])))
