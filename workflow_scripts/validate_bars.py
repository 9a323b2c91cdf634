"""Repair, check and adjust the bars (Parquet): validated bars and what repairs changed (Parquet), quality (JSON)."""

from outsample.config.data import Data
from outsample.config.models import Market
from outsample.config.validation import BarRules
from outsample.data.validate import Validation
from outsample.io import read_symbols, write_json, writing_table
from outsample.io.ahead import ahead
from outsample.io.script import run_script


def main(bars, validated, repairs, quality, *, settings, threads=1):
    data, market, rules = Data(**settings["data"]), Market(**settings["market"]), BarRules(**settings["validation"])
    dates = ((symbol, rows["date"]) for symbol, rows in read_symbols(bars, "bars", ["date"]))
    validation = Validation(data, market, dates, rules)
    checked = ((validation.validate(symbol, rows), validation.repaired) for symbol, rows in read_symbols(bars, "bars"))
    with (
        writing_table(validated, "validated_bars") as write,
        writing_table(repairs, "repairs", may_be_empty=True) as write_repairs,
    ):
        for rows, repaired in ahead(checked, threads):
            write(rows)
            write_repairs(repaired)
    write_json(validation.document(), quality, "quality")


if "snakemake" in globals():
    run_script(main, snakemake)
