"""The gate: a policy may trade only where its validated return is above zero beyond doubt; else it stays flat.

Without it every agent trades noise on a market without edge (docs/training.md).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from outsample.config.models import Gate
from outsample.market.accounting import MarketRules, simulate
from outsample.market.panel import Panel

Floats = NDArray[np.float64]
_SEED = 0  # the same resamples for every lane: gates differ by what was earned, not by luck


class ValidatedBlock(NamedTuple):
    """Rows [start, end) of one symbol, validated by the models of one inner fold."""

    inner: int
    symbol: int
    start: int
    end: int


def validated_returns(targets: NDArray[Any], blocks: list[ValidatedBlock], panel: Panel, rules: MarketRules) -> Floats:
    """Net returns per bar of the portfolio over the joined validated blocks, one inner fold after the other.

    Each symbol trades in a sleeve of 1/M of the equity; each block starts and ends flat. A sleeve without a bar on a
    date keeps its equity. The first date of each inner fold has no return and is left out. The gate belongs to the
    training, which trades fractions of an equity of 1: whole shares are left out of account.

    Args:
        targets: [N, L] targets of L lanes at every row of the panel.
        blocks: validated row ranges; those of one inner fold and symbol do not overlap.
    Returns: [bars, L], fractions of the portfolio's equity one bar before.
    """
    return np.concatenate(returns_by_inner(targets, blocks, panel, rules))


def returns_by_inner(
    targets: NDArray[Any], blocks: list[ValidatedBlock], panel: Panel, rules: MarketRules
) -> list[Floats]:
    """`validated_returns` of each inner fold alone, in their order."""
    sleeves = _sleeve_growth(targets, blocks, panel, rules)
    share = 1.0 / len(panel.symbols)
    apart = []
    for inner in sorted({block.inner for block in blocks}):
        of_inner = [block for block in blocks if block.inner == inner]
        dates = np.unique(np.concatenate([panel.dates[block.start : block.end] for block in of_inner]))
        equity = np.ones((len(dates), targets.shape[1]))
        for symbol in sorted({block.symbol for block in of_inner}):
            growth = np.ones((len(dates), targets.shape[1]))
            for block in (b for b in of_inner if b.symbol == symbol):
                at = np.searchsorted(dates, panel.dates[block.start : block.end])
                growth[at] *= 1.0 + sleeves[block]
            equity += share * (np.cumprod(growth, axis=0) - 1.0)
        before = equity[:-1]
        apart.append(np.divide(equity[1:] - before, before, out=np.zeros_like(before), where=before > 0))
    return apart


def _sleeve_growth(
    targets: NDArray[Any], blocks: list[ValidatedBlock], panel: Panel, rules: MarketRules
) -> dict[ValidatedBlock, Floats]:
    """Net returns [T, L] of each block; blocks of the same length are simulated together."""
    by_length = defaultdict(list)
    for block in blocks:
        by_length[block.end - block.start].append(block)
    returns = {}
    for length, group in sorted(by_length.items()):
        rows = np.array([block.start for block in group]) + np.arange(length)[:, None]
        ledger = simulate(targets[rows], panel.open[rows], panel.close[rows], replace(rules, whole_shares=False))
        returns.update({block: ledger.net_return[:, j] for j, block in enumerate(group)})
    return returns


def gate_bound(returns: Floats, gate: Gate) -> float:
    """The `gate.level` quantile of the mean return in circular-block-bootstrap resamples; the gate opens above 0.

    A resample joins blocks of `gate.block` bars from random starts on the circle of bars, cut to the number of bars;
    the resamples are the same for all lanes.

    Args:
        returns: [bars] net returns of one lane.
    Returns: return per bar.
    Reference: Politis and Romano (1992), A circular block-resampling procedure for stationary data.
    """
    bars = len(returns)
    block = min(gate.block, bars)
    full, rest = divmod(bars, block)
    generator = np.random.Generator(np.random.PCG64(_SEED))
    starts = generator.integers(0, bars, size=(gate.resamples, full + 1))
    until = np.concatenate([[0.0], np.cumsum(np.concatenate([returns, returns]))])
    total = (until[starts[:, :full] + block] - until[starts[:, :full]]).sum(1)
    total += until[starts[:, full] + rest] - until[starts[:, full]]
    return float(np.quantile(total / bars, gate.level))
