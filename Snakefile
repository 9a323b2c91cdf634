"""Outsample: raw market bars in, a tested trading agent and a report on it out. See README.md and rules/."""

from snakemake.utils import min_version

min_version("9.27")


include: "rules/common.smk"


# How many jobs share the trials of a round, or the surrogate markets: a fact of the machine; `set-scatter` in a profile, or on the command line.
scattergather:
    trials=2,
    surrogates=2,


wildcard_constraints:
    experiment="|".join(EXPERIMENTS),
    agent="[a-z0-9_]+",
    arm="[a-z0-9_]+",
    round="[0-9]+|transfer",
    rung="[0-9]+",


include: "rules/data.smk"
include: "rules/search.smk"
include: "rules/transfer.smk"
include: "rules/training.smk"
include: "rules/evaluation.smk"
include: "rules/control.smk"
include: "rules/report.smk"
include: "rules/package.smk"


check_shards(len(gather.trials("{scatteritem}")))


rule all:
    default_target: True
    input:
        "results/report.html",
        f"results/{EXPERIMENT}/timings.html",
        f"results/{EXPERIMENT}/metrics.json",
        f"results/{EXPERIMENT}/package",
        f"results/{EXPERIMENT}/package.json",
        f"results/{EXPERIMENT}/paper/paper.json",
