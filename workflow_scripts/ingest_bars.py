"""Read the bars of every symbol as they came: files under data/ -> bars (Parquet) and their provenance (JSON)."""

from pathlib import Path

from outsample.config.data import Data
from outsample.data.sources import manifest_of, read_symbols
from outsample.io import write_json, writing_table
from outsample.io.ahead import ahead
from outsample.io.script import run_script


def main(bars, manifest, *, data, threads=1):
    settings, entries = Data(**data["data"]), {}
    with writing_table(bars, "bars") as write:
        for frame, entry in ahead(read_symbols(settings, Path()), threads):
            write(frame)
            entries[str(frame["symbol"].iloc[0])] = entry
    write_json(manifest_of(settings, entries), manifest, "bars_manifest")


if "snakemake" in globals():
    run_script(main, snakemake)
