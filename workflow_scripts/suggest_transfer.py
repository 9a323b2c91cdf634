"""Take the trials of the first round again, to start from pre-trained weights (JSON)."""

from outsample.io import read_json, write_json
from outsample.io.script import run_script
from outsample.search.transfer import transfer_trials


def main(first, suggestions, *, agent, rounds):
    trials = transfer_trials(read_json(first, "suggestions")["trials"], rounds)
    write_json({"agent": agent, "round": rounds, "trials": trials}, suggestions, "suggestions")


if "snakemake" in globals():
    run_script(main, snakemake)
