"""Build the feature table: validated bars (Parquet) -> features (Parquet) and their specification (JSON)."""

from outsample.config.features import FeatureSet
from outsample.features.build import feature_spec, symbol_features
from outsample.io import read_symbols, write_json, writing_table
from outsample.io.ahead import ahead
from outsample.io.script import run_script


def main(validated, features, spec, *, settings, threads=1):
    wanted = FeatureSet(**settings["features"])
    built = (symbol_features(rows, wanted) for _, rows in read_symbols(validated, "validated_bars"))
    with writing_table(features, "features") as write:
        for rows in ahead(built, threads):
            write(rows)
    write_json(feature_spec(wanted), spec, "feature_spec")


if "snakemake" in globals():
    run_script(main, snakemake)
