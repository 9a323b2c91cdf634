"""See which features drive the policy on bars before the vault: policy (ONNX) -> their importance (Parquet, JSON)."""

from pathlib import Path

from outsample.agents.onnx import OnnxPolicy
from outsample.config.models import Market
from outsample.evaluation.explanation import explain, members_of
from outsample.io import read_json, read_table, write_json, write_table
from outsample.io.script import run_script
from outsample.market.accounting import MarketRules
from outsample.market.panel import Panel


def main(onnx, policy, development, quality, table, document, *, settings):
    description = read_json(policy, "policy")
    periods = read_json(quality, "quality")["calendar"]["periods_per_year"]
    found = explain(
        OnnxPolicy(Path(onnx).read_bytes(), description),
        Panel.from_frame(read_table(development, "development"), description["features"]),
        MarketRules.from_settings(Market(**settings["market"]), periods),
        periods,
        members_of(description),
    )
    write_table(found.table, table, "explanation")
    write_json(found.document, document, "explained")


if "snakemake" in globals():
    run_script(main, snakemake)
