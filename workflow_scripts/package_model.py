"""Pack the final policy with its evidence into one file that repeats its own decisions: package (tar.gz, JSON)."""

from pathlib import Path

from outsample.config.features import FeatureSet
from outsample.config.models import Market
from outsample.io import read_json, read_table, write_json
from outsample.io.files import replacing
from outsample.io.script import run_script
from outsample.io.user_code import read_user_code
from outsample.packaging.build import Tables, build_package


def main(
    onnx,
    policy,
    config,
    bars_manifest,
    quality,
    spec,
    split,
    verdict,
    features,
    validated,
    development,
    vault,
    scalers,
    metrics,
    audit_leakage,
    audit_decisions,
    lock,
    package,
    document,
    *,
    settings,
):
    documents = {
        "config": config,
        "bars_manifest": bars_manifest,
        "quality": quality,
        "feature_spec": spec,
        "split": split,
        "policy": policy,
        "verdict": verdict,
    }
    built = build_package(
        Path(onnx).read_bytes(),
        {name: read_json(path, name) for name, path in documents.items()},
        Tables(
            validated_bars=read_table(validated, "validated_bars"),
            features=read_table(features, "features"),
            development=read_table(development, "development"),
            vault=read_table(vault, "vault"),
            scalers=read_table(scalers, "scalers"),
            metrics=read_table(metrics, "metrics"),
            audit_leakage=read_table(audit_leakage, "audit"),
            audit_decisions=read_table(audit_decisions, "audit"),
        ),
        Market(**settings["market"]),
        Path(lock).read_bytes(),
        read_user_code(FeatureSet(**settings["features"])),
    )
    with replacing(Path(package) / built.document["file"]) as temporary:
        temporary.write_bytes(built.archive)
    write_json(built.document, document, "package")


if "snakemake" in globals():
    run_script(main, snakemake)
