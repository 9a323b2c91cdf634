"""Check the bars and adjust their prices: bars (Parquet) -> validated bars (Parquet) and their quality (JSON)."""

from outsample.config.data import Data
from outsample.config.models import Market
from outsample.data.validate import validate_bars
from outsample.io import read_table, write_json, write_table
from outsample.io.script import run_script


def main(bars, validated, quality, *, settings):
    data, market = Data(**settings["data"]), Market(**settings["market"])
    frame, document = validate_bars(read_table(bars, "bars"), data, market)
    write_table(frame, validated, "validated_bars")
    write_json(document, quality, "quality")


if "snakemake" in globals():
    run_script(main, snakemake)
