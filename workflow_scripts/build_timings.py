"""Write the time and memory of each job (HTML); not the same in two runs, hence apart from the report."""

from pathlib import Path

from outsample.io.script import run_script
from outsample.report.timings import build_timings


def main(report, timings, *, folder):
    files = {path.stem: path for path in sorted(Path(folder).glob("*.tsv")) if path.stem != "build_timings"}
    build_timings(files, timings)


if "snakemake" in globals():
    run_script(main, snakemake)
