"""The arrays of a training as a flat list, in which they are kept, and back in their form."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from outsample.errors import TrainingError

Leaves = list[np.ndarray]


def leaves_of(tree: Any) -> Leaves:
    """The arrays of a tree, in its order."""
    return [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]


def shaped(lane: str, leaves: Leaves, like: Any) -> Any:
    """Arrays in the form of `like`; raises TrainingError where they do not fit it."""
    wanted = [(leaf.shape, np.dtype(leaf.dtype)) for leaf in jax.tree.leaves(like)]
    found = [(leaf.shape, leaf.dtype) for leaf in leaves]
    differ = [pair for pair in zip(found, wanted, strict=False) if not _fits(*pair)]
    if differ or len(found) != len(wanted):
        what = f"{len(found)} arrays, not {len(wanted)}"
        if differ:
            what = f"an array of shape {differ[0][0][0]}, not {differ[0][1][0]}"
        raise TrainingError(
            f"The checkpoint of {lane} is that of another network ({what}); delete the folder work/ and give the same "
            "command again."
        )
    return jax.tree.unflatten(jax.tree.structure(like), leaves)


def _fits(found: tuple[tuple[int, ...], np.dtype], wanted: tuple[tuple[int, ...], np.dtype]) -> bool:
    same = found[1] == wanted[1] and len(found[0]) == len(wanted[0])
    return same and all(length in (axis, 0) for axis, length in zip(found[0], wanted[0], strict=True))
