"""See that nothing looks ahead: features, scalers, folds and fills, once the future is another one: audit (Parquet)."""

import pandas as pd

from outsample.config.features import FeatureSet
from outsample.config.folds import Folds
from outsample.config.models import Market, Vault
from outsample.features.registry import own_features
from outsample.folds.audit import Written, audit_experiment
from outsample.io import read_json, read_table, write_table
from outsample.io.script import run_script
from outsample.io.user_code import read_user_code
from outsample.market.accounting import MarketRules
from outsample.market.fill_audit import audit_fills


def main(validated, features, folds, scalers, quality, audit, *, settings):
    bars, data = read_table(validated, "validated_bars"), settings["data"]
    untraded = [*data["references"], *data["transfer"]]
    periods = read_json(quality, "quality")["calendar"]["periods_per_year"]
    wanted = FeatureSet(**settings["features"])
    table = audit_experiment(
        bars,
        wanted,
        Vault(**settings["vault"]),
        Folds(**settings["folds"]),
        references=untraded,
        own=own_features(wanted, read_user_code(wanted)),
        written=Written(read_table(features, "features"), read_table(folds, "folds"), read_table(scalers, "scalers")),
    )
    rules = MarketRules.from_settings(Market(**settings["market"]), periods)
    traded = bars[~bars["symbol"].isin(untraded)].reset_index(drop=True)
    fills = audit_fills(traded, rules, [pd.Timestamp(cut) for cut in sorted(table["cut"].unique())])
    write_table(pd.concat([table, fills], ignore_index=True), audit, "audit")


if "snakemake" in globals():
    run_script(main, snakemake)
