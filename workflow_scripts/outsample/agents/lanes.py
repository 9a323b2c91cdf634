"""Training of lanes: their inner-fold models, their out-of-fold targets and their gates.

A lane is (trial, fold, seed, params). Its I inner-fold models are trained by one compiled program; on a CPU they, and
the lanes, take turns; elsewhere as many as fill a fixed width are trained at once (outsample.agents.mapping). Nothing
that is compiled depends on which or how many lanes ride in a shard: segments are counted over all folds of the table,
so that every lane of the same static settings, and the final policy, use the same program, and on a CPU a lane's result
is the same bits in any company.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from outsample.agents.attempts import UNWATCHED, Watch, attempt
from outsample.agents.choice import level_of
from outsample.agents.inputs import FoldRows
from outsample.agents.policy import FinalPolicy
from outsample.agents.pretraining import Pretraining, pretrain
from outsample.agents.studio import FINAL_FOLD, Fit, Lane, Studio, check_lanes, name_of
from outsample.agents.training import Trained
from outsample.config.models import Gate
from outsample.errors import TrainingError
from outsample.market.accounting import MarketRules
from outsample.market.panel import Panel

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
class LaneResults:
    """What lanes gave, as tables of `outsample.io.schemas`."""

    targets: pd.DataFrame  # out-of-fold targets, before the gate; none of a lane that broke down
    lanes: pd.DataFrame  # the gate of each lane, or where it broke down
    curves: pd.DataFrame  # learning curves


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


def no_results() -> LaneResults:
    """What no lane at all gives: the tables without rows, as of a shard of a rung that few trials have reached."""
    return LaneResults(*(_joined([], types) for types in (_TARGET_TYPES, _GATE_TYPES, _CURVE_TYPES)))


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
    pretraining: Pretraining | None = None,
    part: int = 1,
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
        pretraining: on what the weights that lanes start from are trained; None draws them.
        part: each network is trained for the first 1/part of its updates (`outsample.agents.loop.rung_end`), and
            decides as it stands then; the keeper can hand it on to the next rung (outsample.agents.rungs).
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
    starts = pretrain(studio, pretraining, [(lane.fold, lane.seed) for lane in lanes], watch) if pretraining else None
    fits, places = attempt(studio, checked, watch, starts=starts, part=part)
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
    studio: Studio,
    params: Mapping[str, Any],
    seeds: int,
    gate: Gate,
    watch: Watch = UNWATCHED,
    number: int = 0,
    pretraining: Pretraining | None = None,
) -> Member:
    """`fit_final`, and what its gate has seen.

    Args:
        number: of the trial in the names of the lanes, so that a keeper tells several members apart.
        pretraining: as in `train_lanes`.
    """
    if seeds < 1:
        raise TrainingError(f"The final policy needs at least one seed, not {seeds}.")
    panel, rules = studio.panel, studio.rules
    checked = check_lanes(studio, [Lane(number, FINAL_FOLD, seed, params) for seed in range(seeds)])
    keys = [(FINAL_FOLD, seed) for seed in range(seeds)]
    starts = pretrain(studio, pretraining, keys, watch, final=True) if pretraining else None
    fits, _ = attempt(studio, checked, watch, final=True, starts=starts)
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
