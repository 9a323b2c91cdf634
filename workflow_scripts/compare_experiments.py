"""Compare the experiments that were run: configs, verdicts, metrics and selections of each -> one page (HTML)."""

from outsample.io.script import run_script
from outsample.report.experiments import compare_experiments


def main(configs, verdicts, metrics, selections, page):
    compare_experiments(configs, verdicts, metrics, selections, page)


if "snakemake" in globals():
    run_script(main, snakemake)
