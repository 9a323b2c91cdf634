"""Build the feature table: validated bars (Parquet) -> features (Parquet) and their specification (JSON)."""

from outsample.config.features import FeatureSet
from outsample.features.build import closes_of, feature_spec, symbol_features
from outsample.features.registry import own_features
from outsample.io import read_symbols, read_table, write_json, writing_table
from outsample.io.ahead import ahead
from outsample.io.script import run_script
from outsample.io.user_code import read_user_code


def main(validated, features, spec, *, settings, threads=1):
    wanted, data = FeatureSet(**settings["features"]), settings["data"]
    untraded = [*data["references"], *data["transfer"]]
    own = own_features(wanted, read_user_code(wanted))
    closes = {name: closes_of(read_table(validated, "validated_bars", symbol=name)) for name in wanted.others}
    built = (
        symbol_features(rows, wanted, closes, own)
        for symbol, rows in read_symbols(validated, "validated_bars")
        if symbol not in untraded
    )
    with writing_table(features, "features") as write:
        for rows in ahead(built, threads):
            write(rows)
    write_json(feature_spec(wanted, own), spec, "feature_spec")


if "snakemake" in globals():
    run_script(main, snakemake)
