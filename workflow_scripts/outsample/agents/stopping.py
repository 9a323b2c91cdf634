"""Early stopping: each inner model keeps the parameters that earned most on the rows that it has not seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from outsample.agents.network import Params

Validate = Callable[[Params], NDArray[np.float64]]
"""From actors with leaves [I, ...] to [I], what each earns on the rows that it has not seen: the larger the better."""


class Best(NamedTuple):
    """What is known of I models between two chunks; all of it is kept with a checkpoint."""

    actor: Params  # leaves [I, ...], as they were after `update` updates
    value: NDArray[np.float64]  # [I] what they were worth; -inf before the first chunk
    update: NDArray[np.int32]  # [I]
    stopped: NDArray[np.int32]  # [I] updates after which the model stopped; 0 while it is trained

    @property
    def at_work(self) -> NDArray[np.bool_]:
        """[I] whether the model is still trained."""
        return self.stopped == 0


def nothing_yet(actor: Params) -> Best:
    """Before the first chunk: any parameters are better than these, for a fresh policy is no policy."""
    models = len(jax.tree.leaves(actor)[0])
    zero = np.zeros(models, np.int32)
    return Best(jax.tree.map(np.asarray, actor), np.full(models, -np.inf), zero, zero)


def after_chunk(best: Best, actor: Params, value: NDArray[np.float64], update: int, patience: int) -> Best:
    """What is known after a further chunk.

    A model stops at the end of the first chunk by which `patience` updates or more have passed since its best one.
    What comes after its stop counts for nothing.

    Args:
        actor: leaves [I, ...], after the chunk.
        value: [I] what they are worth.
        update: updates done.
        patience: updates without a better value, at least 1.
    """
    better = best.at_work & (value > best.value)

    def chosen(new: np.ndarray, old: np.ndarray) -> np.ndarray:
        return np.where(better.reshape(-1, *[1] * (np.ndim(new) - 1)), np.asarray(new), old)

    since = np.where(better, np.int32(update), best.update)
    ends = best.at_work & (update - since >= patience)
    return Best(
        actor=jax.tree.map(chosen, actor, best.actor),
        value=np.where(better, value, best.value),
        update=since,
        stopped=np.where(ends, np.int32(update), best.stopped),
    )


def updates_of(best: Best, done: int) -> NDArray[np.int32]:
    """[I] updates of each model that count: until its stop, or all that were done."""
    return np.where(best.at_work, np.int32(done), best.stopped)
