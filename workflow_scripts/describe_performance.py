"""See the vault's returns more closely: returns -> rolling, monthly and other tables (Parquet) and equity (CSV)."""

from pathlib import Path

from outsample.evaluation.tear_sheet import daily_equity, tear_sheet
from outsample.io import read_json, read_table, write_csv, write_table
from outsample.io.script import run_script


def main(returns, quality, rolling, months, histogram, quantiles, drawdowns, actions, equity, *, settings):
    found = read_table(returns, "returns")
    sheet = tear_sheet(
        found,
        read_json(quality, "quality")["calendar"]["periods_per_year"],
        settings["market"]["risk_free_rate"],
        settings["evaluation"]["confidence"],
    )
    paths = (rolling, months, histogram, quantiles, drawdowns, actions)
    for name, table, path in zip(sheet._fields, sheet, map(Path, paths), strict=True):
        write_table(table, path, name)
    write_csv(daily_equity(found), equity)


if "snakemake" in globals():
    run_script(main, snakemake)
