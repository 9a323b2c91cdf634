"""The training loop of a lane: its updates in chunks, and between two chunks the guard, the callbacks, the checkpoint.

A chunk is compiled once: its length divides the number of updates. Where early stopping is asked for, the models are
validated between two chunks. Nothing that happens between chunks changes what is
computed, so a run that was killed and goes on from its checkpoint ends in the same bits.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from outsample.agents import stopping
from outsample.agents.mapping import at_width, over_models
from outsample.agents.network import Params
from outsample.agents.registry import get_agent
from outsample.agents.training import Curve, Job, MarketArrays, Program, RuleNumbers, Trained
from outsample.errors import BrokenLaneError

_LOG = logging.getLogger(__name__)
_CURVE_TYPES = (np.float32, np.float32, np.float32, np.bool_)
BETWEEN = "; "  # the names of lanes that are trained as one
_CHUNKS = 4  # at least so many chunks a run, where the number of updates allows it
# How programs that run once a lane are compiled: sooner, for faster code would have little to do.
_RUN_ONCE = {"xla_backend_optimization_level": 1, "xla_cpu_use_fusion_emitters": False}


class Callback:
    """What a user may watch; every method does nothing. Callbacks see numbers, and can change none."""

    def on_update(self, lane: str, update: int, reward: float, entropy: float, loss: float) -> None:
        """After a chunk: updates done, and its last one as the mean over the models at work (units as `Curve`)."""

    def on_checkpoint(self, lane: str, update: int) -> None:
        """After a checkpoint has been written."""

    def on_end(self, lane: str, trained: Trained) -> None:
        """After the last update; leaves have a leading axis [I] of inner models."""


class LogUpdates(Callback):
    """One line in the job's log for each lane that has been trained, and for each checkpoint."""

    def on_checkpoint(self, lane: str, update: int) -> None:
        _LOG.info("%s: checkpoint after update %d.", lane, update)

    def on_end(self, lane: str, trained: Trained) -> None:
        models, updates = trained.curve.reward.shape
        last = np.arange(models), (np.full(models, updates) if trained.updates is None else trained.updates) - 1
        _LOG.info(
            "%s: trained; net log return of the last update %.2e a bar, entropy %.3f.",
            *(lane, trained.curve.reward[last].mean(), trained.curve.entropy[last].mean()),
        )


class Keeper(Protocol):
    """Where the lanes of a shard are kept (outsample.agents.progress)."""

    def finished(self, lane: str, like: Any) -> Any | None:
        """What a finished lane gave, in the form of `like`; None where it is not finished."""

    def finish(self, lane: str, result: Any) -> None:
        """Keep what a lane gave."""

    def broken(self, lane: str) -> str | None:
        """Where a lane broke down; None where it did not."""

    def give_up(self, lane: str, place: str) -> None:
        """Keep where a lane broke down, so that it is not tried again."""

    def restore(self, lane: str, like: Any) -> tuple[int, Any] | None:
        """Updates done of a lane, and its progress, in the form of `like`; None where nothing is kept."""

    def offer(self, lane: str, update: int, progress: Any) -> bool:
        """Keep the progress after so many updates if it is time; whether it was."""

    def pause(self, lane: str, update: int, progress: Any) -> None:
        """Keep the progress of a lane whose training ends here for now, at the end of a rung."""


def chunk_length(updates: int, patience: int = 0) -> int:
    """Largest divisor of the updates that makes at least four chunks, or one update where there are fewer.

    With patience it is no longer than that, so that models are validated at least so often.

    >>> [chunk_length(updates) for updates in (80, 200, 6, 7, 2)]
    [20, 50, 1, 1, 1]
    >>> [chunk_length(80, patience) for patience in (100, 10, 9)]
    [20, 10, 8]
    """
    longest = min(updates // _CHUNKS, patience or updates)
    return max(length for length in range(1, max(longest, 1) + 1) if updates % length == 0)


def rung_end(updates: int, chunk: int, part: int) -> int:
    """The end of the first chunk by which 1/part of the updates are done.

    >>> [rung_end(80, 20, part) for part in (1, 2, 3, 4, 9)]
    [80, 40, 40, 20, 20]
    """
    return -(-updates // (part * chunk)) * chunk


def _chunk_length(program: Program) -> int:
    return chunk_length(program["updates"], program["patience"])


def _first_states(
    program: Program, width: int | None, market: MarketArrays, numbers: RuleNumbers, hyper: Any, jobs: Job
) -> Any:
    """The first states; JAX takes compiler options for the outermost program alone, so this is what others trace."""
    agent = get_agent(program.agent)
    return over_models(lambda job, of_job: agent.begin(program, market, numbers, of_job, job)[0], jobs, hyper, width)


_begin = jax.jit(_first_states, static_argnums=(0, 1), compiler_options=_RUN_ONCE)


@partial(jax.jit, static_argnums=(0, 1), compiler_options=_RUN_ONCE)
def _draw(
    program: Program, width: int | None, market: MarketArrays, numbers: RuleNumbers, hyper: Any, jobs: Job
) -> Any:
    """What chance gives to the updates: a program of its own, so that all networks that are tried share it."""
    agent = get_agent(program.agent)
    return over_models(lambda job, of_job: agent.begin(program, market, numbers, of_job, job)[1], jobs, hyper, width)


@partial(jax.jit, static_argnums=(0, 1))
def _advance(
    program: Program,
    width: int | None,
    market: MarketArrays,
    numbers: RuleNumbers,
    done: np.int32,
    hyper: Any,
    jobs: Job,
    states: Any,
    inputs: Any,
) -> tuple[Any, Curve]:
    """The states after one more chunk than the updates that are done, and its curve."""
    agent, length = get_agent(program.agent), _chunk_length(program)

    def of_model(model: tuple[Job, Any, Any], of_job: Any) -> tuple[Any, Curve]:
        job, state, of_run = model
        chunk = jax.tree.map(lambda x: jax.lax.dynamic_slice_in_dim(x, done, length), of_run)
        update = agent.updater(program, market, numbers, of_job, job)
        return jax.lax.scan(update, state, chunk, length=length)

    found: tuple[Any, Curve] = over_models(of_model, (jobs, states, inputs), hyper, width)
    return found


def train_models(
    program: Program,
    market: MarketArrays,
    numbers: RuleNumbers,
    hyper: Any,
    jobs: Job,
    *,
    lane: str = "The run",
    validate: stopping.Validate | None = None,
    width: int | None = None,
    keeper: Keeper | None = None,
    callbacks: Sequence[Callback] = (),
    initial: Any = None,
    hand_on: bool = False,
    part: int = 1,
    most_updates: int = 0,
) -> Trained:
    """Train the inner models of one lane, jobs [I], by one compiled chunk of updates after the other.

    Where program["patience"] is not 0, a model is what it was at its best (outsample.agents.stopping), and the lane
    ends when all have stopped. Until then those that have go along, and nothing of that counts.

    Args:
        program: static settings.
        market, numbers, hyper: as in `outsample.agents.training.train`.
        jobs: the jobs of the inner models, stacked [I].
        lane: its name, for messages, callbacks and the keeper.
        validate: what the models are worth on the rows that they have not seen; needed where there is patience.
        width: models that are computed at once, whose `hyper` has leaves [I]; None takes them in turn.
        keeper: where the lane goes on from, and is kept; None is nowhere.
        callbacks: called in their order.
        initial: weights of other runs to start from, leaves [I]; None draws them.
        hand_on: whether what is returned holds the weights, for another run to start from.
        part: only the first 1/part of the updates, in whole chunks; the keeper can hand them on to the rest.
        most_updates: updates to draw chance for, where others of the lane have more, so that all use the same program.
    Returns: leaves with a leading axis [I].
    Raises:
        BrokenLaneError: parameters or losses are not finite; names the lane, the inner fold and the update.
        ValueError: there is patience and no way to validate.
    """
    if program["patience"] and validate is None:
        raise ValueError("patience needs a validation of the models")
    length, patience = _chunk_length(program), program["patience"]
    updates = rung_end(program["updates"], length, part)
    curve: Any = Curve(*(np.zeros((len(jobs.inner), 0), dtype) for dtype in _CURVE_TYPES))  # type: ignore[arg-type]
    agent = get_agent(program.agent)
    finish = jax.vmap(partial(agent.finish, program))
    begin, advance = (partial(compiled, program, width, market, numbers) for compiled in (_begin, _advance))
    draw = partial(_draw, program.of_draws(most_updates), width, market, numbers)
    kept = None
    if keeper:  # before anything is compiled, so that a checkpoint which does not fit costs nothing
        first = partial(_first_states, program, width, market, numbers)
        like = jax.eval_shape(lambda jobs, hyper: at_width(first, (jobs,), hyper, width), jobs, hyper)
        actor = jax.eval_shape(finish, like)
        hoped = stopping.nothing_yet(jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), actor)) if patience else None
        weights = jax.eval_shape(agent.weights, like) if hand_on else None
        if whole := keeper.finished(lane, _trained(actor, curve, hoped, 0, weights)):
            return whole
        kept = keeper.restore(lane, (like, curve, hoped))
    state, inputs = (at_width(compiled, (jobs,), hyper, width) for compiled in (begin, draw))
    if initial is not None:
        state = agent.with_weights(state, jax.tree.map(jnp.asarray, initial))
    best = stopping.nothing_yet(finish(state)) if patience else None
    done, (state, curve, best) = kept or (0, (state, curve, best))
    together = part > 1 and width is not None  # so that lanes which go on in other company have all come as far
    while done < updates and (together or best is None or best.at_work.any()):
        state, latest = at_width(partial(advance, np.int32(done)), (jobs, state, inputs), hyper, width)
        latest = jax.tree.map(np.asarray, latest)
        at_work = np.ones(len(jobs.inner), np.bool_) if best is None else best.at_work
        _refuse_broken(lane, latest._replace(finite=latest.finite | ~at_work[:, None]), done, hyper._fields)
        curve = jax.tree.map(lambda *parts: np.concatenate(parts, axis=1), curve, latest)
        done += length
        for callback in callbacks:
            watched = at_work if at_work.any() else np.ones_like(at_work)
            callback.on_update(lane, done, *(float(x[watched, -1].mean()) for x in latest[:3]))
        if best is not None and validate is not None:
            actor = finish(state)
            best = stopping.after_chunk(best, actor, validate(actor), done, patience)
        if keeper and done < updates and keeper.offer(lane, done, (state, curve, best)):
            for callback in callbacks:
                callback.on_checkpoint(lane, done)
    trained = _trained(finish(state), curve, best, done, agent.weights(state) if hand_on else None)
    if keeper and part > 1:
        keeper.pause(lane, done, (state, curve, best))
    elif keeper:
        keeper.finish(lane, trained)
    for callback in callbacks:
        callback.on_end(lane, trained)
    return trained


def _trained(actor: Params, curve: Curve, best: stopping.Best | None, done: int, weights: Any) -> Trained:
    if best is None:
        return Trained(actor, curve, weights=weights)
    return Trained(best.actor, curve, stopping.updates_of(best, done), weights)


def _refuse_broken(lane: str, curve: Curve, done: int, settings: Sequence[str]) -> None:
    broken = np.argwhere(~curve.finite)
    if len(broken):
        inner, update = broken[np.argmin(broken[:, 1])]
        lower = " or ".join(name for name in ("learning_rate", "reward_scale") if name in settings)
        raise BrokenLaneError(lane, int(inner), int(done + update), lower)
