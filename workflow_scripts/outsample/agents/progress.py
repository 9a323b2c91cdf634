"""Where the lanes of a shard are kept while they train, so that a killed shard goes on from its last checkpoint.

One Orbax folder holds all of it: the finished lanes, their leaves stacked by lane, where others broke down, and the
full state of the lane at work. It counts for the very same work only: its key is a hash of everything that the shard
computes from.
"""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import jax
import numpy as np
import orbax.checkpoint

from outsample.agents.checkpoint import manifest_of
from outsample.agents.leaves import Leaves, leaves_of, shaped
from outsample.errors import OutsampleError, TrainingError
from outsample.hashing import sha256_of
from outsample.io import sha256_file
from outsample.io.locking import hold_folder

_LOG = logging.getLogger(__name__)
_PAUSED = ", paused"  # added to the name of a lane whose progress is kept, not its outcome


def key_of(read: Sequence[str | Path], settings: Mapping[str, Any], code: str) -> str:
    """Key of the work of a job: the bytes of the files that it reads, its settings, and the hash of its code."""
    return sha256_of({"read": [sha256_file(path) for path in read], "settings": settings, "code": code})


def open_progress(folder: str | Path, key: str, seconds: float | None = None) -> ShardProgress | None:
    """The progress kept in a folder; None where another process is at the same work, as after a run that was killed.

    That process may still be writing there. Both end in the same results, so this one then trains from the beginning
    and keeps nothing.

    Args, Raises: as `ShardProgress`; `seconds` None takes the environment variable OUTSAMPLE_CHECKPOINT_SECONDS, or 30.
    """
    path = Path(folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        held = hold_folder(path.with_name(f"{path.name}.lock"))
    except OutsampleError:
        _LOG.info("Another process keeps its lanes in %s; this one keeps none.", path.name)
        return None
    wanted = os.environ.get("OUTSAMPLE_CHECKPOINT_SECONDS", "30")
    progress = ShardProgress(path, key, float(wanted) if seconds is None else seconds)
    progress.lock = held  # let go of when this process ends, in whatever way
    return progress


class ShardProgress:
    """A `Keeper` of lanes (outsample.agents.loop) that writes at most once in so many seconds."""

    lock: IO[str] | None = None

    def __init__(self, folder: str | Path, key: str, seconds: float) -> None:
        """Open the folder and read what it holds; what another key left there is deleted.

        Args:
            folder: of this shard alone, outside the outputs of rules, which are deleted before each attempt.
            key: hash of everything that the results depend on.
            seconds: least time between two checkpoints, so that short lanes do not pay for them.
        Raises: TrainingError where a checkpoint is there and cannot be read.
        """
        self._folder, self._key, self._seconds = Path(folder).absolute(), key, seconds
        self._written = time.monotonic()
        self._finished: dict[str, Leaves] = {}
        self._broken: dict[str, str] = {}
        self._at_work: tuple[str, int, Leaves] | None = None
        if self._numbers():
            self._read()

    def finished(self, lane: str, like: Any) -> Any | None:
        """What a finished lane gave, in the form of `like`; None where it is not finished.

        Args: like: arrays or their shapes; an axis of length 0 is of any length.
        Raises: TrainingError where what is kept has other shapes, as that of another network.
        """
        leaves = self._finished.get(lane)
        return None if leaves is None else shaped(lane, leaves, like)

    def restore(self, lane: str, like: Any) -> tuple[int, Any] | None:
        """Updates done of the lane at work, and its progress in the form of `like`; None for any other lane.

        Args, Raises: as `finished`.
        """
        if self._at_work is None or self._at_work[0] != lane:
            return None
        _, update, leaves = self._at_work
        progress = shaped(lane, leaves, like)
        _LOG.info("%s goes on after update %d.", lane, update)
        return update, progress

    def offer(self, lane: str, update: int, progress: Any) -> bool:
        """Keep the progress of the lane at work if it is time; whether it was."""
        if not self._is_time():
            return False
        self._at_work = (lane, update, leaves_of(progress))
        self._write()
        return True

    def finish(self, lane: str, result: Any) -> None:
        """Keep what a lane gave; written now if it is time, else with the next checkpoint."""
        self._finished[lane], self._at_work = leaves_of(result), None
        if self._is_time():
            self._write()

    def pause(self, lane: str, update: int, progress: Any) -> None:
        """Keep a lane whose training ends here for now; written when `finish` would be."""
        self.finish(f"{lane}{_PAUSED}", (np.int64(update), progress))

    def paused(self, lane: str, like: Any) -> tuple[int, Any] | None:
        """Updates done and progress of a paused lane; None for any other. Args, Raises: as `finished`."""
        kept = self.finished(f"{lane}{_PAUSED}", (np.int64(0), like))
        return None if kept is None else (int(kept[0]), kept[1])

    def broken(self, lane: str) -> str | None:
        """Where a lane broke down; None where it did not."""
        return self._broken.get(lane)

    def give_up(self, lane: str, place: str) -> None:
        """Keep where a lane broke down; written when `finish` would be."""
        self._broken[lane], self._at_work = place, None
        if self._is_time():
            self._write()

    def clear(self) -> None:
        """Delete the folder, when the results have been written elsewhere."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _is_time(self) -> bool:
        return time.monotonic() - self._written >= self._seconds

    def _numbers(self) -> list[int]:
        """Numbers of the checkpoints that are complete: Orbax gives a folder its name when all is in it."""
        return sorted(int(path.name) for path in self._folder.glob("*") if path.name.isdecimal())

    def _write(self) -> None:
        content: dict[str, Any] = {"groups": {}}
        for lanes in _groups(self._finished).values():
            stacked = [np.stack(leaves) for leaves in zip(*(self._finished[lane] for lane in lanes), strict=True)]
            content["groups"][f"{len(content['groups']):03}"] = {"lanes": _text("\n".join(lanes)), **_named(stacked)}
        if self._at_work is not None:
            lane, update, leaves = self._at_work
            content["at_work"] = {"lane": _text(lane), "update": np.int64(update), **_named(leaves)}
        if self._broken:
            content["broken"] = _text("\n".join(f"{lane}\t{place}" for lane, place in self._broken.items()))
        content["key"] = _text(self._key)
        content["sha256"] = _text(manifest_of(content)["sha256"])
        before = self._numbers()
        try:
            with orbax.checkpoint.PyTreeCheckpointer() as checkpointer:
                checkpointer.save(self._folder / str(max(before, default=0) + 1), content)
        except ValueError as error:  # what Orbax makes of a full disk
            raise OSError(f"The checkpoint of the shard cannot be written: {error}") from error
        for number in before:
            shutil.rmtree(self._folder / str(number))
        self._written = time.monotonic()

    def _read(self) -> None:
        latest = self._folder / str(self._numbers()[-1])
        try:
            with orbax.checkpoint.PyTreeCheckpointer() as checkpointer:
                content = jax.tree.map(np.asarray, checkpointer.restore(latest))
            if _said(content["key"]) != self._key:
                self.clear()
                return
            if _said(content.pop("sha256")) != manifest_of(content)["sha256"]:
                raise ValueError("its arrays are not those that were written")
            for group in content["groups"].values():
                for index, lane in enumerate(_said(group["lanes"]).split("\n")):
                    self._finished[lane] = [stacked[index] for stacked in _unnamed(group)]
            if "broken" in content:
                self._broken = dict(line.split("\t") for line in _said(content["broken"]).split("\n"))
            if "at_work" in content:
                kept = content["at_work"]
                self._at_work = (_said(kept["lane"]), int(kept["update"]), _unnamed(kept))
        except (OSError, ValueError, KeyError) as error:
            raise TrainingError(
                f"The checkpoint {latest.parent.name}/{latest.name} of an interrupted run is damaged; delete the "
                "folder work/ and give the same command again."
            ) from error
        _LOG.info("Going on from a checkpoint: %d lanes were finished.", len(self._finished))


def _groups(finished: dict[str, Leaves]) -> dict[Any, list[str]]:
    """Lanes whose leaves can be stacked, together."""
    groups: dict[Any, list[str]] = {}
    for lane, leaves in finished.items():
        groups.setdefault(tuple((leaf.shape, str(leaf.dtype)) for leaf in leaves), []).append(lane)
    return groups


def _named(leaves: Leaves) -> dict[str, Any]:
    return {"leaves": {f"{index:03}": leaf for index, leaf in enumerate(leaves)}}


def _unnamed(holder: dict[str, Any]) -> Leaves:
    return [holder["leaves"][name] for name in sorted(holder["leaves"])]


def _text(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), np.uint8)


def _said(array: np.ndarray) -> str:
    return bytes(array).decode()
