"""The runs that lanes are made of: their groups, what they start from, and what becomes of those that break down."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from outsample.agents.loop import Callback, Keeper
from outsample.agents.runtime import return_memory
from outsample.agents.studio import Checked, Fit, Lane, Studio, name_of
from outsample.agents.together import groups_of, train_together
from outsample.agents.training import Program, hyper_of
from outsample.errors import BrokenLaneError

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Watch:
    """What happens beside training: where lanes are kept, and who is told."""

    keeper: Keeper | None = None
    callbacks: Sequence[Callback] = ()


UNWATCHED = Watch()


@dataclass(frozen=True)
class Run:
    """The training of a lane with the settings of one of its variants."""

    lane: Lane
    variant: int
    settings: Mapping[str, Any]
    most_updates: int  # of any variant of the lane

    @property
    def name(self) -> str:
        """Its name, for messages, callbacks and the keeper."""
        return name_of(self.lane, self.variant)


def _runs(checked: Sequence[Checked]) -> list[Run]:
    return [
        Run(lane, variant, settings, max(of_one["updates"] for of_one in tried))
        for lane, tried in checked
        for variant, settings in enumerate(tried)
    ]


@dataclass(frozen=True)
class Starts:
    """What runs start from: the weights of others of the same program, fold and seed, or where those broke down."""

    known: Mapping[tuple[int, int, Program], Any]  # (fold, seed, program that does not stop early) -> weights or place

    def of(self, lane: Lane, program: Program) -> Any:
        """The weights, leaves with a leading axis [I]; text where there are none, which says where they broke down."""
        return self.known[(lane.fold, lane.seed, unstopped(program))]

    def broken(self, studio: Studio, checked: Sequence[Checked]) -> dict[str, str]:
        """The runs that have nothing to start from, by their names, and why."""
        found = {run.name: self.of(run.lane, studio.program(run.settings)) for run in _runs(checked)}
        return {name: place for name, place in found.items() if isinstance(place, str)}


def unstopped(program: Program) -> Program:
    """The program without early stopping."""
    settings = tuple((name, 0 if name == "patience" else value) for name, value in program.settings)
    return replace(program, settings=settings)


def _grouped(studio: Studio, checked: Sequence[Checked]) -> list[list[Run]]:
    """The runs that are trained together: one on a machine that takes models in turn."""
    runs = _runs(checked)
    models = max(studio.folds[run.lane.fold].inner_folds for run in runs)
    programs = [
        (
            studio.program(run.settings),
            studio.folds[run.lane.fold].inner_folds,
            tuple(number is None for number in hyper_of(studio.module, run.settings)),
        )
        for run in runs
    ]
    return [[runs[run] for run in group] for group in groups_of(programs, models, studio.width)]


def _train(
    studio: Studio, group: Sequence[Run], watch: Watch, starts: Starts | None, hand_on: bool, part: int
) -> dict[str, Fit]:
    """Train the inner-fold models of the runs of a group; by their names.

    Raises: BrokenLaneError where parameters or losses are not finite, naming the run, the inner fold and the update.
    """
    program = studio.program(group[0].settings)
    jobs = [studio.jobs(run.lane, run.settings["segment"]) for run in group]
    hypers = [hyper_of(studio.module, run.settings) for run in group]
    names = [run.name for run in group]
    validates = [
        studio.validated(program, studio.folds[run.lane.fold], of_run) for run, of_run in zip(group, jobs, strict=True)
    ]
    trained = train_together(
        *(program, studio.market, studio.numbers, hypers, jobs, names, validates),
        *(studio.width, watch.keeper, watch.callbacks),
        initials=[starts.of(run.lane, program) if starts else None for run in group],
        hand_on=hand_on,
        part=part,
        most_updates=max(run.most_updates for run in group),
    )
    return_memory()  # of what has been compiled
    fits = (Fit(program, of_run, found) for of_run, found in zip(jobs, trained, strict=True))
    return dict(zip(names, fits, strict=True))


def attempt(
    studio: Studio,
    checked: Sequence[Checked],
    watch: Watch,
    final: bool = False,
    starts: Starts | None = None,
    hand_on: bool = False,
    part: int = 1,
) -> tuple[dict[str, Fit], dict[str, str]]:
    """The fits of all runs by their names, and where runs broke down, now or in the run that is resumed.

    An alternative that breaks down is left out; a lane whose own settings do is given up with its alternatives. Others
    of the group are trained without it from the beginning, as if it had not been there.

    Args:
        starts: what the runs start from; None draws their weights.
        hand_on: whether the fits hold the weights, for other runs to start from.
        part: the first 1/part of the updates only, as in `outsample.agents.loop.train_models`.
    Raises: BrokenLaneError where `final`, if the own settings of a lane break down.
    """
    keeper = watch.keeper
    names = [name_of(lane, variant) for lane, tried in checked for variant in range(len(tried))]
    lost = {name: keeper.broken(name) for name in names} if keeper else {}
    places = {name: place for name, place in lost.items() if place} | (starts.broken(studio, checked) if starts else {})
    fits: dict[str, Fit] = {}
    for group in _grouped(studio, checked):
        while rest := [run for run in group if run.name not in places and name_of(run.lane) not in places]:
            try:
                fits |= _train(studio, rest, watch, starts, hand_on, part)
                break
            except BrokenLaneError as error:
                if final and any(run.name == error.lane and run.variant == 0 for run in rest):
                    raise
                _LOG.warning("%s The job goes on without it.", error)
                places[error.lane] = error.place
                if keeper:
                    keeper.give_up(error.lane, error.place)
    return fits, places
