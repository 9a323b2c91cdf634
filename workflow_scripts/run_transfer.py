"""Train one shard of the lanes that start from pre-trained weights: trials (JSON) -> targets and so on (Parquet)."""

from outsample.agents import runtime

runtime.claim_core()
runtime.configure_jax("work/jax_cache")  # before anything imports JAX

# ruff: noqa: E402
from outsample.agents.attempts import Watch
from outsample.agents.lanes import train_lanes
from outsample.agents.loop import LogUpdates
from outsample.agents.mapping import width_of_machine
from outsample.agents.pretraining import Pretraining
from outsample.agents.progress import key_of, open_progress
from outsample.agents.shards import lanes_of, runs_of, shard_of
from outsample.agents.training_files import read_panel, read_training, write_results
from outsample.io import read_json, read_table
from outsample.io.script import run_script


def main(
    suggestions,
    development,
    spec,
    quality,
    folds,
    scalers,
    transfer_rows,
    transfer_folds,
    targets,
    lanes,
    curves,
    *,
    experiment,
    agent,
    scatteritem,
    settings,
    code,
):
    read = [suggestions, development, spec, quality, folds, scalers, transfer_rows, transfer_folds]
    key = key_of(read, settings | {"width": width_of_machine()}, code)
    progress = open_progress(f"work/run_transfer/{experiment}/{agent}/{scatteritem}", key)
    data = read_training(development, spec, quality, folds, scalers, settings)
    # One pre-training serves all trials of its fold and seed, so these stay in one shard.
    runs = shard_of(runs_of(data.folds, settings["search"]["seeds"]), scatteritem, "pre-trainings (folds x seeds)")
    results = train_lanes(
        agent,
        lanes_of(read_json(suggestions, "suggestions")["trials"], runs),
        *data,
        Watch(progress, [LogUpdates()]),
        Pretraining(read_panel(transfer_rows, spec), read_table(transfer_folds, "folds"), settings["agents"][agent]),
    )
    write_results(results, targets, lanes, curves)
    if progress:
        progress.clear()


if "snakemake" in globals():
    run_script(main, snakemake)
