"""`outsample study`: the trials of an experiment as an Optuna study, for optuna-dashboard and Optuna's own tools."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outsample.config.layers import load
from outsample.config.models import Settings
from outsample.config.search import PARETO
from outsample.errors import ConfigError
from outsample.io import read_joined, read_json, read_table
from outsample.selection.rungs import stopped_trials
from outsample.selection.told import told_scores

if TYPE_CHECKING:  # Optuna takes a second to import, and most commands need none
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

    from outsample.search.told import Told

_EPOCH = datetime(2000, 1, 1)  # trials want times; these say their order and nothing else


def study(experiment: str, out: str, root: Path = Path()) -> None:
    """Write one study an agent into an SQLite file: parameters, score, and as attributes where each trial came from.

    A study of the objective pareto has two values, total return and maximum drawdown. A trial that was stopped at a
    rung is a pruned one, with its score there; one that broke down, a failed one.

    Args:
        experiment: name of the experiment; its trials must have been run.
        out: file to write; one that is there is refused.
    Raises: ConfigError where there are no trials, or the file is there.
    """
    import optuna

    if Path(out).exists():
        raise ConfigError(f"{out} is there already; name another file, or delete it.")
    settings = load(experiment, {"experiment": experiment}, root).settings
    trials = {
        agent: _trials(root / "results" / experiment / "trials" / agent, agent, settings, experiment)
        for agent in settings.search.agents
    }
    from outsample.search.told import DIRECTIONS

    directions = DIRECTIONS[2 if settings.search.objective == PARETO else 1]
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    for agent, found in trials.items():
        created = optuna.create_study(
            storage=f"sqlite:///{out}", study_name=f"{experiment} {agent}", directions=directions
        )
        created.add_trials(found)
    told = ", ".join(f"{experiment} {agent} ({len(found)} trials)" for agent, found in trials.items())
    print(f"Written: {out} with {told}; look at it with: optuna-dashboard sqlite:///{out}")


def _trials(folder: Path, agent: str, settings: Settings, experiment: str) -> list[FrozenTrial]:
    """Every scored trial of one agent, by number."""
    from outsample.search.rounds import distributions_of

    # What an earlier search with more rounds or rungs has left there is no part of this one.
    rounds = [folder / f"round_{number}" for number in range(settings.search.rounds)]
    rounds = [of_round for of_round in rounds if (of_round / "scores.parquet").exists()]
    if not rounds:
        raise ConfigError(
            f"{folder} holds no scored trials; run the experiment first: "
            f"snakemake --cores all results/{experiment}/report.html."
        )
    scores = read_joined([of_round / "scores.parquet" for of_round in rounds], "scores")
    base = getattr(settings.agents, agent).model_dump()
    space = distributions_of(agent, settings.search.space.get(agent, {}), base)
    documents = [read_json(of_round / "suggestions.json", "suggestions") for of_round in rounds]
    trials = [trial | {"round": document["round"]} for document in documents for trial in document["trials"]]
    numbers = range(settings.search.rungs.levels - 1)
    rungs = [of_round / f"rung_{number}/rung.parquet" for of_round in rounds for number in numbers]
    stopped = stopped_trials(read_table(path, "rung") for path in rungs if path.exists())
    told = told_scores(
        settings.search.objective, agent, trials, scores, settings.selection.multi_metric, stopped=stopped
    )
    return [_frozen(trial, one, space) for trial, one in zip(trials, told, strict=True)]


def _frozen(trial: Mapping[str, Any], told: Told, space: Mapping[str, BaseDistribution]) -> FrozenTrial:
    from outsample.search.told import frozen, inside

    number, params = int(trial["trial"]), trial["params"]
    # What lies outside its dimension (the configured settings may) is an attribute only, for Optuna refuses it.
    found = frozen(told, {name: space[name] for name in inside(params, space)})
    found.number = number
    found.datetime_start = found.datetime_complete = _EPOCH + timedelta(seconds=number)
    found.user_attrs = {"round": trial["round"], "origin": trial["origin"], "params": params}
    return found
