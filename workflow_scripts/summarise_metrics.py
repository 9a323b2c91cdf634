"""Summarise an evaluation: metrics (Parquet) and verdict (JSON) -> the numbers by which versions are compared."""

from outsample.evaluation.summary import summarise
from outsample.io import read_json, read_table, write_json
from outsample.io.script import run_script


def main(metrics, verdict, summary):
    write_json(summarise(read_table(metrics, "metrics"), read_json(verdict, "verdict")), summary, "metrics_summary")


if "snakemake" in globals():
    run_script(main, snakemake)
