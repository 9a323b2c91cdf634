"""Build the feature table: validated bars (Parquet) -> features (Parquet) and their specification (JSON)."""

from outsample.config.features import FeatureSet
from outsample.features.build import feature_spec, symbol_features
from outsample.io import read_symbols, write_json, writing_table
from outsample.io.script import run_script


def main(validated, features, spec, *, settings):
    wanted = FeatureSet(**settings["features"])
    with writing_table(features, "features") as write:
        for _, rows in read_symbols(validated, "validated_bars"):
            write(symbol_features(rows, wanted))
    write_json(feature_spec(wanted), spec, "feature_spec")


if "snakemake" in globals():
    run_script(main, snakemake)
