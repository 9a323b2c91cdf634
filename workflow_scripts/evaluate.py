"""Open the vault: let the exported policy decide, account it beside its benchmarks, and write the verdict."""

from pathlib import Path

from outsample.agents.onnx import OnnxPolicy, decide
from outsample.config.models import Evaluation, Market
from outsample.evaluation.evaluate import evaluate, vault_bars
from outsample.evaluation.looks import record_look
from outsample.evaluation.robustness import STARTS, robustness
from outsample.io import read_joined, read_json, read_table, write_json, write_table
from outsample.io.locking import exclusive
from outsample.io.script import run_script
from outsample.market.accounting import MarketRules
from outsample.market.panel import Panel
from outsample.selection.arms import broken_trials


def count_look(ledger, vault, model, experiment):
    """Append this look to the ledger unless it stands there already, and say which look at this vault it is."""
    with exclusive(Path(ledger)) as handle:
        before = handle.read().splitlines()
        after, look = record_look(before, vault, model, experiment)
        handle.writelines(f"{line}\n" for line in after[len(before) :])
    return look


def decided(model, description, rows):
    """Symbol -> the policy's targets on its rows, from flat."""
    opened = Panel.from_frame(rows, description["features"])
    targets = decide(model, opened).target
    return {symbol: targets[opened.rows(index)] for index, symbol in enumerate(opened.symbols)}


def opened_policy(onnx, document):
    """A policy and its document."""
    description = read_json(document, "policy")
    return OnnxPolicy(Path(onnx).read_bytes(), description), description


def main(
    onnx,
    policy,
    seeds,
    vault,
    split,
    quality,
    portfolios,
    scores,
    warm_suggestions,
    returns,
    metrics,
    trades,
    random_agents,
    seeds_table,
    robustness_table,
    verdict,
    looks,
    *,
    experiment,
    settings,
    ledger,
):
    bars, market = read_table(vault, "vault"), Market(**settings["market"])
    model, description = opened_policy(onnx, policy)
    quality_document, inside = read_json(quality, "quality"), bars["in_vault"].to_numpy()
    vault_hash = read_json(split, "split")["vault"]["sha256"]
    look = count_look(ledger, vault_hash, description["onnx_sha256"], experiment)
    periods = quality_document["calendar"]["periods_per_year"]
    panel = Panel.from_frame(bars, [])
    place = bars[inside].groupby("symbol").cumcount()
    least = int(place.groupby(bars[inside]["symbol"]).max().min())
    decisions = {shift: decided(model, description, bars[inside][place >= shift]) for shift in STARTS if shift < least}
    rules = MarketRules.from_settings(market, periods)
    result = evaluate(
        decisions[0],
        panel,
        inside,
        rules,
        periods,
        Evaluation(**settings["evaluation"]),
        read_joined(portfolios, "portfolios"),
        look,
        quality_document["simulated"],
        market.risk_free_rate,
        market.starting_equity,
        description["actions"],
        len(broken_trials(read_joined(scores, "scores")))
        + sum(len(read_json(path, "suggestions")["trials"]) for path in warm_suggestions),
        [
            decided(*opened_policy(path, path.with_suffix(".json")), bars[inside])
            for path in sorted(Path(seeds).glob("*.onnx"))
        ],
    )
    write_table(result.returns, returns, "returns")
    write_table(result.metrics, metrics, "metrics")
    write_table(result.trades, trades, "trades")
    write_table(result.random_agents, random_agents, "random_agents")
    write_table(result.seeds, seeds_table, "seeds")
    others = robustness(
        decisions,
        vault_bars(panel, inside, decisions[0]),
        rules,
        periods,
        market.risk_free_rate,
        market.starting_equity,
        settings["robustness"]["crash"],
    )
    write_table(others, robustness_table, "robustness")
    write_json(result.verdict, verdict, "verdict")
    write_json({"look": look, "vault": vault_hash, "model": description["onnx_sha256"]}, looks, "looks")


if "snakemake" in globals():
    run_script(main, snakemake)
