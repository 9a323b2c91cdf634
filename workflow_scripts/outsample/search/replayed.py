"""Samplers that remember more than trials and scores: the whole search is asked anew, so that nothing is stored.

CMA-ES keeps a distribution, NSGA-II its generations, a Sobol sequence its place, a grid the points it has left. A fresh
study is asked for all trials so far, told the scores of the rounds before, and asked for the next: the same again from
the same past.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.trial import FrozenTrial, TrialState

from outsample.errors import ConfigError
from outsample.search.told import DIRECTIONS, Told, frozen, inside

REPLAYED = ("cmaes", "grid", "nsga2", "qmc")
WARM_LEAST = 10  # scored trials that CMA-ES needs of an earlier study, of which it takes the best tenth


def replayed(
    sampler: str,
    agent: str,
    distributions: dict[str, BaseDistribution],
    trials_per_round: int,
    seed: int,
    earlier: Sequence[Told],
    many: int,
    objectives: int = 1,
    warm: Sequence[Told] = (),
) -> list[dict[str, Any]]:
    """The next `many` suggestions of a sampler that is replayed.

    Args:
        sampler: one of `REPLAYED`.
        agent: whose space it is; errors name it.
        distributions: by name of the parameter.
        trials_per_round, seed, earlier, objectives, warm: as in `outsample.search.rounds.suggest`; the first trial of
            `earlier` is the configured settings, which no sampler suggested. Of `warm` only CMA-ES makes use.
    Raises: ConfigError where a grid has a dimension without steps, or fewer points than trials; where there are too few
        warm trials.
    """
    if sampler == "nsga2":
        own: optuna.samplers.BaseSampler = optuna.samplers.NSGAIISampler(
            population_size=max(2, trials_per_round - 1), seed=seed
        )
    elif sampler == "cmaes":
        sources = _sources(distributions, warm)
        own = _cmaes(seed, sources)
    else:
        own = _sampler(sampler, agent, distributions, seed, len(earlier) + many)
    study = optuna.create_study(directions=DIRECTIONS[objectives], sampler=own)
    if sampler == "cmaes" and sources:  # it looks the space up in a trial that is there, and draws at random before
        study.add_trial(sources[0])
    if sampler == "qmc":  # it looks the space up in a trial that is there, and draws at random before there is one
        study.add_trial(
            optuna.trial.create_trial(
                value=0.0, params={n: _least(d) for n, d in distributions.items()}, distributions=distributions
            )
        )
    for first in range(0, len(earlier), trials_per_round):
        told = earlier[first : first + trials_per_round][first == 0 :]
        asked = [study.ask(distributions) for _ in told]
        for trial, found in zip(asked, told, strict=True):
            if found.stopped is not None and objectives == 1:
                study.tell(trial, state=TrialState.PRUNED)  # none of these samplers asks for the score at a rung
            elif found.values is None or found.stopped is not None:
                study.tell(trial, state=TrialState.FAIL)
            else:
                study.tell(trial, found.values)
    return [study.ask(distributions).params for _ in range(many)]


def _sources(distributions: dict[str, BaseDistribution], warm: Sequence[Told]) -> list[FrozenTrial]:
    """The warm trials that CMA-ES can start from."""
    found = [
        frozen(told, distributions) for told in warm if len(inside(told.params, distributions)) == len(distributions)
    ]
    sources = [trial for trial in found if trial.state == TrialState.COMPLETE]
    if warm and len(sources) < WARM_LEAST:
        raise ConfigError(
            f"search.warm_start names a study with {len(sources)} scored trials within the space, and cmaes takes the "
            f"best tenth of at least {WARM_LEAST}: set search.sampler to tpe, or leave search.warm_start out."
        )
    return sources


def _cmaes(seed: int, sources: list[FrozenTrial]) -> optuna.samplers.BaseSampler:
    """CMA-ES; its first distribution is that of the best of the sources (Nomura et al. 2021, WS-CMA-ES)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # the lock pins the version that was tried
        return optuna.samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False, source_trials=sources or None)


def _least(distribution: BaseDistribution) -> Any:
    assert isinstance(distribution, (CategoricalDistribution, FloatDistribution, IntDistribution))
    return distribution.choices[0] if isinstance(distribution, CategoricalDistribution) else distribution.low


def _sampler(
    name: str, agent: str, distributions: dict[str, BaseDistribution], seed: int, trials: int
) -> optuna.samplers.BaseSampler:
    if name == "qmc":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)  # the lock pins the version that was tried
            return optuna.samplers.QMCSampler(
                scramble=True, seed=seed, warn_asynchronous_seeding=False, warn_independent_sampling=False
            )
    grid = {parameter: _points(agent, parameter, found) for parameter, found in distributions.items()}
    size = math.prod(len(points) for points in grid.values())
    if trials - 1 > size:  # the first trial is the configured settings
        raise ConfigError(
            f"search.space.{agent} is a grid of {size} points, and search.rounds and search.trials_per_round ask for "
            f"more beside the configured settings: ask for {size + 1} trials at most, or add points."
        )
    return optuna.samplers.GridSampler(grid, seed=seed)


def _points(agent: str, parameter: str, distribution: BaseDistribution) -> list[Any]:
    """The values of a dimension, in its order."""
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    assert isinstance(distribution, (FloatDistribution, IntDistribution))
    if distribution.step is None or distribution.log:
        raise ConfigError(
            f"search.space.{agent}.{parameter} has no steps, so that it is no dimension of a grid: give it a step, or "
            "choices (type: categorical), or set search.sampler to qmc, which fills a space evenly without a grid."
        )
    steps = math.floor((distribution.high - distribution.low) / distribution.step + 1e-9)
    values = [distribution.low + k * distribution.step for k in range(steps + 1)]
    return [int(v) for v in values] if isinstance(distribution, IntDistribution) else [float(v) for v in values]
