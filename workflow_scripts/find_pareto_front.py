"""Order the trials by two objectives, total return and maximum drawdown: scores of all trials -> Parquet."""

from outsample.io import read_joined, read_table, write_table
from outsample.io.script import run_script
from outsample.selection.pareto import pareto_table
from outsample.selection.rungs import stopped_trials


def main(scores, rungs, pareto):
    table = read_joined(scores, "scores")
    stopped = stopped_trials(read_table(path, "rung") for path in rungs)
    write_table(pareto_table(table, set(stopped)), pareto, "pareto")


if "snakemake" in globals():
    run_script(main, snakemake)
