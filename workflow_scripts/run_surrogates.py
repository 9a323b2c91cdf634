"""Run the procedure on one shard of the surrogate markets: validated bars -> what was claimed on each (Parquet)."""

from outsample.agents import runtime

runtime.claim_core()
runtime.configure_jax("work/jax_cache")  # before anything imports JAX

# ruff: noqa: E402
from outsample.config.models import Settings
from outsample.control.control import run_surrogates, runs_of
from outsample.features.registry import own_features
from outsample.io import read_json, read_table, write_table
from outsample.io.script import run_script
from outsample.io.user_code import read_user_code


def main(validated, quality, shard, *, scatteritem, settings):
    index, shards = (int(number) for number in scatteritem.split("-of-"))
    used = Settings(**settings)
    table = run_surrogates(
        runs_of(used.null_control)[index - 1 :: shards],
        read_table(validated, "validated_bars"),
        used,
        read_json(quality, "quality")["calendar"]["periods_per_year"],
        own_features(used.features, read_user_code(used.features)),
    )
    write_table(table, shard, "null_control")


if "snakemake" in globals():
    run_script(main, snakemake)
