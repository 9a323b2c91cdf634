"""Split the last span off at one date for all symbols: features -> development and vault (Parquet), dates (JSON)."""

from outsample.config.models import Vault
from outsample.folds.vault import split_vault
from outsample.io import read_json, read_table, write_json, write_table
from outsample.io.script import run_script


def main(features, spec, development, vault, split, *, settings):
    warm_up = read_json(spec, "feature_spec")["warm_up"]
    before, last, document = split_vault(read_table(features, "features"), Vault(**settings["vault"]), warm_up)
    write_table(before, development, "development")
    write_table(last, vault, "vault")
    write_json(document, split, "split")


if "snakemake" in globals():
    run_script(main, snakemake)
