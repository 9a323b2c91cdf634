"""Print the report by the Chromium that is installed: report.html -> report.pdf."""

from outsample.io.script import run_script
from outsample.report.browser import print_report


def main(report, pdf):
    print_report(report, pdf)


if "snakemake" in globals():
    run_script(main, snakemake)
