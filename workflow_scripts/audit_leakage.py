"""Replace the future of the bars and see that features, scalers and folds stay as they are: audit (Parquet)."""

from outsample.config.features import FeatureSet
from outsample.config.models import Folds, Vault
from outsample.folds.audit import Written, audit_experiment
from outsample.io import read_table, write_table
from outsample.io.script import run_script


def main(validated, features, folds, scalers, audit, *, settings):
    table = audit_experiment(
        read_table(validated, "validated_bars"),
        FeatureSet(**settings["features"]),
        Vault(**settings["vault"]),
        Folds(**settings["folds"]),
        written=Written(read_table(features, "features"), read_table(folds, "folds"), read_table(scalers, "scalers")),
    )
    write_table(table, audit, "audit")


if "snakemake" in globals():
    run_script(main, snakemake)
