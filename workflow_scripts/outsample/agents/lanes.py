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
from typing import Any, NamedTuple

import jax
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from outsample.agents.choice import level_of
from outsample.agents.inputs import FoldRows
from outsample.agents.loop import Callback, Keeper
from outsample.agents.policy import FinalPolicy
from outsample.agents.studio import FINAL_FOLD, Checked, Fit, Lane, Studio, check_lanes, name_of
from outsample.agents.together import groups_of, train_together
from outsample.agents.training import Trained, hyper_of
from outsample.config.models import Gate
from outsample.errors import BrokenLaneError, TrainingError
from outsample.market.accounting import MarketRules
from outsample.market.panel import Panel

_LOG = logging.getLogger(__name__)
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
class Watch:
    """What happens beside training: where lanes are kept, and who is told."""

    keeper: Keeper | None = None
    callbacks: Sequence[Callback] = ()


UNWATCHED = Watch()


@dataclass(frozen=True)
class LaneResults:
    """What lanes gave, as tables of `outsample.io.schemas`."""

    targets: pd.DataFrame  # out-of-fold targets, before the gate; none of a lane that broke down
    lanes: pd.DataFrame  # the gate of each lane, or where it broke down
    curves: pd.DataFrame  # learning curves


@dataclass(frozen=True)
class Run:
    """The training of a lane with the settings of one of its variants."""

    lane: Lane
    variant: int
    settings: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Its name, for messages, callbacks and the keeper."""
        return name_of(self.lane, self.variant)


def _grouped(studio: Studio, checked: Sequence[Checked]) -> list[list[Run]]:
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


def _attempt(
    studio: Studio, checked: Sequence[Checked], watch: Watch, final: bool = False
) -> tuple[dict[str, Fit], dict[str, str]]:
    """The fits of all runs by their names, and where runs broke down, now or in the run that is resumed.

    An alternative that breaks down is left out; a lane whose own settings do is given up with its alternatives. Others
    of the group are trained without it from the beginning, as if it had not been there.

    Raises: BrokenLaneError where `final`, if the own settings of a lane break down.
    """
    keeper = watch.keeper
    names = [name_of(lane, variant) for lane, tried in checked for variant in range(len(tried))]
    lost = {name: keeper.broken(name) for name in names} if keeper else {}
    places = {name: place for name, place in lost.items() if place}
    fits: dict[str, Fit] = {}
    for group in _grouped(studio, checked):
        while rest := [run for run in group if run.name not in places and name_of(run.lane) not in places]:
            try:
                fits |= _train(studio, rest, watch)
                break
            except BrokenLaneError as error:
                if final and any(run.name == error.lane and run.variant == 0 for run in rest):
                    raise
                _LOG.warning("%s The job goes on without it.", error)
                places[error.lane] = error.place
                if keeper:
                    keeper.give_up(error.lane, error.place)
    return fits, places


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
    watch: Watch = UNWATCHED,
) -> LaneResults:
    """Train lanes; on a CPU each result depends on its own lane and the tables only.

    A lane whose parameters or losses are not finite is given up: it has no targets and no curve, its gate is closed,
    and the table `lanes` says where it broke down. An alternative that breaks down is left out.

    A model is trained on each inner fold's train rows. The fold's test rows are decided by the mean of the models'
    outputs, from flat at the first test row of each symbol; the validated rows by the model that has not seen them,
    and their replayed portfolio return is what the gate judges. Where the settings have alternatives, all are trained,
    and what `outsample.agents.choice.choose` takes of them is the lane.

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
    checked = check_lanes(studio, lanes)
    for lane, _ in checked:
        if not studio.folds[lane.fold].test:
            raise TrainingError(
                f"{name_of(lane)}: fold {lane.fold} has no test rows; a lane needs a walk-forward fold."
            )
    by_fold: dict[int, list[tuple[Lane, list[Fit], NDArray[np.int8], int]]] = defaultdict(list)
    curves, gates, targets = [], [], []
    fits, places = _attempt(studio, checked, watch)
    for lane, tried in checked:
        if place := places.get(name_of(lane)):
            gates.append(_gate_row(agent, lane, "", np.nan, failure=place))
            continue
        rows = studio.folds[lane.fold]
        left = [fits[name] for variant in range(len(tried)) if (name := name_of(lane, variant)) in fits]
        decided = np.stack([studio.decide(rows, fit) for fit in left], axis=-1)
        by_fold[lane.fold].append((lane, left, decided, len(tried)))
    for fold, of_fold in sorted(by_fold.items()):
        rows = studio.folds[fold]
        choices = studio.choose(rows, [(decided, count) for *_, decided, count in of_fold], gate)
        for (lane, left, decided, _), (taken, bound) in zip(of_fold, choices, strict=True):
            targets.append(_test_targets(lane, rows, panel, decided[:, taken]))
            gates.append(_gate_row(agent, lane, left[taken].network, bound))
            curves.append(_curves(agent, lane, left[taken].trained))
    keys = ["trial", "fold", "seed"]
    return LaneResults(
        targets=_joined(targets, _TARGET_TYPES).sort_values([*keys, "symbol", "row"], kind="stable", ignore_index=True),
        lanes=pd.DataFrame(gates).astype(_GATE_TYPES).sort_values(keys, ignore_index=True),
        curves=_joined(curves, _CURVE_TYPES).sort_values([*keys, "inner", "update"], kind="stable", ignore_index=True),
    )


class Member(NamedTuple):
    """A final policy, and what its gate has seen of it."""

    policy: FinalPolicy
    decided: NDArray[np.int8]  # [N] targets of the validated rows, each by models that have not seen it
    tried: int  # variants


def fit_final(
    agent: str,
    params: Mapping[str, Any],
    seeds: int,
    panel: Panel,
    folds: pd.DataFrame,
    scalers: pd.DataFrame,
    rules: MarketRules,
    gate: Gate,
    watch: Watch = UNWATCHED,
) -> FinalPolicy:
    """Train the final policy: the mean of the models of all seeds and inner folds of fold -1.

    Its gate judges the development span: each inner fold is decided by the mean, over the seeds, of the models that
    have not seen it. Where the settings have alternatives, `outsample.agents.choice.choose` takes one for all seeds.

    Args:
        params: every field of the agent's config block, those of the selected trial.
        seeds: seeds 0 .. seeds - 1.
        Others as in `train_lanes`; `folds` and `scalers` must have fold -1, and may have the others.
    Raises: TrainingError as in `train_lanes`.
    """
    studio = Studio.open(agent, panel, folds, scalers, rules)
    return fit_member(studio, params, seeds, gate, watch).policy


def fit_member(
    studio: Studio, params: Mapping[str, Any], seeds: int, gate: Gate, watch: Watch = UNWATCHED, number: int = 0
) -> Member:
    """`fit_final`, and what its gate has seen.

    Args: number: of the trial in the names of the lanes, so that a keeper tells several members apart.
    """
    if seeds < 1:
        raise TrainingError(f"The final policy needs at least one seed, not {seeds}.")
    panel, rules = studio.panel, studio.rules
    checked = check_lanes(studio, [Lane(number, FINAL_FOLD, seed, params) for seed in range(seeds)])
    fits, _ = _attempt(studio, checked, watch, final=True)
    rows, tried = studio.folds[FINAL_FOLD], len(checked[0][1])
    found = [[fits.get(name_of(lane, variant)) for lane, _ in checked] for variant in range(tried)]
    by_variant = [whole for of in found if len(whole := [fit for fit in of if fit]) == seeds]
    decided = np.stack([studio.decide(rows, *seeds_of) for seeds_of in by_variant], axis=-1)
    taken, bound = studio.choose(rows, [(decided, tried)], gate)[0]
    chosen = by_variant[taken]
    program, jobs = chosen[0].program, chosen[0].jobs
    actors = [fit.trained.actor for fit in chosen]
    policy = FinalPolicy(
        agent=studio.agent,
        features=panel.feature_names,
        actions=program.actions,
        torso=program["torso"],
        units=program["units"],
        layers=program["layers"],
        networks=tuple(seeds_of[0].network for seeds_of in by_variant),
        fill=rules.fill,
        seeds=seeds,
        actor=jax.tree.map(lambda *leaves: np.concatenate([np.asarray(leaf) for leaf in leaves]), *actors),
        center=np.concatenate([np.asarray(jobs.center)] * seeds),
        scale=np.concatenate([np.asarray(jobs.scale)] * seeds),
        gate_level=level_of(gate, tried).level,
        gate_bound=bound,
        gate_open=bound > 0,
        curves=pd.concat(
            [_curves(studio.agent, lane, fit.trained) for (lane, _), fit in zip(checked, chosen, strict=True)],
            ignore_index=True,
        ),
    )
    return Member(policy, decided[:, taken], tried)
