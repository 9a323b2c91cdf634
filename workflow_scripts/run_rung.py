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
from outsample.agents.shards import lanes_of, runs_of, shard_of
from outsample.agents.training_files import read_training, write_results
from outsample.config.search import Rungs
from outsample.io import read_json, read_table
from outsample.io.script import run_script
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
    data = read_training(development, spec, quality, folds, scalers, settings)
    every_lane = lanes_of(trials, runs_of(data.folds, settings["search"]["seeds"]))
    own = shard_of(every_lane, scatteritem, may_be_empty=True)
    part = Rungs(**settings["search"]["rungs"]).parts[int(rung)]
    results = train_lanes(agent, own, *data, Watch(keeper, [LogUpdates()]), part=part) if own else no_results()
    write_results(results, targets, lanes, curves)
    write_paused(keeper, states)
    if progress:
        progress.clear()


if "snakemake" in globals():
    run_script(main, snakemake)
