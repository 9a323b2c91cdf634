"""Training of lanes: their inner-fold models, their out-of-fold targets and their gates.

A lane is (trial, fold, seed, params). Its I inner-fold models are trained by one compiled program; on a CPU they, and
the lanes, take turns; elsewhere as many as fill a fixed width are trained at once (outsample.agents.mapping). Nothing
that is compiled depends on which or how many lanes ride in a shard: segments are counted over all folds of the table,
so that every lane of the same static settings, and the final policy, use the same program, and on a CPU a lane's result
is the same bits in any company.
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

from outsample.agents.choice import Choice, choose, level_of, network_name, variants
from outsample.agents.decide import decide_rows
from outsample.agents.gate import returns_by_inner, validated_returns
from outsample.agents.inputs import (
    FoldRows,
    check_batch,
    check_features,
    check_minibatches,
    check_span,
    checked_settings,
    fold_rows,
    scaler_arrays,
)
from outsample.agents.loop import Callback, Keeper
from outsample.agents.mapping import width_of_machine
from outsample.agents.network import Params
from outsample.agents.policy import FinalPolicy
from outsample.agents.registry import get_agent
from outsample.agents.segments import segments_needed, tile
from outsample.agents.stopping import Validate
from outsample.agents.together import groups_of, train_together
from outsample.agents.training import Job, MarketArrays, Program, RuleNumbers, Trained, hyper_of
from outsample.config.models import Gate
from outsample.errors import BrokenLaneError, TrainingError
from outsample.market.accounting import MarketRules
from outsample.market.panel import Panel

_LOG = logging.getLogger(__name__)
_FINAL_FOLD = -1
_LANE_TYPES = {"trial": "int32", "fold": "int32", "seed": "int32"}
_TARGET_TYPES = {**_LANE_TYPES, "symbol": "str", "row": "int64", "target": "float64"}
_GATE_TYPES = {
    **{"agent": "str", **_LANE_TYPES, "network": "str"},
    **{"gate_bound": "float64", "gate_open": "bool", "failure": "str"},
}
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
    params: Mapping[str, Any]


@dataclass(frozen=True)
class Fit:
    """The models of a lane with one set of settings."""

    program: Program
    jobs: Job
    trained: Trained

    @property
    def network(self) -> str:
        """What the network is called."""
        return network_name(self.program["torso"], self.program["units"], self.program["layers"])


@dataclass(frozen=True)
class Watch:
    """What happens beside training: where lanes are kept, and who is told."""

    keeper: Keeper | None = None
    callbacks: Sequence[Callback] = ()


_UNWATCHED = Watch()
_Checked = tuple[Lane, list[dict[str, Any]]]  # with the settings of its variants


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
    width: int | None  # models that this machine computes at once; None takes them in turn

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
            width=width_of_machine(),
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

    def decide(self, rows: FoldRows, *seeds: Fit) -> NDArray[np.int8]:
        """Targets [N] of the mean of the seeds' models."""
        owner, reset = rows.owners(len(self.panel.dates))
        actors = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(fit.trained.actor for fit in seeds))
        program, jobs = seeds[0].program, seeds[0].jobs
        chosen = decide_rows(
            program, self.market, actors, jobs.center, jobs.scale, jnp.asarray(owner), jnp.asarray(reset)
        )
        return np.asarray(chosen)

    def validated(self, program: Program, rows: FoldRows, job: Job) -> Validate:
        """The validation of a lane's models: the mean net return per bar of each, greedy, on its validated blocks.

        They are the rows, and the accounting, that the gate judges; those of a test are in neither.
        """
        owner, reset = rows.owners(len(self.panel.dates))
        owner = np.where(owner < rows.inner_folds, owner, -1)
        arrays = (job.center, job.scale, jnp.asarray(owner), jnp.asarray(reset))

        def validate(actor: Params) -> NDArray[np.float64]:
            actors = jax.tree.map(lambda x: x[None], actor)
            targets = np.asarray(decide_rows(program, self.market, actors, *arrays))
            returns = returns_by_inner(targets[:, None], list(rows.validate), self.panel, self.rules)
            return np.array([of_model.mean() for of_model in returns])

        return validate

    def choose(self, rows: FoldRows, targets: Sequence[NDArray[np.int8]], gate: Gate) -> list[Choice]:
        """What is taken of the variants of each lane of one fold, targets [N, V], and its gate."""
        returns = validated_returns(np.concatenate(targets, axis=1), list(rows.validate), self.panel, self.rules)
        edges = np.cumsum([variants.shape[1] for variants in targets])[:-1]
        return [choose(of_lane, gate) for of_lane in np.split(returns, edges, axis=1)]


def _name(lane: Lane, variant: int = 0) -> str:
    return f"Trial {lane.trial}, fold {lane.fold}, seed {lane.seed}" + (f", alternative {variant}" if variant else "")


def _checked(studio: Studio, lanes: Sequence[Lane]) -> list[_Checked]:
    """The lanes in their order, each with the checked settings of its variants.

    Everything that can be refused is refused here, before compiling.
    """
    if not lanes:
        raise TrainingError("There is no lane to train; ask for fewer shards than lanes.")
    ordered = sorted(lanes, key=lambda lane: (lane.trial, lane.fold, lane.seed))
    keys = [(lane.trial, lane.fold, lane.seed) for lane in ordered]
    if len(set(keys)) < len(keys):
        raise TrainingError("A lane is given twice; every (trial, fold, seed) must be unique.")
    checked = []
    for lane in ordered:
        tried = variants(checked_settings(studio.module.SETTINGS, lane.params, _name(lane)))
        rows = studio.rows_of(lane.fold, _name(lane))
        rows.owners(len(studio.panel.dates))
        for number, settings in enumerate(tried):
            checked_settings(studio.module.SETTINGS, settings | {"alternatives": []}, _name(lane, number))
            check_span(rows, settings["segment"])
            segments = studio.segments(settings["segment"])
            check_batch(settings, segments, _name(lane, number))
            check_minibatches(settings, segments, _name(lane, number))
        scaler_arrays(studio.scalers, lane.fold, studio.panel.feature_names)
        if not 0 <= lane.seed < 2**32:
            raise TrainingError(f"{_name(lane)}: a seed must be in 0 .. 4294967295.")
        checked.append((lane, tried))
    check_features(studio.panel, [studio.folds[fold] for fold in sorted({lane.fold for lane in ordered})])
    return checked


@dataclass(frozen=True)
class Run:
    """The training of a lane with the settings of one of its variants."""

    lane: Lane
    variant: int
    settings: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Its name, for messages, callbacks and the keeper."""
        return _name(self.lane, self.variant)


def _grouped(studio: Studio, checked: Sequence[_Checked]) -> list[list[Run]]:
    """The runs that are trained together: one on a machine that takes models in turn."""
    runs = [Run(lane, variant, settings) for lane, tried in checked for variant, settings in enumerate(tried)]
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


def _train(studio: Studio, group: Sequence[Run], watch: Watch) -> dict[str, Fit]:
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
    )
    fits = (Fit(program, of_run, found) for of_run, found in zip(jobs, trained, strict=True))
    return dict(zip(names, fits, strict=True))


def _attempt(studio: Studio, checked: Sequence[_Checked], watch: Watch) -> list[tuple[Lane, list[Fit] | str]]:
    """The fits of each lane's variants; of a lane that breaks down, now or in the run that is resumed, where it did.

    The others of its group are trained without it from the beginning, as if it had not been there.
    """
    keeper = watch.keeper
    lost = {_name(lane): keeper.broken(_name(lane)) for lane, _ in checked} if keeper else {}
    places = {name: place for name, place in lost.items() if place}
    fits: dict[str, Fit] = {}
    for group in _grouped(studio, checked):
        while rest := [run for run in group if _name(run.lane) not in places]:
            try:
                fits |= _train(studio, rest, watch)
                break
            except BrokenLaneError as error:
                _LOG.warning("%s The shard goes on with its other lanes.", error)
                name = next(_name(run.lane) for run in rest if run.name == error.lane)
                places[name] = error.place
                if keeper:
                    keeper.give_up(name, error.place)
    return [
        (lane, places.get(_name(lane)) or [fits[_name(lane, variant)] for variant in range(len(tried))])
        for lane, tried in checked
    ]


def _curves(agent: str, lane: Lane, trained: Trained) -> pd.DataFrame:
    inner, update = np.indices(trained.curve.reward.shape)
    counts = np.ones_like(inner, np.bool_) if trained.updates is None else update < trained.updates[:, None]
    table = pd.DataFrame(
        {
            "agent": agent,
            **_lane_columns(lane),
            "inner": inner.ravel(),
            "update": update.ravel(),
            **{name: np.asarray(getattr(trained.curve, name)).ravel() for name in _CURVE_NUMBERS},
        }
    ).astype(_CURVE_TYPES)
    return table[counts.ravel()].reset_index(drop=True)


def _lane_columns(lane: Lane) -> dict[str, int]:
    return {"trial": lane.trial, "fold": lane.fold, "seed": lane.seed}


def _gate_row(agent: str, lane: Lane, network: str, bound: float, failure: str = "") -> dict[str, Any]:
    """The row of a lane in the table `lanes`; a bound of NaN leaves the gate closed."""
    return {
        "agent": agent,
        **_lane_columns(lane),
        "network": network,
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
    and their replayed portfolio return is what the gate judges. Where the settings have alternatives, all are trained,
    and the one with the largest validated return is the lane (outsample.agents.choice).

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
    by_fold: dict[int, list[tuple[Lane, list[Fit], NDArray[np.int8]]]] = defaultdict(list)
    curves, gates, targets = [], [], []
    for lane, fits in _attempt(studio, checked, watch):
        if isinstance(fits, str):
            gates.append(_gate_row(agent, lane, "", np.nan, failure=fits))
            continue
        rows = studio.folds[lane.fold]
        by_fold[lane.fold].append((lane, fits, np.stack([studio.decide(rows, fit) for fit in fits], axis=-1)))
    for fold, decided in sorted(by_fold.items()):
        rows = studio.folds[fold]
        choices = studio.choose(rows, [of_lane for *_, of_lane in decided], gate)
        for (lane, fits, of_lane), (taken, bound) in zip(decided, choices, strict=True):
            targets.append(_test_targets(lane, rows, panel, of_lane[:, taken]))
            gates.append(_gate_row(agent, lane, fits[taken].network, bound))
            curves.append(_curves(agent, lane, fits[taken].trained))
    keys = ["trial", "fold", "seed"]
    return LaneResults(
        targets=_joined(targets, _TARGET_TYPES).sort_values([*keys, "symbol", "row"], kind="stable", ignore_index=True),
        lanes=pd.DataFrame(gates).astype(_GATE_TYPES).sort_values(keys, ignore_index=True),
        curves=_joined(curves, _CURVE_TYPES).sort_values([*keys, "inner", "update"], kind="stable", ignore_index=True),
    )


def fit_final(
    agent: str,
    params: Mapping[str, Any],
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
    have not seen it. Where the settings have alternatives, those of the largest validated return are taken for all
    seeds.

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
    fits: dict[str, Fit] = {}
    for group in _grouped(studio, checked):
        fits |= _train(studio, group, watch)
    by_variant = [[fits[_name(lane, variant)] for lane, _ in checked] for variant in range(len(checked[0][1]))]
    rows = studio.folds[_FINAL_FOLD]
    decided = np.stack([studio.decide(rows, *seeds_of) for seeds_of in by_variant], axis=-1)
    taken, bound = studio.choose(rows, [decided], gate)[0]
    chosen = by_variant[taken]
    program, jobs = chosen[0].program, chosen[0].jobs
    actors = [fit.trained.actor for fit in chosen]
    return FinalPolicy(
        agent=agent,
        features=panel.feature_names,
        actions=program.actions,
        torso=program["torso"],
        units=program["units"],
        layers=program["layers"],
        networks=tuple(seeds_of[0].network for seeds_of in by_variant),
        fill=rules.fill,
        seeds=seeds,
        actor=jax.tree.map(lambda *leaves: np.concatenate([np.asarray(leaf) for leaf in leaves]), *actors),
        center=np.tile(np.asarray(jobs.center), (seeds, 1)),
        scale=np.tile(np.asarray(jobs.scale), (seeds, 1)),
        gate_level=level_of(gate, len(by_variant)).level,
        gate_bound=bound,
        gate_open=bound > 0,
        curves=pd.concat(
            [_curves(agent, lane, fit.trained) for (lane, _), fit in zip(checked, chosen, strict=True)],
            ignore_index=True,
        ),
    )
