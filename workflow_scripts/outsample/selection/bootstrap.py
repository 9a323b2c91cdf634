"""Stationary bootstrap (Politis and Romano 1994) by multiplicities: a resample is how often each bar was drawn.

Every statistic that is a function of means needs no resampled series: with C [B, T] the multiplicities, all B
bootstrapped means of all columns of X [T, N] are C @ X / T, one matrix product. C is drawn once per
(T, block length, resamples, seed) and kept.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

BLOCK_GRID = (1, 2, 3, 5, 10, 15, 20, 30)


def bootstrap_indices(n_bars: int, block_length: float, resamples: int, seed: int) -> NDArray[np.int64]:
    """The bars of each resample of the stationary bootstrap, in its order, [B, T].

    A resample starts at a random bar and goes on to the next one (after the last comes the first); before each bar
    it jumps to a new random bar with probability 1 / block_length.

    Args and errors: as in `bootstrap_multiplicities`.
    Reference: Politis and Romano (1994), The Stationary Bootstrap.
    """
    if n_bars < 1 or block_length < 1 or resamples < 1:
        raise ValueError(f"bars {n_bars}, block length {block_length} and resamples {resamples} must be at least 1")
    generator = np.random.Generator(np.random.PCG64(seed))
    jumps = generator.random((resamples, n_bars)) < 1.0 / block_length
    jumps[:, 0] = True
    starts = generator.integers(0, n_bars, (resamples, n_bars))
    bars = np.arange(n_bars)
    last_jump = np.maximum.accumulate(np.where(jumps, bars, 0), axis=1)
    return np.asarray((np.take_along_axis(starts, last_jump, axis=1) + bars - last_jump) % n_bars)


@lru_cache(maxsize=8)
def bootstrap_multiplicities(n_bars: int, block_length: float, resamples: int, seed: int) -> NDArray[np.float64]:
    """How often each bar occurs in each resample of `bootstrap_indices`, C [B, T]; each row sums to T.

    Args:
        n_bars: T, at least 1.
        block_length: mean length of the blocks, in bars, at least 1.
        resamples: B.
        seed: seed of the draw.
    Returns: read-only, since it is shared between callers.
    Raises: ValueError where an argument is below its least value.
    Reference: Politis and Romano (1994), The Stationary Bootstrap.
    >>> bootstrap_multiplicities(4, 2, 3, 0).sum(axis=1).tolist()
    [4.0, 4.0, 4.0]
    """
    drawn = bootstrap_indices(n_bars, block_length, resamples, seed)
    drawn += np.arange(resamples)[:, None] * n_bars
    counts = np.bincount(drawn.ravel(), minlength=resamples * n_bars)
    multiplicities = counts.reshape(resamples, n_bars).astype(np.float64)
    multiplicities.setflags(write=False)
    return multiplicities


def politis_white_block_length(returns: NDArray[np.float64]) -> int:
    """Mean block length of the stationary bootstrap that suits one series, from the grid 1, 2, 3, 5, 10, 15, 20, 30.

    b = (2 G^2 / D)^(1/3) T^(1/3), G = sum lambda(k/M) |k| R(k), D = 2 (sum lambda(k/M) R(k))^2, with R the
    autocovariance, lambda the flat-top window and M twice the first lag after which the autocorrelation stays
    insignificant. The nearest value of the grid (in ratio) is taken: a few lengths serve all series of a report.

    Args:
        returns: [T], fractions per bar.
    Returns: 1 for a series without variance or of fewer than 10 bars.
    Reference: Politis and White (2004), corrected by Patton, Politis and White (2009).
    """
    n = len(returns)
    centred = returns - returns.mean()
    variance = float(centred @ centred) / n
    if n < 10 or variance <= 1e-30:
        return 1
    run = max(5, int(np.sqrt(np.log10(n))))
    most = min(n - 1, int(np.ceil(np.sqrt(n))) + run)
    covariance = autocovariance(returns[:, None], most)[:, 0]
    small = np.abs(covariance[1:] / covariance[0]) < 2.0 * np.sqrt(np.log10(n) / n)
    quiet = [m for m in range(most - run + 1) if small[m : m + run].all()]
    width = 2 * max(quiet[0] if quiet else int(np.flatnonzero(~small).max()) + 1, 1)
    width = min(width, most)
    lags = np.arange(1, width + 1)
    window = np.clip(2.0 * (1.0 - lags / width), 0.0, 1.0)
    g = 2.0 * float((window * lags * covariance[1 : width + 1]).sum())
    spectrum = covariance[0] + 2.0 * float((window * covariance[1 : width + 1]).sum())
    if spectrum == 0.0:
        return 1
    length = (g**2 / spectrum**2) ** (1 / 3) * n ** (1 / 3)
    grid = np.array([b for b in BLOCK_GRID if b <= max(1, n // 4)])
    return int(grid[np.abs(np.log(grid / max(length, 1.0))).argmin()])


def autocovariance(series: NDArray[np.float64], lags: int) -> NDArray[np.float64]:
    """Autocovariances of each column at lags 0 to `lags`, divided by T at every lag; [lags + 1, N]."""
    n = len(series)
    size = 1 << (2 * n - 1).bit_length()
    spectrum = np.fft.rfft(series - series.mean(axis=0), size, axis=0)
    return np.asarray(np.fft.irfft(spectrum.real**2 + spectrum.imag**2, size, axis=0)[: lags + 1] / n)
