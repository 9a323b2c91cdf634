"""Train the chosen settings out of fold with each searched number 10 % lower and higher: selection -> Parquet."""

from outsample.agents import runtime

runtime.claim_core()
runtime.configure_jax("work/jax_cache")  # before anything imports JAX

# ruff: noqa: E402
from outsample.agents.attempts import Watch
from outsample.agents.lanes import train_lanes
from outsample.agents.loop import LogUpdates
from outsample.agents.mapping import width_of_machine
from outsample.agents.progress import key_of, open_progress
from outsample.agents.shards import lanes_of, runs_of
from outsample.agents.training_files import read_training
from outsample.config.models import Dimension, Market
from outsample.evaluation.perturbed import perturbed_table
from outsample.io import read_joined, read_json, write_table
from outsample.io.script import run_script
from outsample.search.perturbed import perturbed
from outsample.selection.matrix import account


def main(
    selection,
    portfolios,
    development,
    spec,
    quality,
    folds,
    scalers,
    table,
    *,
    experiment,
    settings,
    code,
):
    read = [selection, development, spec, quality, folds, scalers]
    progress = open_progress(
        f"work/run_perturbed/{experiment}", key_of(read, settings | {"width": width_of_machine()}, code)
    )
    chosen, periods = read_json(selection, "selection"), read_json(quality, "quality")["calendar"]["periods_per_year"]
    agent, market, search = chosen["agent"], Market(**settings["market"]), settings["search"]
    data = read_training(development, spec, quality, folds, scalers, settings)
    space = {name: Dimension(**dimension) for name, dimension in search["space"].get(agent, {}).items()}
    scenarios = perturbed(agent, chosen["params"], space)
    trials = [{"trial": n, "params": s.params} for n, s in enumerate(scenarios)]
    lanes = lanes_of(trials, runs_of(data.folds, search["seeds"]))
    every = read_joined(portfolios, "portfolios")
    shown = {"as chosen": every[(every["agent"] == agent) & (every["trial"] == chosen["trial"])]}
    if lanes:
        trained = train_lanes(agent, lanes, *data, Watch(progress, [LogUpdates()]))
        accounted = account(
            *(trained.targets, data.panel, data.rules, agent, periods, market.risk_free_rate),
            market.replayed_equity,
            trained.lanes,
        ).portfolios
        shown |= {s.scenario: accounted[accounted["trial"] == n] for n, s in enumerate(scenarios)}
    write_table(perturbed_table(shown, data.rules.cost_rate * 1e4, periods, market.risk_free_rate), table, "perturbed")
    if progress:
        progress.clear()


if "snakemake" in globals():
    run_script(main, snakemake)
