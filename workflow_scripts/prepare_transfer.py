"""Build the rows to pre-train on: validated bars (Parquet) -> rows of data.transfer and their folds (Parquet)."""

import pandas as pd

from outsample.config.models import Settings
from outsample.features.registry import own_features
from outsample.folds.transfer import transfer_tables
from outsample.io import read_json, read_table, write_table
from outsample.io.script import run_script
from outsample.io.user_code import read_user_code


def main(validated, development, split, rows, folds, *, settings):
    used = Settings(**settings)
    table, divided = transfer_tables(
        read_table(validated, "validated_bars"),
        used,
        read_table(development, "development"),
        pd.Timestamp(read_json(split, "split")["vault"]["first"]),
        own_features(used.features, read_user_code(used.features)),
    )
    write_table(table, rows, "development")
    write_table(divided, folds, "folds")


if "snakemake" in globals():
    run_script(main, snakemake)
