"""Training of lanes: their inner-fold models, their out-of-fold targets and their gates.

A lane is (trial, fold, seed, params). Its I inner-fold models are trained by one compiled program (`lax.map` over
the models); lanes take turns. Nothing that is compiled depends on which or how many lanes ride in a shard: segments
are counted over all folds of the table, so that every lane of the same static settings, and the final policy, use
the same program, and a lane's result is the same bits in any company.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from outsample.agents.decide import decide_rows
from outsample.agents.gate import gate_bound, validated_returns
from outsample.agents.inputs import (
    FoldRows,
    check_features,
    check_minibatches,
    check_span,
    checked_settings,
    fold_rows,
    scaler_arrays,
)
from outsample.agents.loop import Callback, Keeper, train_models
from outsample.agents.network import Params
from outsample.agents.policy import FinalPolicy
from outsample.agents.registry import get_agent
from outsample.agents.segments import segments_needed, tile
from outsample.agents.training import Job, MarketArrays, Program, RuleNumbers, Trained
from outsample.config.models import Gate
from outsample.errors import BrokenLaneError, TrainingError
from outsample.market.accounting import MarketRules
from outsample.market.panel import Panel

_LOG = logging.getLogger(__name__)
_FINAL_FOLD = -1
_LANE_TYPES = {"trial": "int32", "fold": "int32", "seed": "int32"}
_TARGET_TYPES = {**_LANE_TYPES, "symbol": "str", "row": "int64", "target": "float64"}
_GATE_TYPES = {"agent": "str", **_LANE_TYPES, "gate_bound": "float64", "gate_open": "bool", "failure": "str"}
_CURVE_NUMBERS = ("reward", "entropy", "loss")
_CURVE_TYPES = {"agent": "str", **_LANE_TYPES, "inner": "int32", "update": "int32"} | dict.fromkeys(
    _CURVE_NUMBERS, "float64"
)


@dataclass(frozen=True)
class Lane:
    """One training run of a trial on a fold; `params` holds every field of the agent's config block."""

    trial: int
    fold: int
    seed: int
    params: Mapping[str, float | int | str]


@dataclass(frozen=True)
class Watch:
    """What happens beside training: where lanes are kept, and who is told."""

    keeper: Keeper | None = None
    callbacks: Sequence[Callback] = ()


_UNWATCHED = Watch()


@dataclass(frozen=True)
class LaneResults:
    """What lanes gave, as tables of `outsample.io.schemas`."""

    targets: pd.DataFrame  # out-of-fold targets, before the gate; none of a lane that broke down
    lanes: pd.DataFrame  # the gate of each lane, or where it broke down
    curves: pd.DataFrame  # learning curves


@dataclass(frozen=True)
class Studio:
    """Everything that the lanes of one call share."""

    agent: str
    module: ModuleType
    panel: Panel
    folds: dict[int, FoldRows]
    scalers: pd.DataFrame
    rules: MarketRules
    market: MarketArrays
    numbers: RuleNumbers

    @classmethod
    def open(cls, agent: str, panel: Panel, folds: pd.DataFrame, scalers: pd.DataFrame, rules: MarketRules) -> Studio:
        module = get_agent(agent)
        bars = (panel.features, panel.open, panel.close)
        numbers = (rules.cost_rate, rules.borrow_per_bar, rules.grid, rules.band)
        return cls(
            agent=agent,
            module=module,
            panel=panel,
            folds=fold_rows(folds, panel),
            scalers=scalers,
            rules=rules,
            market=MarketArrays(*(jnp.asarray(array, jnp.float32) for array in bars)),
            numbers=RuleNumbers(*(jnp.float32(number) for number in numbers)),
        )

    def program(self, settings: Mapping[str, Any]) -> Program:
        return Program(
            agent=self.agent,
            settings=tuple((name, settings[name]) for name in sorted(self.module.STATIC)),
            actions=(-1, 0, 1) if self.rules.short_selling else (0, 1),
            fill=self.rules.fill,
            short_selling=self.rules.short_selling,
        )

    def rows_of(self, fold: int, where: str) -> FoldRows:
        if fold not in self.folds:
            raise TrainingError(f"{where} asks for fold {fold}, which the folds table does not have.")
        return self.folds[fold]

    def segments(self, segment: int) -> int:
        """Segments of every job: as many as the largest train span of the table needs."""
        return max(segments_needed(blocks, segment) for fold in self.folds.values() for blocks in fold.train)

    def jobs(self, lane: Lane, segment: int) -> Job:
        """The jobs of a lane's inner folds, stacked [I]."""
        rows = self.rows_of(lane.fold, _name(lane))
        count = self.segments(segment)
        tiles = [tile(blocks, segment, count) for blocks in rows.train]
        center, scale = scaler_arrays(self.scalers, lane.fold, self.panel.feature_names)
        inner = np.arange(rows.inner_folds, dtype=np.int32)
        return Job(
            seed=jnp.full(len(inner), lane.seed, jnp.uint32),
            fold=jnp.full(len(inner), lane.fold, jnp.int32),
            inner=jnp.asarray(inner),
            start=jnp.asarray(np.stack([t.start for t in tiles])),
            length=jnp.asarray(np.stack([t.length for t in tiles])),
            center=jnp.asarray(center),
            scale=jnp.asarray(scale),
        )

    def decide(self, program: Program, rows: FoldRows, actors: Params, job: Job) -> NDArray[np.int8]:
        """Targets [N] of actors with leading axes [S, I]."""
        owner, reset = rows.owners(len(self.panel.dates))
        chosen = decide_rows(
            program, self.market.features, actors, job.center, job.scale, jnp.asarray(owner), jnp.asarray(reset)
        )
        return np.asarray(chosen)

    def gate_bounds(self, rows: FoldRows, targets: NDArray[np.int8], gate: Gate) -> list[float]:
        """The gates of lanes of one fold; targets [N, L]."""
        returns = validated_returns(targets, list(rows.validate), self.panel, self.rules)
        return [gate_bound(np.ascontiguousarray(lane), gate) for lane in returns.T]


def _name(lane: Lane) -> str:
    return f"Trial {lane.trial}, fold {lane.fold}, seed {lane.seed}"


def _checked(studio: Studio, lanes: Sequence[Lane]) -> list[tuple[Lane, dict[str, Any]]]:
    """The lanes in their order with checked settings; everything that can be refused is refused before compiling."""
    if not lanes:
        raise TrainingError("There is no lane to train; ask for fewer shards than lanes.")
    ordered = sorted(lanes, key=lambda lane: (lane.trial, lane.fold, lane.seed))
    keys = [(lane.trial, lane.fold, lane.seed) for lane in ordered]
    if len(set(keys)) < len(keys):
        raise TrainingError("A lane is given twice; every (trial, fold, seed) must be unique.")
    checked = []
    for lane in ordered:
        settings = checked_settings(studio.module.SETTINGS, lane.params, _name(lane))
        rows = studio.rows_of(lane.fold, _name(lane))
        rows.owners(len(studio.panel.dates))
        check_span(rows, settings["segment"])
        check_minibatches(settings, studio.segments(settings["segment"]), _name(lane))
        scaler_arrays(studio.scalers, lane.fold, studio.panel.feature_names)
        if not 0 <= lane.seed < 2**32:
            raise TrainingError(f"{_name(lane)}: a seed must be in 0 .. 4294967295.")
        checked.append((lane, settings))
    check_features(studio.panel, [studio.folds[fold] for fold in sorted({lane.fold for lane in ordered})])
    return checked


def _train(studio: Studio, lane: Lane, settings: dict[str, Any], watch: Watch) -> tuple[Program, Job, Trained]:
    """Train the inner-fold models of a lane.

    Raises: BrokenLaneError where parameters or losses are not finite, naming the lane, the inner fold and the update.
    """
    program = studio.program(settings)
    jobs = studio.jobs(lane, settings["segment"])
    traced = studio.module.Hyper._fields
    hyper = studio.module.Hyper(*(jnp.float32(settings[name]) for name in traced))
    trained = train_models(
        *(program, studio.market, studio.numbers, hyper, jobs),
        lane=_name(lane),
        keeper=watch.keeper,
        callbacks=watch.callbacks,
    )
    return program, jobs, trained


def _attempt(studio: Studio, lane: Lane, settings: dict[str, Any], watch: Watch) -> tuple[Program, Job, Trained] | str:
    """As `_train`; of a lane that breaks down, now or in the run that is resumed, the place where it did."""
    keeper, name = watch.keeper, _name(lane)
    if keeper and (place := keeper.broken(name)):
        return place
    try:
        return _train(studio, lane, settings, watch)
    except BrokenLaneError as error:
        _LOG.warning("%s The shard goes on with its other lanes.", error)
        if keeper:
            keeper.give_up(name, error.place)
        return error.place


def _curves(agent: str, lane: Lane, trained: Trained) -> pd.DataFrame:
    inner, update = np.indices(trained.curve.reward.shape)
    return pd.DataFrame(
        {
            "agent": agent,
            **_lane_columns(lane),
            "inner": inner.ravel(),
            "update": update.ravel(),
            **{name: np.asarray(getattr(trained.curve, name)).ravel() for name in _CURVE_NUMBERS},
        }
    ).astype(_CURVE_TYPES)


def _lane_columns(lane: Lane) -> dict[str, int]:
    return {"trial": lane.trial, "fold": lane.fold, "seed": lane.seed}


def _gate_row(agent: str, lane: Lane, bound: float, failure: str = "") -> dict[str, Any]:
    """The row of a lane in the table `lanes`; a bound of NaN leaves the gate closed."""
    return {
        "agent": agent,
        **_lane_columns(lane),
        "gate_bound": bound,
        "gate_open": bound > 0,
        "failure": failure,
    }


def _joined(frames: Sequence[pd.DataFrame], types: Mapping[str, str]) -> pd.DataFrame:
    """The rows of all frames, and the columns where there is none because every lane broke down."""
    return pd.concat([pd.DataFrame(columns=list(types)).astype(types), *frames], ignore_index=True)


def _test_targets(lane: Lane, rows: FoldRows, panel: Panel, targets: NDArray[np.int8]) -> pd.DataFrame:
    parts = [
        pd.DataFrame(
            {
                **_lane_columns(lane),
                "symbol": panel.symbols[symbol],
                "row": np.arange(start, end) - panel.offsets[symbol],
                "target": targets[start:end].astype(np.float64),
            }
        )
        for symbol, start, end in rows.test
    ]
    return pd.concat(parts, ignore_index=True).astype(_TARGET_TYPES)


def train_lanes(
    agent: str,
    lanes: Sequence[Lane],
    panel: Panel,
    folds: pd.DataFrame,
    scalers: pd.DataFrame,
    rules: MarketRules,
    gate: Gate,
    watch: Watch = _UNWATCHED,
) -> LaneResults:
    """Train lanes one after the other; each result depends on its own lane and the tables only.

    A lane whose parameters or losses are not finite is given up: it has no targets and no curve, its gate is closed,
    and the table `lanes` says where it broke down.

    A model is trained on each inner fold's train rows. The fold's test rows are decided by the mean of the models'
    outputs, from flat at the first test row of each symbol; the validated rows by the model that has not seen them,
    and their replayed portfolio return is what the gate judges.

    Args:
        agent: name in `outsample.agents.registry.AGENTS`.
        lanes: what to train, in any order; folds must have test rows.
        panel: development bars and raw features; the row of a decision uses bars up to that row.
        folds, scalers: tables of the same names; all folds of the experiment, whichever the lanes use.
        rules: market rules of training and of the gate's replay.
        gate: settings of the gate.
        watch: who watches the lanes and keeps them; neither changes a result.
    Returns: tables `targets` (before the gate), `lanes` and `curves`.
    Raises: TrainingError for input that cannot be trained on, before anything is compiled.
    """
    studio = Studio.open(agent, panel, folds, scalers, rules)
    checked = _checked(studio, lanes)
    for lane, _ in checked:
        if not studio.folds[lane.fold].test:
            raise TrainingError(f"{_name(lane)}: fold {lane.fold} has no test rows; a lane needs a walk-forward fold.")
    by_fold: dict[int, list[tuple[Lane, NDArray[np.int8]]]] = defaultdict(list)
    curves, gates = [], []
    for lane, settings in checked:
        outcome = _attempt(studio, lane, settings, watch)
        if isinstance(outcome, str):
            gates.append(_gate_row(agent, lane, np.nan, failure=outcome))
            continue
        program, jobs, trained = outcome
        actors = jax.tree.map(lambda x: x[None], trained.actor)
        by_fold[lane.fold].append((lane, studio.decide(program, studio.folds[lane.fold], actors, jobs)))
        curves.append(_curves(agent, lane, trained))
    targets = []
    for fold, decided in sorted(by_fold.items()):
        rows = studio.folds[fold]
        bounds = studio.gate_bounds(rows, np.stack([chosen for _, chosen in decided], axis=-1), gate)
        for (lane, chosen), bound in zip(decided, bounds, strict=True):
            targets.append(_test_targets(lane, rows, panel, chosen))
            gates.append(_gate_row(agent, lane, bound))
    keys = ["trial", "fold", "seed"]
    return LaneResults(
        targets=_joined(targets, _TARGET_TYPES).sort_values([*keys, "symbol", "row"], kind="stable", ignore_index=True),
        lanes=pd.DataFrame(gates).astype(_GATE_TYPES).sort_values(keys, ignore_index=True),
        curves=_joined(curves, _CURVE_TYPES),
    )


def fit_final(
    agent: str,
    params: Mapping[str, float | int | str],
    seeds: int,
    panel: Panel,
    folds: pd.DataFrame,
    scalers: pd.DataFrame,
    rules: MarketRules,
    gate: Gate,
    watch: Watch = _UNWATCHED,
) -> FinalPolicy:
    """Train the final policy: the mean of the models of all seeds and inner folds of fold -1.

    Its gate judges the development span: each inner fold is decided by the mean, over the seeds, of the models that
    have not seen it.

    Args:
        params: every field of the agent's config block, those of the selected trial.
        seeds: seeds 0 .. seeds - 1.
        Others as in `train_lanes`; `folds` and `scalers` must have fold -1, and may have the others.
    Raises: TrainingError as in `train_lanes`.
    """
    if seeds < 1:
        raise TrainingError(f"The final policy needs at least one seed, not {seeds}.")
    studio = Studio.open(agent, panel, folds, scalers, rules)
    checked = _checked(studio, [Lane(0, _FINAL_FOLD, seed, params) for seed in range(seeds)])
    fits = [(lane, *_train(studio, lane, settings, watch)) for lane, settings in checked]
    _, program, jobs, _ = fits[0]
    actors = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(trained.actor for *_, trained in fits))
    rows = studio.folds[_FINAL_FOLD]
    bound = studio.gate_bounds(rows, studio.decide(program, rows, actors, jobs)[:, None], gate)[0]
    models = seeds * rows.inner_folds
    return FinalPolicy(
        agent=agent,
        features=panel.feature_names,
        actions=program.actions,
        torso=program["torso"],
        units=program["units"],
        layers=program["layers"],
        fill=rules.fill,
        seeds=seeds,
        actor=jax.tree.map(lambda x: np.asarray(x).reshape(models, *x.shape[2:]), actors),
        center=np.tile(np.asarray(jobs.center), (seeds, 1)),
        scale=np.tile(np.asarray(jobs.scale), (seeds, 1)),
        gate_bound=bound,
        gate_open=bound > 0,
        curves=pd.concat([_curves(agent, lane, trained) for lane, *_, trained in fits], ignore_index=True),
    )
