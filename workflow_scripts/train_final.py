"""Train the final policy on the development span: selection (JSON) -> policy (ONNX, JSON, Orbax)."""

from outsample.agents import runtime

runtime.claim_core()
runtime.configure_jax("work/jax_cache")  # before anything imports JAX

# ruff: noqa: E402
from pathlib import Path

from outsample.agents.attempts import Watch
from outsample.agents.checkpoint import save
from outsample.agents.ensemble import fit_selection
from outsample.agents.export import policy_document, to_onnx
from outsample.agents.loop import LogUpdates
from outsample.agents.mapping import width_of_machine
from outsample.agents.pretraining import Pretraining
from outsample.agents.progress import key_of, open_progress
from outsample.config.models import Gate, Market
from outsample.io import read_json, read_table, write_json
from outsample.io.files import replacing
from outsample.io.script import run_script
from outsample.market.accounting import MarketRules
from outsample.market.panel import Panel


def transfer_of(rows, folds, names, settings):
    """What members of origin "transfer" are pre-trained on; None where the arm has none."""
    if not rows:
        return None
    panel = Panel.from_frame(read_table(rows[0], "development"), names)
    table = read_table(folds[0], "folds")
    return {agent: Pretraining(panel, table, params) for agent, params in settings["agents"].items()}


def main(
    selection,
    development,
    spec,
    quality,
    folds,
    scalers,
    transfer_rows,
    transfer_folds,
    onnx,
    policy,
    manifest,
    folder,
    *,
    experiment,
    settings,
    code,
):
    read = [selection, development, spec, quality, folds, scalers, *transfer_rows, *transfer_folds]
    key = key_of(read, settings | {"width": width_of_machine()}, code)
    progress = open_progress(f"work/train_final/{experiment}", key)
    chosen, calendar = read_json(selection, "selection"), read_json(quality, "quality")["calendar"]
    names = [feature["name"] for feature in read_json(spec, "feature_spec")["features"]]
    fitted = fit_selection(
        chosen["members"],
        settings["final"]["seeds"],
        Panel.from_frame(read_table(development, "development"), names),
        read_table(folds, "folds"),
        read_table(scalers, "scalers"),
        MarketRules.from_settings(Market(**settings["market"]), calendar["periods_per_year"]),
        Gate(**settings["gate"]),
        Watch(progress, [LogUpdates()]),
        transfer_of(transfer_rows, transfer_folds, names, settings),
    )
    model = to_onnx(fitted)
    with replacing(onnx) as temporary:
        Path(temporary).write_bytes(model)
    write_json(policy_document(fitted, model), policy, "policy")
    write_json(save(fitted, Path(folder)), manifest, "policy_manifest")
    if progress:
        progress.clear()


if "snakemake" in globals():
    run_script(main, snakemake)
