"""What the lanes of one call share, and what is refused before any of them is compiled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from outsample.agents.choice import Choice, choose, network_name, variants
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
from outsample.agents.mapping import width_of_machine
from outsample.agents.network import Params
from outsample.agents.registry import get_agent
from outsample.agents.segments import segments_needed, tile
from outsample.agents.stopping import Validate
from outsample.agents.training import Job, MarketArrays, Program, RuleNumbers, Trained
from outsample.config.models import Gate
from outsample.errors import TrainingError
from outsample.market.accounting import MarketRules
from outsample.market.panel import Panel

FINAL_FOLD = -1  # the whole development span
_AT_ONCE = 32  # lanes whose validated returns are accounted at once, so that their ledgers take memory for no more


@dataclass(frozen=True)
class Lane:
    """One training run of a trial on a fold; `params` holds every field of the agent's config block."""

    trial: int
    fold: int
    seed: int
    params: Mapping[str, Any]
    before: str = ""  # of a pre-training: the agent whose lanes start from it


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


Checked = tuple[Lane, list[dict[str, Any]]]  # with the settings of its variants


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
        rows = self.rows_of(lane.fold, name_of(lane))
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

    def choose(self, rows: FoldRows, lanes: Sequence[tuple[NDArray[np.int8], int]], gate: Gate) -> list[Choice]:
        """What is taken of the variants of each lane of one fold, and its gate.

        Args:
            lanes: of each lane, the targets [N, V] of those variants that did not break down, and how many were tried.
        """
        found: list[Choice] = []
        for first in range(0, len(lanes), _AT_ONCE):
            at_once = lanes[first : first + _AT_ONCE]
            targets = np.concatenate([of_lane for of_lane, _ in at_once], axis=1)
            returns = validated_returns(targets, list(rows.validate), self.panel, self.rules)
            edges = np.cumsum([of_lane.shape[1] for of_lane, _ in at_once])[:-1]
            apart = np.split(returns, edges, axis=1)
            found += [choose(of_lane, gate, tried) for of_lane, (_, tried) in zip(apart, at_once, strict=True)]
        return found


def name_of(lane: Lane, variant: int = 0) -> str:
    """What a lane is called in messages, and in what is kept of it."""
    what = f"Pre-training of {lane.before}" if lane.before else f"Trial {lane.trial}"
    return f"{what}, fold {lane.fold}, seed {lane.seed}" + (f", alternative {variant}" if variant else "")


def check_lanes(studio: Studio, lanes: Sequence[Lane]) -> list[Checked]:
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
        tried = variants(checked_settings(studio.module.SETTINGS, lane.params, name_of(lane)))
        rows = studio.rows_of(lane.fold, name_of(lane))
        rows.owners(len(studio.panel.dates))
        for number, given in enumerate(tried):
            settings = checked_settings(studio.module.SETTINGS, given | {"alternatives": []}, name_of(lane, number))
            tried[number] = {name: value for name, value in settings.items() if name != "alternatives"}
            check_span(rows, settings["segment"])
            segments = studio.segments(settings["segment"])
            check_batch(settings, segments, name_of(lane, number))
            check_minibatches(settings, segments, name_of(lane, number))
        scaler_arrays(studio.scalers, lane.fold, studio.panel.feature_names)
        if not 0 <= lane.seed < 2**32:
            raise TrainingError(f"{name_of(lane)}: a seed must be in 0 .. 4294967295.")
        checked.append((lane, tried))
    check_features(studio.panel, [studio.folds[fold] for fold in sorted({lane.fold for lane in ordered})])
    return checked
