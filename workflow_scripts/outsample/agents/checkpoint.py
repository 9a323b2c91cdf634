"""Checkpoint of the final policy's arrays: an Orbax folder, and a manifest that hashes what it holds.

Orbax folders hold time stamps, so their bytes differ from run to run; the manifest hashes the arrays instead.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint

from outsample.agents.policy import Policy
from outsample.errors import SchemaError
from outsample.io.files import sha256_of


def save(policy: Policy, folder: str | Path) -> dict[str, Any]:
    """Write the policy's arrays to a folder that must not exist yet, and return the document `policy_manifest`."""
    arrays = policy.arrays()
    with orbax.checkpoint.PyTreeCheckpointer() as checkpointer:
        checkpointer.save(Path(folder).absolute(), arrays)
    return manifest_of(arrays)


def restore(folder: str | Path, manifest: dict[str, Any]) -> dict[str, Any]:
    """The arrays of a folder: the tree of `Policy.arrays`.

    Raises: SchemaError where they are not those of the manifest.
    """
    with orbax.checkpoint.PyTreeCheckpointer() as checkpointer:
        arrays: dict[str, Any] = jax.tree.map(np.asarray, checkpointer.restore(Path(folder).absolute()))
    if manifest_of(arrays) != manifest:
        raise SchemaError(f"{folder}: the arrays are not those of the manifest; run train_final again.")
    return arrays


def manifest_of(arrays: dict[str, Any]) -> dict[str, Any]:
    """Path, dtype, shape and sha256 of every array, sorted by path, and the sha256 of that list."""
    listed: list[dict[str, Any]] = []
    for path, array in jax.tree_util.tree_leaves_with_path(arrays):
        values = np.ascontiguousarray(array)
        listed.append(
            {
                "path": "/".join(str(part.key) for part in path),
                "dtype": str(values.dtype),
                "shape": list(values.shape),
                "sha256": hashlib.sha256(values.tobytes()).hexdigest(),
            }
        )
    listed.sort(key=lambda entry: entry["path"])
    return {"arrays": listed, "sha256": sha256_of(listed)}
