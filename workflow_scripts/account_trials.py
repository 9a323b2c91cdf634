"""Replay every lane's targets in float64: targets of all shards -> the trial matrix of an agent and round (Parquet)."""

import pandas as pd

from outsample.config.models import Market
from outsample.io import read_json, read_table, write_table
from outsample.io.script import run_script
from outsample.market.accounting import MarketRules
from outsample.market.panel import Panel
from outsample.selection.matrix import account


def merged(paths, name):
    return pd.concat([read_table(path, name) for path in paths], ignore_index=True)


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
):
    periods, market = read_json(quality, "quality")["calendar"]["periods_per_year"], Market(**settings["market"])
    lanes_table = merged(lanes_shards, "lanes")
    accounted = account(
        merged(targets, "targets"),
        Panel.from_frame(read_table(development, "development"), []),
        MarketRules.from_settings(market, periods),
        agent=agent,
        periods_per_year=periods,
        risk_free_rate=market.risk_free_rate,
        # Fractions do not depend on the amount of money; how much whole shares lose to rounding does.
        starting_equity=market.starting_equity if market.whole_shares else 1.0,
        lanes=lanes_table,
    )
    write_table(accounted.matrix, matrix, "matrix", groups="symbol")
    write_table(accounted.portfolios, portfolios, "portfolios")
    write_table(accounted.scores, scores, "scores")
    write_table(lanes_table, lanes, "lanes")
    write_table(merged(curves_shards, "curves"), curves, "curves")


if "snakemake" in globals():
    run_script(main, snakemake)
