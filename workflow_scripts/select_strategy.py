"""Choose one strategy by one arm, a pure function of the trials' scores (JSON); no trial is trained again."""

from outsample.io import read_joined, read_json, read_table, write_json
from outsample.io.script import run_script
from outsample.selection.arms import check_failures, select, weights_in
from outsample.selection.rungs import stopped_trials


def main(suggestions, scores, rungs, selection, *, arm, weights, size, max_failed):
    documents = [read_json(path, "suggestions") for path in suggestions]
    trials = [trial | {"agent": document["agent"]} for document in documents for trial in document["trials"]]
    table = read_joined(scores, "scores")
    check_failures(table, max_failed)
    stopped = stopped_trials(read_table(path, "rung") for path in rungs)
    write_json(select(arm, table, trials, weights_in(weights), size, stopped), selection, "selection")


if "snakemake" in globals():
    run_script(main, snakemake)
