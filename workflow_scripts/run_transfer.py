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
from outsample.agents.studio import Lane
from outsample.config.models import Gate, Market
from outsample.errors import ConfigError
from outsample.io import read_json, read_table, write_table
from outsample.io.script import run_script
from outsample.market.accounting import MarketRules
from outsample.market.panel import Panel


def starts_of(runs, scatteritem):
    """(fold, seed) of one shard: every n-th from the i-th, for the scatter item i-of-n."""
    index, shards = (int(number) for number in scatteritem.split("-of-"))
    if shards > len(runs):
        raise ConfigError(
            f"The profile asks for {shards} shards (set-scatter: trials), but there are only {len(runs)} pre-trainings "
            f"(folds x seeds); set trials={len(runs)} or less."
        )
    return runs[index - 1 :: shards]


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
    fold_table, calendar = read_table(folds, "folds"), read_json(quality, "quality")["calendar"]
    names = [feature["name"] for feature in read_json(spec, "feature_spec")["features"]]
    tested = sorted(fold_table.loc[fold_table["part"] == "test", "fold"].unique().tolist())
    # One pre-training serves all trials of its fold and seed, so these stay in one shard.
    runs = starts_of([(fold, seed) for fold in tested for seed in range(settings["search"]["seeds"])], scatteritem)
    lanes_of_shard = [
        Lane(trial["trial"], fold, seed, trial["params"])
        for trial in read_json(suggestions, "suggestions")["trials"]
        for fold, seed in runs
    ]
    results = train_lanes(
        agent,
        lanes_of_shard,
        Panel.from_frame(read_table(development, "development"), names),
        fold_table,
        read_table(scalers, "scalers"),
        MarketRules.from_settings(Market(**settings["market"]), calendar["periods_per_year"]),
        Gate(**settings["gate"]),
        Watch(progress, [LogUpdates()]),
        Pretraining(
            Panel.from_frame(read_table(transfer_rows, "development"), names),
            read_table(transfer_folds, "folds"),
            settings["agents"][agent],
        ),
    )
    write_table(results.targets, targets, "targets")
    write_table(results.lanes, lanes, "lanes")
    write_table(results.curves, curves, "curves")
    if progress:
        progress.clear()


if "snakemake" in globals():
    run_script(main, snakemake)
