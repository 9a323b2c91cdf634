"""Order the trials by two objectives, total return and maximum drawdown: scores of all trials -> Parquet."""

import pandas as pd

from outsample.io import read_table, write_table
from outsample.io.script import run_script
from outsample.selection.pareto import pareto_table
from outsample.selection.rungs import stopped_trials


def main(scores, rungs, pareto):
    table = pd.concat([read_table(path, "scores") for path in scores], ignore_index=True)
    stopped = stopped_trials(read_table(path, "rung") for path in rungs)
    write_table(pareto_table(table, set(stopped)), pareto, "pareto")


if "snakemake" in globals():
    run_script(main, snakemake)
