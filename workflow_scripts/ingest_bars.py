"""Read the bars of every symbol as they came: source -> bars (Parquet) and where they came from (JSON)."""

from pathlib import Path

from outsample.config.data import Data
from outsample.data.sources import read_bars
from outsample.io import write_json, write_table
from outsample.io.script import run_script


def main(bars, manifest, *, data):
    frame, document = read_bars(Data(**data["data"]), Path())
    write_table(frame, bars, "bars")
    write_json(document, manifest, "bars_manifest")


if "snakemake" in globals():
    run_script(main, snakemake)
