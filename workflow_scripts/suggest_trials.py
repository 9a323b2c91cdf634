"""Suggest the trials of one round from the scores of all rounds before it (JSON)."""

import pandas as pd

from outsample.config.models import Dimension
from outsample.io import read_json, read_table, write_json
from outsample.io.script import run_script
from outsample.search.rounds import suggest
from outsample.selection.arms import told_scores, weights_in


def earlier_trials(agent, suggestions, scores, objective="sharpe_only", settings=None, max_failed=1.0):
    """Settings and score of every trial so far, in their order; the score is None where it is undefined."""
    if not suggestions:
        return []
    table = pd.concat([read_table(path, "scores") for path in scores], ignore_index=True)
    trials = [trial for path in suggestions for trial in read_json(path, "suggestions")["trials"]]
    return told_scores(objective, agent, trials, table, weights_in(settings or {}), max_failed)


def main(earlier_suggestions, earlier_scores, suggestions, *, agent, round, settings):
    search = settings["search"]
    space = search["space"].get(agent, {})
    trials = suggest(
        agent,
        settings["agents"][agent],
        {name: Dimension(**dimension) for name, dimension in space.items()},
        search["sampler"],
        int(round),
        search["trials_per_round"],
        search["seed"],
        earlier_trials(agent, earlier_suggestions, earlier_scores, search["objective"], settings, search["max_failed"]),
    )
    write_json({"agent": agent, "round": int(round), "trials": trials}, suggestions, "suggestions")


if "snakemake" in globals():
    run_script(main, snakemake)
