"""What crosses from one rung to the next: one file a shard, an uncompressed .npz without pickled objects.

It holds of each lane and alternative the updates done and every array of its training, and where others broke down. The
same arrays make the same bytes.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from outsample.agents.leaves import Leaves
from outsample.agents.rungs import Paused, Rung
from outsample.errors import TrainingError
from outsample.io.files import replacing

_ABOUT = "about"  # the member that lists the others


def read_paused(paths: Sequence[str | Path]) -> Paused:
    """Open the files of all shards of a rung; the arrays of a lane are read when it goes on.

    Raises: TrainingError where one cannot be read; later too, when its arrays are asked for.
    """
    broken: dict[str, str] = {}
    lanes: dict[str, tuple[int, Callable[[], Leaves]]] = {}
    for path in map(Path, paths):
        for number, line in enumerate(bytes(_members(path, [_ABOUT])[0]).decode().splitlines()):
            lane, updates, arrays, place = line.split("\t")
            if place:
                broken[lane] = place
            else:
                names = [_member(number, k) for k in range(int(arrays))]
                lanes[lane] = int(updates), partial(_members, path, names)
    return Paused(broken, lanes)


def _members(path: Path, names: Sequence[str]) -> Leaves:
    try:
        with np.load(path, allow_pickle=False) as file:
            return [file[name] for name in names]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError) as error:
        raise TrainingError(
            f"{path.parent.parent.name}/{path.name} holds no lanes that can go on; delete it and run again."
        ) from error


def write_paused(rung: Rung, path: str | Path) -> None:
    """Write what a rung hands on; the same lanes make the same bytes, whatever order they were trained in."""
    lines: list[str] = []
    arrays: dict[str, np.ndarray] = {}
    for number, lane in enumerate(sorted({*rung.paused, *rung.lost})):
        if lane in rung.lost:
            lines.append(f"{lane}\t0\t0\t{rung.lost[lane]}")
            continue
        update, leaves = rung.paused[lane]
        lines.append(f"{lane}\t{update}\t{len(leaves)}\t")
        arrays |= {_member(number, k): np.ascontiguousarray(leaf) for k, leaf in enumerate(leaves)}
    about = np.frombuffer("\n".join(lines).encode(), np.uint8)
    with replacing(path) as temporary, Path(temporary).open("wb") as file:
        np.savez(file, allow_pickle=False, **{_ABOUT: about}, **arrays)


def _member(number: int, array: int) -> str:
    return f"{number:06}-{array:03}"
