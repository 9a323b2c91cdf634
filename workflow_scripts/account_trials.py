"""Replay every lane's targets in float64: targets of all shards -> the trial matrix of an agent and round (Parquet)."""

from outsample.config.models import Market
from outsample.io import read_joined, read_json, read_table, write_table
from outsample.io.script import run_script
from outsample.market.accounting import MarketRules
from outsample.market.panel import Panel
from outsample.selection.matrix import account
from outsample.selection.rungs import as_last_seen


def merged(paths, name, levels):
    """The table of each rung, in their order, from the files of all rungs, each of as many shards."""
    shards = len(paths) // levels
    return [read_joined(paths[rung * shards : (rung + 1) * shards], name) for rung in range(levels)]


def main(
    development,
    quality,
    targets,
    lanes_shards,
    curves_shards,
    matrix,
    portfolios,
    scores,
    lanes,
    curves,
    *,
    agent,
    settings,
    levels,
):
    periods, market = read_json(quality, "quality")["calendar"]["periods_per_year"], Market(**settings["market"])
    by_rung = merged(lanes_shards, "lanes", levels)
    lanes_table = as_last_seen(by_rung, by_rung)
    accounted = account(
        as_last_seen(merged(targets, "targets", levels), by_rung),
        Panel.from_frame(read_table(development, "development"), []),
        MarketRules.from_settings(market, periods),
        agent=agent,
        periods_per_year=periods,
        risk_free_rate=market.risk_free_rate,
        starting_equity=market.replayed_equity,
        lanes=lanes_table,
    )
    write_table(accounted.matrix, matrix, "matrix", groups="symbol")
    write_table(accounted.portfolios, portfolios, "portfolios")
    write_table(accounted.scores, scores, "scores")
    write_table(lanes_table, lanes, "lanes")
    write_table(as_last_seen(merged(curves_shards, "curves", levels), by_rung), curves, "curves")


if "snakemake" in globals():
    run_script(main, snakemake)
