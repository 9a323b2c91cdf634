"""Build the feature table: validated bars (Parquet) -> features (Parquet) and their specification (JSON)."""

from outsample.config.features import FeatureSet
from outsample.features.build import build_features
from outsample.io import read_table, write_json, write_table
from outsample.io.script import run_script


def main(validated, features, spec, *, settings):
    frame, document = build_features(read_table(validated, "validated_bars"), FeatureSet(**settings["features"]))
    write_table(frame, features, "features")
    write_json(document, spec, "feature_spec")


if "snakemake" in globals():
    run_script(main, snakemake)
