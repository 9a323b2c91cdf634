"""Lanes of one program, trained together as far as the machine computes several models at once."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from outsample.agents.loop import BETWEEN, Callback, Keeper, train_models
from outsample.agents.network import Params
from outsample.agents.stopping import Validate
from outsample.agents.training import Job, MarketArrays, Program, RuleNumbers, Trained
from outsample.errors import BrokenLaneError


def groups_of(programs: Sequence[Hashable], models: int, width: int | None) -> list[list[int]]:
    """Which lanes ride together, as their numbers: those of the same program, as many as fill the width.

    Args:
        programs: what must be the same for two lanes to ride together, of each lane.
        models: models of a lane.
        width: models that are computed at once; None gives every lane a group of its own.

    >>> groups_of(["a", "b", "a", "a"], models=4, width=8)
    [[0, 2], [3], [1]]
    """
    if width is None:
        return [[lane] for lane in range(len(programs))]
    of_program: dict[Hashable, list[int]] = {}
    for lane, program in enumerate(programs):
        of_program.setdefault(program, []).append(lane)
    size = max(width // models, 1)
    return [lanes[first : first + size] for lanes in of_program.values() for first in range(0, len(lanes), size)]


def train_together(
    program: Program,
    market: MarketArrays,
    numbers: RuleNumbers,
    hypers: Sequence[Any],
    jobs: Sequence[Job],
    lanes: Sequence[str],
    validates: Sequence[Validate | None],
    width: int | None,
    keeper: Keeper | None,
    callbacks: Sequence[Callback],
    initials: Sequence[Any],
    hand_on: bool,
    part: int,
    most_updates: int,
) -> list[Trained]:
    """Train a group of lanes; the keeper keeps it as one lane, under all their names.

    Args:
        program, market, numbers: as in `outsample.agents.loop.train_models`.
        hypers, jobs, lanes: of each lane: its `Hyper`, its jobs [I] and its name.
        validates: of each lane: what its models are worth, needed where there is patience.
        width: models that are computed at once; None, for a group of one lane, takes them in turn.
        initials: of each lane: weights to start from, leaves [I]; None, of all or of none, draws them.
        hand_on, part, most_updates: as in `train_models`.
        keeper, callbacks: as in `train_models`; updates and checkpoints are told of the group, the end of each lane.
    Returns: of each lane, leaves with a leading axis [I].
    Raises: BrokenLaneError for the lane that breaks down first.
    """
    if width is None:
        (hyper,), (job,), (lane,), (validate,), (initial,) = hypers, jobs, lanes, validates, initials
        return [
            train_models(
                *(program, market, numbers, hyper, job),
                lane=lane,
                validate=validate,
                keeper=keeper,
                callbacks=callbacks,
                initial=initial,
                hand_on=hand_on,
                part=part,
                most_updates=most_updates,
            )
        ]
    models = len(jobs[0].inner)
    hyper = jax.tree.map(lambda *of_lanes: jnp.repeat(jnp.stack(of_lanes), models), *hypers)
    job = jax.tree.map(lambda *of_lanes: jnp.concatenate(of_lanes), *jobs)
    drawn_weights = any(initial is None for initial in initials)
    initial = None if drawn_weights else jax.tree.map(lambda *of_lanes: jnp.concatenate(of_lanes), *initials)
    told = [_EachLane(callback, lanes, models) for callback in callbacks]
    try:
        trained = train_models(
            *(program, market, numbers, hyper, job),
            lane=BETWEEN.join(lanes),
            validate=_each(validates, models),
            width=width,
            keeper=keeper,
            callbacks=told,
            initial=initial,
            hand_on=hand_on,
            part=part,
            most_updates=most_updates,
        )
    except BrokenLaneError as error:
        place, inner = divmod(error.inner, models)
        raise BrokenLaneError(lanes[place], inner, error.update, error.lower) from error
    return _apart(trained, models)


def _each(validates: Sequence[Validate | None], models: int) -> Validate | None:
    """The validation of a group: of each lane by its own."""
    known = [validate for validate in validates if validate is not None]
    if len(known) < len(validates):
        return None

    def validate(actor: Params) -> NDArray[np.float64]:
        parts = [jax.tree.map(lambda x, i=i: x[i * models : (i + 1) * models], actor) for i in range(len(known))]
        return np.concatenate([of_lane(part) for of_lane, part in zip(known, parts, strict=True)])

    return validate


def _apart(trained: Trained, models: int) -> list[Trained]:
    lanes = len(trained.curve.reward) // models
    return [jax.tree.map(lambda x, i=i: x[i * models : (i + 1) * models], trained) for i in range(lanes)]


class _EachLane(Callback):
    """Tells a callback of updates and checkpoints of the group, and of the end of each of its lanes."""

    def __init__(self, callback: Callback, lanes: Sequence[str], models: int) -> None:
        self._callback, self._lanes, self._models = callback, lanes, models

    def on_update(self, lane: str, update: int, reward: float, entropy: float, loss: float) -> None:
        self._callback.on_update(lane, update, reward, entropy, loss)

    def on_checkpoint(self, lane: str, update: int) -> None:
        self._callback.on_checkpoint(lane, update)

    def on_end(self, lane: str, trained: Trained) -> None:
        for name, of_lane in zip(self._lanes, _apart(trained, self._models), strict=True):
            self._callback.on_end(name, of_lane)
