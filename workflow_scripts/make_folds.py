"""Divide the development span into purged walk-forward folds and fit a scaler on each train span (Parquet)."""

from outsample.config.models import Folds
from outsample.folds.scalers import fit_scalers
from outsample.folds.walk_forward import make_folds
from outsample.io import read_json, read_table, write_table
from outsample.io.script import run_script


def main(development, spec, folds, scalers, *, settings):
    frame, specification = read_table(development, "development"), read_json(spec, "feature_spec")
    asked = Folds(**settings["folds"])
    divided = make_folds(frame, asked, specification["warm_up"])
    write_table(divided, folds, "folds")
    names = [feature["name"] for feature in specification["features"]]
    write_table(fit_scalers(frame, divided, names, asked.scaling), scalers, "scalers")


if "snakemake" in globals():
    run_script(main, snakemake)
