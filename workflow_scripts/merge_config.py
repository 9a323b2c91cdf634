"""Write the merged configuration of one experiment with its hash (JSON)."""

from outsample.io import write_json
from outsample.io.script import run_script


def main(config, *, document):
    write_json(document, config, "config")


if "snakemake" in globals():
    run_script(main, snakemake)
