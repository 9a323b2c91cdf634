"""Draw every figure of the report by the Chromium that is installed: report.html -> a folder of SVG and PNG."""

from outsample.io.script import run_script
from outsample.report.browser import draw_figures


def main(report, figures):
    draw_figures(report, figures)


if "snakemake" in globals():
    run_script(main, snakemake)
