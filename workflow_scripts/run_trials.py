"""Train one shard of a round's lanes: trials (JSON) -> out-of-fold targets, gates and learning curves (Parquet)."""

from outsample.agents import runtime

runtime.claim_core()
runtime.configure_jax("work/jax_cache")  # before anything imports JAX

# ruff: noqa: E402
from outsample.agents.attempts import Watch
from outsample.agents.lanes import train_lanes
from outsample.agents.loop import LogUpdates
from outsample.agents.mapping import width_of_machine
from outsample.agents.progress import key_of, open_progress
from outsample.agents.shards import lanes_of, runs_of, shard_of
from outsample.agents.training_files import read_training, write_results
from outsample.io import read_json
from outsample.io.script import run_script


def main(
    suggestions,
    development,
    spec,
    quality,
    folds,
    scalers,
    targets,
    lanes,
    curves,
    *,
    experiment,
    agent,
    round,
    scatteritem,
    settings,
    code,
):
    key = key_of(
        [suggestions, development, spec, quality, folds, scalers], settings | {"width": width_of_machine()}, code
    )
    progress = open_progress(f"work/run_trials/{experiment}/{agent}/round_{round}/{scatteritem}", key)
    data = read_training(development, spec, quality, folds, scalers, settings)
    every_lane = lanes_of(
        read_json(suggestions, "suggestions")["trials"], runs_of(data.folds, settings["search"]["seeds"])
    )
    results = train_lanes(agent, shard_of(every_lane, scatteritem), *data, Watch(progress, [LogUpdates()]))
    write_results(results, targets, lanes, curves)
    if progress:
        progress.clear()


if "snakemake" in globals():
    run_script(main, snakemake)
