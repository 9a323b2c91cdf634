"""Check the bars and adjust their prices: bars (Parquet) -> validated bars (Parquet) and their quality (JSON)."""

from outsample.config.data import Data
from outsample.config.models import Market
from outsample.data.validate import Validation
from outsample.io import read_symbols, write_json, writing_table
from outsample.io.ahead import ahead
from outsample.io.script import run_script


def main(bars, validated, quality, *, settings, threads=1):
    dates = ((symbol, rows["date"]) for symbol, rows in read_symbols(bars, "bars", ["date"]))
    validation = Validation(Data(**settings["data"]), Market(**settings["market"]), dates)
    checked = (validation.validate(symbol, rows) for symbol, rows in read_symbols(bars, "bars"))
    with writing_table(validated, "validated_bars") as write:
        for rows in ahead(checked, threads):
            write(rows)
    write_json(validation.document(), quality, "quality")


if "snakemake" in globals():
    run_script(main, snakemake)
