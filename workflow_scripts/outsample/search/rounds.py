"""The trials of one round: Optuna's study is built anew from the rounds before, so that nothing else is remembered.

Round r is a pure function of (seed, r, trials and scores of the rounds before r): shards, cores and restarts cannot
change it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from pydantic import ValidationError

from outsample.config.agents import Agents
from outsample.config.models import Dimension
from outsample.errors import ConfigError
from outsample.search.replayed import REPLAYED, replayed
from outsample.search.told import DIRECTIONS, Told, frozen, inside


def suggest(
    agent: str,
    base_params: Mapping[str, Any],
    space: Mapping[str, Dimension],
    sampler: str,
    round: int,
    trials_per_round: int,
    seed: int,
    earlier: Sequence[Told],
    objectives: int = 1,
    warm: Sequence[Told] = (),
) -> list[dict[str, Any]]:
    """The trials of one round.

    The first trial of round 0 is the configured settings themselves. The sampler is Optuna's: `random`; `tpe`
    (multivariate, with the constant liar for the trials of the same round, random until a round's worth of trials,
    at least 4 and at most 10, is known); `cmaes`; `nsga2` (a generation is as many trials as
    a round, those that failed apart); `qmc` (a scrambled Sobol
    sequence); or `grid` (in random order). One score is maximised; of two, the second is
    minimised.

    Args:
        agent: name of the agent.
        base_params: every setting of the agent; a trial overrides those in the space.
        space: parameter -> dimension.
        sampler: cmaes, grid, nsga2, qmc, random or tpe.
        round: number of this round, from 0.
        trials_per_round: trials of each round.
        seed: seed of the study.
        earlier: settings and score of the trials of all rounds before, by trial number; None is an undefined
            score, told to the sampler as a failed trial. Settings outside the space (the configured ones may be) are
            left out, since a sampler cannot know them. A trial that was stopped at a rung is told as a pruned one with
            its score there; where there are two objectives, which Optuna prunes none of, as a failed one.
        objectives: 1 or 2 scores.
        warm: trials of an earlier study of the same space; known before the first round, and numbered nowhere.
    Returns: one mapping a trial with keys trial (number within the agent's search, from 0), origin ("defaults" or the
        sampler) and params.
    Raises:
        ConfigError: the space is empty though there is more than one trial, or names a parameter that is unknown,
            structural or outside its domain; a grid has fewer points than there are trials, or a dimension without
            steps.
        ValueError: `earlier` does not hold the trials of `round` rounds; unknown sampler.
    """
    if len(earlier) != round * trials_per_round:
        raise ValueError(f"round {round} follows {round * trials_per_round} trials, not {len(earlier)}")
    distributions = distributions_of(agent, space, base_params)
    first = round * trials_per_round
    trials: list[dict[str, Any]] = []
    if round == 0:
        trials.append({"trial": 0, "origin": "defaults", "params": dict(base_params)})
    if len(trials) == trials_per_round:
        return trials
    if not distributions:
        raise ConfigError(
            f"search.space.{agent} is empty, so that every trial would be the same: name a parameter there, or set "
            "search.rounds and search.trials_per_round to 1."
        )
    many = trials_per_round - len(trials)
    with _quiet():
        if sampler in REPLAYED:
            asked = replayed(sampler, agent, distributions, trials_per_round, seed, earlier, many, objectives, warm)
        else:
            study = _study(sampler, distributions, round, trials_per_round, seed, [*warm, *earlier], objectives)
            asked = [study.ask(distributions).params for _ in range(many)]
    for params in asked:
        trials.append({"trial": first + len(trials), "origin": sampler, "params": {**base_params, **params}})
    return trials


def distributions_of(
    agent: str, space: Mapping[str, Dimension], base_params: Mapping[str, Any]
) -> dict[str, BaseDistribution]:
    """Optuna's distributions of a search space, by name of the parameter, around the configured settings.

    Raises: ConfigError where a parameter is unknown, structural, or its bounds are outside what the agent accepts.
    """
    model = type(getattr(Agents(), agent))
    searchable = [name for name in model.model_fields if name not in model.structural]
    for name, dimension in space.items():
        where = f"search.space.{agent}.{name}"
        if name not in searchable:
            what = "shapes the compiled program" if name in model.structural else f"is no parameter of {agent}"
            raise ConfigError(f"{where} {what}: a search can vary {', '.join(searchable)}.")
        for value in dimension.choices or (dimension.low, dimension.high):
            try:
                model.model_validate({**base_params, name: value})
            except ValidationError as error:
                reason = error.errors()[0]["msg"]
                raise ConfigError(f"{where} reaches {value}, which the agent does not take: {reason}.") from error
    return {name: _distribution(space[name]) for name in sorted(space)}


def _distribution(dimension: Dimension) -> BaseDistribution:
    low, high, step = dimension.low, dimension.high, dimension.step
    if low is None or high is None:
        return CategoricalDistribution(tuple(dimension.choices or []))
    if dimension.type == "int":
        return IntDistribution(int(low), int(high), log=dimension.log, step=1 if step is None else int(step))
    return FloatDistribution(low, high, log=dimension.log, step=step)


def _study(
    sampler: str,
    distributions: dict[str, BaseDistribution],
    round: int,
    trials_per_round: int,
    seed: int,
    known: Sequence[Told],
    objectives: int,
) -> optuna.Study:
    # Optuna takes 32-bit seeds; the sequence keeps rounds of neighbouring seeds apart.
    state = int(np.random.SeedSequence([seed, round]).generate_state(1)[0])
    study = optuna.create_study(
        directions=DIRECTIONS[objectives], sampler=_sampler(sampler, state, trials_per_round), study_name="search"
    )
    for told in known:
        if len(inside(told.params, distributions)) == len(distributions):
            study.add_trial(frozen(told, distributions))
    return study


def _sampler(name: str, seed: int, trials_per_round: int) -> optuna.samplers.BaseSampler:
    if name == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    if name == "tpe":
        return optuna.samplers.TPESampler(
            seed=seed, multivariate=True, constant_liar=True, n_startup_trials=min(10, max(4, trials_per_round))
        )
    raise ValueError(f"{name} is no sampler: cmaes, grid, nsga2, qmc, random or tpe")


@contextmanager
def _quiet() -> Iterator[None]:
    """Optuna's notes of each study and trial are no news here; its warnings and errors are."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
