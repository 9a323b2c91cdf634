"""Suggest the trials of one round from the scores of all rounds before it (JSON)."""

from outsample.config.models import Dimension
from outsample.io import read_json, read_table, write_json
from outsample.io.script import run_script
from outsample.search.rounds import earlier_trials, suggest


def main(earlier_suggestions, earlier_scores, suggestions, *, agent, round, settings):
    earlier = earlier_trials(
        [read_json(path, "suggestions") for path in earlier_suggestions],
        [read_table(path, "scores") for path in earlier_scores],
    )
    search = settings["search"]
    space = {name: Dimension(**dimension) for name, dimension in search.get("space", {}).get(agent, {}).items()}
    trials = suggest(
        agent,
        settings["agents"][agent],
        space,
        sampler=search["sampler"],
        round=int(round),
        trials_per_round=search["trials_per_round"],
        seed=search["seed"],
        earlier=earlier,
    )
    write_json({"agent": agent, "round": int(round), "trials": trials}, suggestions, "suggestions")


if "snakemake" in globals():
    run_script(main, snakemake)
