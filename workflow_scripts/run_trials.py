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
from outsample.agents.shards import lanes_of, shard_of
from outsample.config.models import Gate, Market
from outsample.io import read_json, read_table, write_table
from outsample.io.script import run_script
from outsample.market.accounting import MarketRules
from outsample.market.panel import Panel


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
    fold_table, calendar = read_table(folds, "folds"), read_json(quality, "quality")["calendar"]
    names = [feature["name"] for feature in read_json(spec, "feature_spec")["features"]]
    every_lane = lanes_of(read_json(suggestions, "suggestions")["trials"], fold_table, settings["search"]["seeds"])
    results = train_lanes(
        agent,
        shard_of(every_lane, scatteritem),
        Panel.from_frame(read_table(development, "development"), names),
        fold_table,
        read_table(scalers, "scalers"),
        MarketRules.from_settings(Market(**settings["market"]), calendar["periods_per_year"]),
        Gate(**settings["gate"]),
        Watch(progress, [LogUpdates()]),
    )
    write_table(results.targets, targets, "targets")
    write_table(results.lanes, lanes, "lanes")
    write_table(results.curves, curves, "curves")
    if progress:
        progress.clear()


if "snakemake" in globals():
    run_script(main, snakemake)
