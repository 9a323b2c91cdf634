"""Tell the search as it went: suggestions, scores, rungs and selection -> its history and what the scores follow."""

from outsample.io import read_joined, read_json, read_table, write_table
from outsample.io.script import run_script
from outsample.selection.arms import broken_trials
from outsample.selection.history import parameter_importance, search_history
from outsample.selection.rungs import stopped_trials


def main(suggestions, scores, rungs, selection, history, importance):
    documents = [read_json(path, "suggestions") for path in suggestions]
    every = read_joined(scores, "scores")
    stopped = stopped_trials(read_table(path, "rung") for path in rungs)
    told = search_history(documents, read_json(selection, "selection")["ranking"], broken_trials(every), stopped)
    write_table(told, history, "search_history")
    write_table(parameter_importance(told, documents, stopped), importance, "parameter_importance")


if "snakemake" in globals():
    run_script(main, snakemake)
