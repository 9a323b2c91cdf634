"""Rungs of successive halving: a lane is trained for a part of its updates, kept as it stands, and may go on later.

A lane that goes on ends in the same bits as one that was trained in one go. The files that cross from one rung to the
next are those of outsample.agents.rung_files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np

from outsample.agents.leaves import Leaves, leaves_of, shaped
from outsample.agents.loop import BETWEEN, Keeper
from outsample.errors import TrainingError


class Meanwhile(Keeper, Protocol):
    """Where a rung is kept while it is at work, so that a killed job goes on (outsample.agents.progress)."""

    def paused(self, lane: str, like: Any) -> tuple[int, Any] | None:
        """Updates done and progress of a lane that was paused; None for any other."""


class Rung:
    """A `Keeper` of lanes (outsample.agents.loop) that come from the rung before and are handed on to the next."""

    def __init__(self, before: Paused | None = None, progress: Meanwhile | None = None) -> None:
        """Begin a rung.

        Args:
            before: what the rung before handed on; None where lanes begin here.
            progress: where lanes are kept meanwhile, so that a killed job goes on; None keeps nothing.
        """
        self._before, self._progress = before, progress
        self.paused: dict[str, tuple[int, Leaves]] = {}
        self.lost: dict[str, str] = {}

    def finished(self, lane: str, like: Any) -> Any | None:
        """What a lane gave that was trained to its end in a run that was killed."""
        return self._progress.finished(lane, like) if self._progress else None

    def finish(self, lane: str, result: Any) -> None:
        """Keep what a lane gave."""
        if self._progress:
            self._progress.finish(lane, result)

    def broken(self, lane: str) -> str | None:
        """Where a lane broke down, now or on the rung before; None where it did not."""
        place = self._progress.broken(lane) if self._progress else None
        place = place or (self._before.broken.get(lane) if self._before else None)
        if place:
            self.lost[lane] = place
        return place

    def give_up(self, lane: str, place: str) -> None:
        """Keep where a lane broke down."""
        self.lost[lane] = place
        if self._progress:
            self._progress.give_up(lane, place)

    def restore(self, lane: str, like: Any) -> tuple[int, Any] | None:
        """Updates done and progress: as paused or at work in a run that was killed, else from the rung before."""
        if self._progress:
            kept = self._progress.paused(lane, like) or self._progress.restore(lane, like)
            if kept:
                return kept
        if self._before is None:
            return None
        update, leaves = self._before.joined(lane.split(BETWEEN))
        return update, shaped(lane, leaves, like)

    def offer(self, lane: str, update: int, progress: Any) -> bool:
        """Keep the progress of the lane at work if it is time; whether it was."""
        return self._progress.offer(lane, update, progress) if self._progress else False

    def pause(self, lane: str, update: int, progress: Any) -> None:
        """Hand a lane on to the next rung; lanes that were trained as one are handed on each by itself."""
        names, leaves = lane.split(BETWEEN), leaves_of(progress)
        models = len(leaves[0]) // len(names)
        for place, name in enumerate(names):
            self.paused[name] = update, [leaf[place * models : (place + 1) * models] for leaf in leaves]
        if self._progress:
            self._progress.pause(lane, update, progress)


class Paused:
    """What a rung handed on: the arrays of lanes, which those in files are read for as they are asked for."""

    def __init__(self, broken: Mapping[str, str], lanes: Mapping[str, tuple[int, Callable[[], Leaves]]]) -> None:
        """Take the lanes that broke down with their places, and of the others the updates done and their arrays."""
        self.broken, self._lanes = dict(broken), dict(lanes)

    @classmethod
    def of(cls, rung: Rung) -> Paused:
        """What a rung in this process hands on."""
        return cls(rung.lost, {lane: (n, partial(list, leaves)) for lane, (n, leaves) in rung.paused.items()})

    def joined(self, lanes: Sequence[str]) -> tuple[int, Leaves]:
        """Updates done of lanes that go on together, and their arrays, joined along the axis of the models.

        Raises: TrainingError where a lane was not handed on, or the lanes have not come as far as each other.
        """
        without = [lane for lane in lanes if lane not in self._lanes]
        if without:
            raise TrainingError(f"{without[0]} was not handed on by the rung before; delete that rung and run again.")
        found = [self._lanes[lane] for lane in lanes]
        if len({updates for updates, _ in found}) > 1:
            raise TrainingError(f"{BETWEEN.join(lanes)}: they have not come as far as each other; delete their rung.")
        each = [arrays() for _, arrays in found]
        return found[0][0], [np.concatenate(parts) for parts in zip(*each, strict=True)]
