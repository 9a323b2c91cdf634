"""Replace the future of the bars before the vault and see that the policy's decisions stay: audit (Parquet)."""

from pathlib import Path

import pandas as pd

from outsample.agents.onnx import OnnxPolicy, decide
from outsample.config.features import FeatureSet
from outsample.features.audit import audit_decisions, choose_cuts
from outsample.features.build import build_features
from outsample.features.registry import own_features
from outsample.io import read_json, read_table, write_table
from outsample.io.script import run_script
from outsample.io.user_code import read_user_code
from outsample.market.panel import Panel


def main(onnx, policy, development, validated, split, audit, *, settings):
    description, features = read_json(policy, "policy"), FeatureSet(**settings["features"])
    model = OnnxPolicy(Path(onnx).read_bytes(), description)
    decided = read_table(development, "development")["symbol"].unique()  # a symbol may begin in the vault
    bars = read_table(validated, "validated_bars")
    references = [name for name in features.others if name not in decided]
    bars = bars[
        (bars["date"] < pd.Timestamp(read_json(split, "split")["vault"]["first"]))
        & bars["symbol"].isin([*decided, *features.others])
    ]

    own = own_features(features, read_user_code(features))

    def build(frame):
        return build_features(frame, features, references, own)

    table, spec = build(bars)
    audit_table = audit_decisions(
        bars,
        build,
        lambda frame: decide(model, Panel.from_frame(frame, description["features"])).target,
        choose_cuts(table["date"].sort_values().unique(), spec["warm_up"] + 1),
    )
    write_table(audit_table, audit, "audit")


if "snakemake" in globals():
    run_script(main, snakemake)
