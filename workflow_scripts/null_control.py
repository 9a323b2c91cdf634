"""Join the shards of the null control, shift the trials' targets in time, count what was claimed (Parquet, JSON)."""

import pandas as pd

from outsample.config.models import Settings
from outsample.control.rates import summarise_control
from outsample.control.shifts import shift_targets
from outsample.io import empty_table, read_json, read_table, write_json, write_table
from outsample.io.script import run_script
from outsample.market.accounting import MarketRules
from outsample.market.panel import Panel


def joined(paths, name):
    """The tables as one; an empty one of none."""
    tables = [read_table(path, name) for path in paths]
    return pd.concat(tables, ignore_index=True) if tables else empty_table(name)


def main(shards, matrices, portfolios, development, quality, surrogates, shifted, summary, *, settings):
    used = Settings(**settings)
    control = used.null_control
    moved = shift_targets(
        joined(matrices, "matrix"),
        joined(portfolios, "portfolios"),
        Panel.from_frame(read_table(development, "development"), []),
        MarketRules.from_settings(used.market, read_json(quality, "quality")["calendar"]["periods_per_year"]),
        control.shifts,
        control.seed,
        used.evaluation.resamples,
    )
    found = joined(shards, "null_control")
    write_table(found, surrogates, "null_control")
    write_table(moved, shifted, "shifted_targets")
    write_json(summarise_control(found, moved, control), summary, "null_control")


if "snakemake" in globals():
    run_script(main, snakemake)
