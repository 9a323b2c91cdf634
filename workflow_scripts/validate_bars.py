"""Check the bars and adjust their prices: bars (Parquet) -> validated bars (Parquet) and their quality (JSON)."""

from outsample.config.models import Data, Market
from outsample.data.validate import validate_bars
from outsample.io import read_json, read_table, write_json, write_table
from outsample.io.script import run_script


def main(bars, manifest, validated, quality, *, settings):
    frame, document = validate_bars(
        read_table(bars, "bars"),
        Data(**settings["data"]),
        Market(**settings["market"]),
        simulated=read_json(manifest, "bars_manifest")["simulated"],
    )
    write_table(frame, validated, "validated_bars")
    write_json(document, quality, "quality")


if "snakemake" in globals():
    run_script(main, snakemake)
