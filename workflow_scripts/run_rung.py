"""Train one shard of a rung's lanes for its part of the updates: trials that go on -> targets, curves and states."""

from outsample.agents import runtime

runtime.claim_core()
runtime.configure_jax("work/jax_cache")  # before anything imports JAX

# ruff: noqa: E402
from outsample.agents.attempts import Watch
from outsample.agents.lanes import no_results, train_lanes
from outsample.agents.loop import LogUpdates
from outsample.agents.mapping import width_of_machine
from outsample.agents.progress import key_of, open_progress
from outsample.agents.rung_files import read_paused, write_paused
from outsample.agents.rungs import Rung
from outsample.agents.shards import lanes_of, shard_of
from outsample.config.models import Gate, Market
from outsample.config.search import Rungs
from outsample.io import read_json, read_table, write_table
from outsample.io.script import run_script
from outsample.market.accounting import MarketRules
from outsample.market.panel import Panel
from outsample.selection.rungs import going_on


def main(
    suggestions,
    rung_before,
    states_before,
    development,
    spec,
    quality,
    folds,
    scalers,
    targets,
    lanes,
    curves,
    states,
    *,
    experiment,
    agent,
    round,
    rung,
    scatteritem,
    settings,
    code,
):
    read = [suggestions, *rung_before, *states_before, development, spec, quality, folds, scalers]
    key = key_of(read, settings | {"width": width_of_machine(), "rung": rung}, code)
    progress = open_progress(f"work/run_rung/{experiment}/{agent}/round_{round}/rung_{rung}/{scatteritem}", key)
    keeper = Rung(read_paused(states_before) if states_before else None, progress)
    trials = read_json(suggestions, "suggestions")["trials"]
    for path in rung_before:
        on = going_on(read_table(path, "rung"))
        trials = [trial for trial in trials if trial["trial"] in on]
    fold_table, calendar = read_table(folds, "folds"), read_json(quality, "quality")["calendar"]
    own = shard_of(lanes_of(trials, fold_table, settings["search"]["seeds"]), scatteritem, may_be_empty=True)
    names = [feature["name"] for feature in read_json(spec, "feature_spec")["features"]]
    results = no_results()
    if own:
        results = train_lanes(
            agent,
            own,
            Panel.from_frame(read_table(development, "development"), names),
            fold_table,
            read_table(scalers, "scalers"),
            MarketRules.from_settings(Market(**settings["market"]), calendar["periods_per_year"]),
            Gate(**settings["gate"]),
            Watch(keeper, [LogUpdates()]),
            part=Rungs(**settings["search"]["rungs"]).parts[int(rung)],
        )
    write_table(results.targets, targets, "targets")
    write_table(results.lanes, lanes, "lanes")
    write_table(results.curves, curves, "curves")
    write_paused(keeper, states)
    if progress:
        progress.clear()


if "snakemake" in globals():
    run_script(main, snakemake)
