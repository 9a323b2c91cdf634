"""Write the time and memory of each job (HTML); not the same in two runs, hence apart from the report."""

from pathlib import Path

from outsample.io import read_joined, read_json, read_table
from outsample.io.script import run_script
from outsample.report.timings import Work, build_timings


def main(report, folds, suggestions, lanes, curves, timings, *, folder):
    files = {path.stem: path for path in sorted(Path(folder).glob("*.tsv")) if path.stem != "build_timings"}
    work = Work(
        [read_json(path, "suggestions") for path in suggestions],
        read_joined(lanes, "lanes"),
        read_joined(curves, "curves"),
        read_table(folds, "folds"),
    )
    build_timings(files, work, timings)


if "snakemake" in globals():
    run_script(main, snakemake)
