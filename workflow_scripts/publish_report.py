"""Copy the report of the chosen experiment to where everyone looks for it."""

import shutil

from outsample.io.files import replacing
from outsample.io.script import run_script


def main(report, published):
    with replacing(published) as temporary:
        shutil.copyfile(report, temporary)


if "snakemake" in globals():
    run_script(main, snakemake)
