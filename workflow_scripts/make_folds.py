"""Divide the development span into purged folds, fit a scaler on what each trains on (Parquet, CSV, SVG)."""

from outsample.config.folds import Folds
from outsample.folds.make import make_folds
from outsample.folds.scalers import fit_scalers
from outsample.folds.table import fold_chart, fold_table
from outsample.io import read_json, read_table, write_csv, write_table
from outsample.io.files import replacing
from outsample.io.script import run_script


def main(development, spec, folds, scalers, table, chart, *, settings):
    frame, specification = read_table(development, "development"), read_json(spec, "feature_spec")
    asked = Folds(**settings["folds"])
    divided = make_folds(frame, asked, specification["warm_up"])
    write_table(divided, folds, "folds")
    names = [feature["name"] for feature in specification["features"]]
    write_table(fit_scalers(frame, divided, names, asked.scaling), scalers, "scalers")
    write_csv(fold_table(divided), table)
    with replacing(chart) as temporary:
        temporary.write_text(fold_chart(divided), encoding="utf-8")


if "snakemake" in globals():
    run_script(main, snakemake)
