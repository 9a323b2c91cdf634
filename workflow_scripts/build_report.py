"""Write the report of one experiment from tables only (HTML and Markdown), and the hashes of all behind it (JSON)."""

from outsample import __version__
from outsample.io import read_json, sha256_file, write_json
from outsample.io.files import replacing
from outsample.io.script import run_script
from outsample.report.inputs import read_tables
from outsample.report.page import build_report
from outsample.report.summary import markdown


def main(
    notebook,
    lock,
    config,
    bars_manifest,
    quality,
    feature_spec,
    split,
    folds,
    audit_leakage,
    audit_decisions,
    suggestions,
    lanes,
    curves,
    scores,
    rungs,
    selections,
    pareto,
    comparison,
    fold_metrics,
    paths,
    policy,
    policy_manifest,
    returns,
    metrics,
    trades,
    random_agents,
    seeds,
    robustness,
    perturbed,
    looks,
    verdict,
    null_control,
    search_history,
    parameter_importance,
    explanation,
    explained,
    rolling,
    months,
    histogram,
    quantiles,
    drawdowns,
    actions,
    provenance,
    report,
    summary,
    *,
    code_hashes,
):
    data = read_json(bars_manifest, "bars_manifest")
    hashes = {
        "config": read_json(config, "config")["sha256"],
        "data": data["sha256"],
        **{f"data: {symbol}": facts["sha256"] for symbol, facts in sorted(data["symbols"].items())},
        "vault": read_json(split, "split")["vault"]["sha256"],
        "lock": sha256_file(lock),
        "policy (ONNX)": read_json(policy, "policy")["onnx_sha256"],
        "policy (Orbax arrays)": read_json(policy_manifest, "policy_manifest")["sha256"],
        **{f"code: {rule}": code for rule, code in code_hashes.items()},
    }
    write_json({"hashes": hashes, "versions": {"outsample": __version__}}, provenance, "provenance")
    inputs = {
        "config": config,
        "bars_manifest": bars_manifest,
        "quality": quality,
        "feature_spec": feature_spec,
        "split": split,
        "policy": policy,
        "looks": looks,
        "verdict": verdict,
        "null_control": null_control,
        "provenance": provenance,
        "folds": folds,
        "leakage": audit_leakage,
        "decisions": audit_decisions,
        "returns": returns,
        "metrics": metrics,
        "trades": trades,
        "random_agents": random_agents,
        "seeds": seeds,
        "suggestions": suggestions,
        "selections": selections,
        "comparison": comparison,
        "fold_metrics": fold_metrics,
        "paths": paths,
        "robustness": robustness,
        "history": search_history,
        "importance": parameter_importance,
        "explanation": explanation,
        "explained": explained,
        "rolling": rolling,
        "months": months,
        "histogram": histogram,
        "quantiles": quantiles,
        "drawdowns": drawdowns,
        "actions": actions,
        "perturbed": perturbed,
        "lanes": lanes,
        "curves": curves,
        "scores": scores,
        "rungs": rungs,
        "pareto": pareto,
    }
    build_report(notebook, inputs, report)
    with replacing(summary) as temporary:
        temporary.write_text(markdown(read_tables(inputs)), encoding="utf-8")


if "snakemake" in globals():
    run_script(main, snakemake)
