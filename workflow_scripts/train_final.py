"""Train the final policy on the development span: selection (JSON) -> policy (ONNX, JSON, Orbax; of each seed)."""

from outsample.agents import runtime

runtime.claim_core()
runtime.configure_jax("work/jax_cache")  # before anything imports JAX

# ruff: noqa: E402
from pathlib import Path

from outsample.agents.attempts import Watch
from outsample.agents.checkpoint import save
from outsample.agents.ensemble import fit_selection
from outsample.agents.export import policy_document, seed_models, to_onnx
from outsample.agents.loop import LogUpdates
from outsample.agents.mapping import width_of_machine
from outsample.agents.pretraining import Pretraining
from outsample.agents.progress import key_of, open_progress
from outsample.agents.training_files import read_panel, read_training
from outsample.io import read_json, read_table, write_json
from outsample.io.files import replacing
from outsample.io.script import run_script


def transfer_of(rows, folds, spec, settings):
    """What members of origin "transfer" are pre-trained on; None where the arm has none."""
    if not rows:
        return None
    panel, table = read_panel(rows[0], spec), read_table(folds[0], "folds")
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
    seeds,
    *,
    experiment,
    settings,
    code,
):
    read = [selection, development, spec, quality, folds, scalers, *transfer_rows, *transfer_folds]
    key = key_of(read, settings | {"width": width_of_machine()}, code)
    progress = open_progress(f"work/train_final/{experiment}", key)
    fitted = fit_selection(
        read_json(selection, "selection")["members"],
        settings["final"]["seeds"],
        *read_training(development, spec, quality, folds, scalers, settings),
        Watch(progress, [LogUpdates()]),
        transfer_of(transfer_rows, transfer_folds, spec, settings),
    )
    model = to_onnx(fitted)
    with replacing(onnx) as temporary:
        Path(temporary).write_bytes(model)
    write_json(policy_document(fitted, model), policy, "policy")
    write_json(save(fitted, Path(folder)), manifest, "policy_manifest")
    Path(seeds).mkdir()
    for seed, (alone, document) in enumerate(seed_models(fitted)):
        (Path(seeds) / f"seed_{seed:02}.onnx").write_bytes(alone)
        write_json(document, Path(seeds) / f"seed_{seed:02}.json", "policy")
    if progress:
        progress.clear()


if "snakemake" in globals():
    run_script(main, snakemake)
