"""Compare the ways to choose a trial by nested walk-forward: scores and portfolios of all trials -> Parquet and CSV."""

import pandas as pd

from outsample.config.models import Evaluation, MultiMetric
from outsample.io import read_json, read_table, write_csv, write_table
from outsample.io.script import run_script
from outsample.selection.comparison import compare_arms


def main(suggestions, scores, portfolios, quality, table, csv, *, settings):
    documents = [read_json(path, "suggestions") for path in suggestions]
    evaluation = Evaluation(**settings["evaluation"])
    compared = compare_arms(
        [
            trial | {"agent": document["agent"], "round": document["round"]}
            for document in documents
            for trial in document["trials"]
        ],
        pd.concat([read_table(path, "scores") for path in scores], ignore_index=True),
        pd.concat([read_table(path, "portfolios") for path in portfolios], ignore_index=True),
        MultiMetric(**settings["selection"]["multi_metric"]),
        read_json(quality, "quality")["calendar"]["periods_per_year"],
        evaluation.resamples,
        evaluation.confidence,
        evaluation.seed,
    )
    write_table(compared, table, "approach_comparison")
    write_csv(compared, csv)


if "snakemake" in globals():
    run_script(main, snakemake)
