"""The form of every rule, and that no future reaches training through the graph."""

import re
import runpy

import pytest

DIRECTIVES = ["output", "log", "benchmark", "conda", "threads", "resources", "params", "message", "script"]


def rules_of(repository):
    for path in sorted((repository / "rules").glob("*.smk")):
        for name, body in re.findall(r"^rule (\w+):\n((?:(?:    .*)?\n)+)", path.read_text(), re.MULTILINE):
            yield path, name, body


def test_every_rule_names_what_it_needs(repository):
    found = list(rules_of(repository))
    assert {"ingest_bars", "run_trials", "evaluate", "build_report"} <= {name for _, name, _ in found}
    for path, name, body in found:
        for directive in DIRECTIVES:
            assert re.search(rf"^    {directive}:", body, re.MULTILINE), f"{path.name}: {name} lacks {directive}"
        assert re.search(r"mem_mb=.*\n +runtime=", body), f"{path.name}: {name} lacks mem_mb or runtime"
        assert "code=code_of(" in body, f"{path.name}: {name} lacks the hash of its code"


def test_rule_script_log_and_benchmark_share_one_name(repository):
    for path, name, body in rules_of(repository):
        assert f'"../workflow_scripts/{name}.py"' in body, f"{path.name}: {name} runs another script"
        assert re.search(rf'code=code_of\(\s*"{name}"', body), f"{path.name}: {name} hashes other code"
        for folder in ("logs", "benchmarks"):
            assert re.search(rf"/{folder}/{name}\.", body), f"{path.name}: {name} has {folder} of another name"


def test_every_script_belongs_to_a_rule(repository):
    scripts = {path.stem for path in (repository / "workflow_scripts").glob("*.py")}
    assert scripts == {name for _, name, _ in rules_of(repository)}


def test_no_run_directive_and_no_checkpoint(repository):
    text = "".join(p.read_text() for p in [repository / "Snakefile", *(repository / "rules").glob("*.smk")])
    assert not re.search(r"^\s*(run|checkpoint \w+):", text, re.MULTILINE)


@pytest.fixture(scope="module")
def file_graph(built):
    """Rule -> (inputs, outputs), from Snakemake's own account of the tiny experiment."""
    lines = built.build("--detailed-summary", "results/tiny/report.html").splitlines()
    header = next(i for i, line in enumerate(lines) if line.startswith("output_file\t"))
    names = lines[header].split("\t")
    graph = {}
    for line in lines[header + 1 :]:
        row = dict(zip(names, line.split("\t"), strict=False))
        if "rule" in row:
            inputs, outputs = graph.setdefault(row["rule"], (set(), set()))
            inputs.update(filter(None, row["input-file(s)"].split(",")))
            outputs.add(row["output_file"])
    assert {"ingest_bars", "run_trials", "evaluate", "build_report"} <= set(graph)
    return graph


@pytest.mark.slow
def test_only_the_evaluation_reads_the_vault(file_graph):
    vault = "results/tiny/vault.parquet"
    readers = {rule for rule, (inputs, _) in file_graph.items() if vault in inputs}
    writers = {rule for rule, (_, outputs) in file_graph.items() if vault in outputs}
    assert writers == {"split_vault"}
    assert readers == {"evaluate"}


@pytest.mark.slow
def test_nothing_is_trained_without_the_audit(file_graph):
    for rule in ("suggest_trials", "run_trials"):
        assert "results/tiny/audit_leakage.parquet" in file_graph[rule][0]
    assert "results/tiny/audit_decisions.parquet" in file_graph["evaluate"][0]


def ancestors(graph, rule):
    seen, queue = set(), [rule]
    while queue:
        inputs = graph[queue.pop()][0]
        for other, (_, outputs) in graph.items():
            if other not in seen and inputs & outputs:
                seen.add(other)
                queue.append(other)
    return seen


@pytest.mark.slow
def test_no_rule_before_the_evaluation_reads_what_the_evaluation_wrote(file_graph):
    written = file_graph["evaluate"][1]
    before = ancestors(file_graph, "evaluate")
    assert {"ingest_bars", "run_trials", "train_final", "audit_decisions"} <= before
    for rule in before:
        assert not written & file_graph[rule][0]


@pytest.mark.slow
def test_graph_of_rules_in_the_report_is_snakemakes_own(repository):
    script = runpy.run_path(str(repository / "scripts/write_rule_graph.py"))
    assert script["GRAPH"].read_text() == script["rule_graph"]()
