"""Train the chosen settings out of fold with each searched number 10 % lower and higher: selection -> Parquet."""

from outsample.agents import runtime

runtime.claim_core()
runtime.configure_jax("work/jax_cache")  # before anything imports JAX

# ruff: noqa: E402
import pandas as pd

from outsample.agents.attempts import Watch
from outsample.agents.lanes import train_lanes
from outsample.agents.loop import LogUpdates
from outsample.agents.mapping import width_of_machine
from outsample.agents.progress import key_of, open_progress
from outsample.agents.shards import lanes_of
from outsample.config.models import Dimension, Gate, Market
from outsample.evaluation.perturbed import perturbed_table
from outsample.io import read_json, read_table, write_table
from outsample.io.script import run_script
from outsample.market.accounting import MarketRules
from outsample.market.panel import Panel
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
    rules = MarketRules.from_settings(market, periods)
    bars, fold_table = read_table(development, "development"), read_table(folds, "folds")
    space = {name: Dimension(**dimension) for name, dimension in search["space"].get(agent, {}).items()}
    scenarios = perturbed(agent, chosen["params"], space)
    lanes = lanes_of([{"trial": n, "params": s.params} for n, s in enumerate(scenarios)], fold_table, search["seeds"])
    names = [feature["name"] for feature in read_json(spec, "feature_spec")["features"]]
    every = pd.concat([read_table(path, "portfolios") for path in portfolios], ignore_index=True)
    shown = {"as chosen": every[(every["agent"] == agent) & (every["trial"] == chosen["trial"])]}
    if lanes:
        trained = train_lanes(
            *(agent, lanes, Panel.from_frame(bars, names), fold_table, read_table(scalers, "scalers"), rules),
            *(Gate(**settings["gate"]), Watch(progress, [LogUpdates()])),
        )
        accounted = account(
            *(trained.targets, Panel.from_frame(bars, []), rules, agent, periods, market.risk_free_rate),
            market.starting_equity if market.whole_shares else 1.0,
            trained.lanes,
        ).portfolios
        shown |= {s.scenario: accounted[accounted["trial"] == n] for n, s in enumerate(scenarios)}
    write_table(perturbed_table(shown, rules.cost_rate * 1e4, periods, market.risk_free_rate), table, "perturbed")
    if progress:
        progress.clear()


if "snakemake" in globals():
    run_script(main, snakemake)
