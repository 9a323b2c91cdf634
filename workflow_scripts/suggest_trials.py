"""Suggest the trials of one round from the scores of all rounds before it, and of an earlier study (JSON)."""

from pathlib import Path

from outsample.config.models import Dimension
from outsample.config.search import PARETO
from outsample.io import read_joined, read_json, read_table, write_json
from outsample.io.script import run_script
from outsample.search.rounds import suggest
from outsample.search.warm import check_warm_start
from outsample.selection.arms import weights_in
from outsample.selection.rungs import stopped_trials
from outsample.selection.told import told_scores


def told(agent, suggestions, scores, rungs, settings, max_failed=1.0):
    """What the sampler is told of every trial in these files, in their order."""
    if not suggestions:
        return []
    table = read_joined(scores, "scores")
    trials = [trial for path in suggestions for trial in read_json(path, "suggestions")["trials"]]
    stopped = stopped_trials(read_table(path, "rung") for path in rungs)
    objective = settings["search"]["objective"]
    return told_scores(objective, agent, trials, table, weights_in(settings), max_failed, stopped)


def main(
    earlier_suggestions,
    earlier_scores,
    earlier_rungs,
    split,
    warm_config,
    warm_splits,
    warm_suggestions,
    warm_scores,
    warm_rungs,
    suggestions,
    *,
    experiment,
    agent,
    round,
    settings,
):
    search = settings["search"]
    space = {name: Dimension(**dimension) for name, dimension in search["space"].get(agent, {}).items()}
    documents = [read_json(path, "config") for path in warm_config]
    known = {Path(path).parent.name: read_json(path, "split")["development"]["last"] for path in warm_splits}
    check_warm_start(
        search["warm_start"],
        experiment,
        agent,
        space,
        documents,
        len(warm_suggestions),
        len(warm_scores),
        read_json(split, "split")["vault"]["first"],
        known,
    )
    trials = suggest(
        agent,
        settings["agents"][agent],
        space,
        search["sampler"],
        int(round),
        search["trials_per_round"],
        search["seed"],
        told(agent, earlier_suggestions, earlier_scores, earlier_rungs, settings, search["max_failed"]),
        2 if search["objective"] == PARETO else 1,
        told(agent, warm_suggestions, warm_scores, warm_rungs, settings),
    )
    write_json({"agent": agent, "round": int(round), "trials": trials}, suggestions, "suggestions")


if "snakemake" in globals():
    run_script(main, snakemake)
