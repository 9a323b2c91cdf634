"""The best attainable return by trying every sequence of targets: slow, and without any idea about the problem."""

from __future__ import annotations

import itertools

import numpy as np

from outsample.market.accounting import simulate


def best_log_return(open, close, rules, actions):
    """Log of the largest final equity over all sequences of T - 2 targets, each replayed from flat to flat."""
    bars = len(close)
    sequences = np.zeros((bars, len(actions) ** max(bars - 2, 0)))
    sequences[: max(bars - 2, 0)] = np.array(list(itertools.product(actions, repeat=max(bars - 2, 0)))).T
    return float(np.log(simulate(sequences, open, close, rules).equity[-1].max()))
