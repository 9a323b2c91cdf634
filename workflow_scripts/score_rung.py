"""Score the trials of a rung as they stand there, and say which go on: targets of all shards -> rung (Parquet)."""

from outsample.config.models import Market
from outsample.io import empty_table, read_joined, read_json, read_table, write_table
from outsample.io.script import run_script
from outsample.market.accounting import MarketRules
from outsample.market.panel import Panel
from outsample.selection.arms import weights_in
from outsample.selection.matrix import account
from outsample.selection.rungs import rung_table


def main(
    suggestions,
    development,
    quality,
    targets,
    lanes_shards,
    curves_shards,
    table,
    *,
    agent,
    rung,
    settings,
):
    lanes = read_joined(lanes_shards, "lanes")
    if lanes.empty:  # all broke down on an earlier rung; the selection says so of the whole search
        write_table(empty_table("rung"), table, "rung")
        return
    periods, market = read_json(quality, "quality")["calendar"]["periods_per_year"], Market(**settings["market"])
    accounted = account(
        read_joined(targets, "targets"),
        Panel.from_frame(read_table(development, "development"), []),
        MarketRules.from_settings(market, periods),
        agent=agent,
        periods_per_year=periods,
        risk_free_rate=market.risk_free_rate,
        starting_equity=market.replayed_equity,
        lanes=lanes,
    )
    search = settings["search"]
    scored = rung_table(
        int(rung),
        agent,
        read_json(suggestions, "suggestions")["trials"],
        accounted.scores,
        read_joined(curves_shards, "curves"),
        search["objective"],
        weights_in(settings),
        search["rungs"]["reduction_factor"],
    )
    write_table(scored, table, "rung")


if "snakemake" in globals():
    run_script(main, snakemake)
