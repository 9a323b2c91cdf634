"""`outsample study`: the trials of an experiment as an Optuna study, for optuna-dashboard and Optuna's own tools."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from outsample.config.layers import load
from outsample.config.models import Settings
from outsample.errors import ConfigError
from outsample.io import read_json, read_table
from outsample.selection.arms import trial_scores

if TYPE_CHECKING:  # Optuna takes a second to import, and most commands need none
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

_EPOCH = datetime(2000, 1, 1)  # trials want times; these say their order and nothing else


def study(experiment: str, out: str, root: Path = Path()) -> None:
    """Write one study an agent into an SQLite file: parameters, score, and as attributes where each trial came from.

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
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    for agent, found in trials.items():
        created = optuna.create_study(
            storage=f"sqlite:///{out}", study_name=f"{experiment} {agent}", direction="maximize"
        )
        created.add_trials(found)
    told = ", ".join(f"{experiment} {agent} ({len(found)} trials)" for agent, found in trials.items())
    print(f"Written: {out} with {told}; look at it with: optuna-dashboard sqlite:///{out}")


def _trials(folder: Path, agent: str, settings: Settings, experiment: str) -> list[FrozenTrial]:
    """Every scored trial of one agent, by number."""
    from outsample.search.rounds import distributions_of

    rounds = sorted(folder.glob("round_[0-9]*/scores.parquet"), key=lambda path: int(path.parent.name[6:]))
    if not rounds:
        raise ConfigError(
            f"{folder} holds no scored trials; run the experiment first: "
            f"snakemake --cores all results/{experiment}/report.html."
        )
    scores = pd.concat([read_table(path, "scores") for path in rounds], ignore_index=True)
    values = trial_scores(settings.search.objective, scores, settings.selection.multi_metric)
    base = getattr(settings.agents, agent).model_dump()
    space = distributions_of(agent, settings.search.space.get(agent, {}), base)
    documents = [read_json(path.with_name("suggestions.json"), "suggestions") for path in rounds]
    return [
        _frozen(trial, document["round"], float(values[agent, trial["trial"]]), space)
        for document in documents
        for trial in document["trials"]
    ]


def _frozen(trial: Mapping[str, Any], round: int, value: float, space: Mapping[str, BaseDistribution]) -> FrozenTrial:
    from optuna.trial import FrozenTrial, TrialState

    number, params = int(trial["trial"]), trial["params"]
    defined, when = value == value, _EPOCH + timedelta(seconds=number)
    # What lies outside its dimension (the configured settings may) is an attribute only, for Optuna refuses it.
    inside = {name: d for name, d in space.items() if d._contains(d.to_internal_repr(params[name]))}
    return FrozenTrial(
        number=number,
        trial_id=number,
        state=TrialState.COMPLETE if defined else TrialState.FAIL,
        value=value if defined else None,
        datetime_start=when,
        datetime_complete=when,
        params={name: params[name] for name in inside},
        distributions=inside,
        user_attrs={"round": round, "origin": trial["origin"], "params": params},
        system_attrs={},
        intermediate_values={},
    )
