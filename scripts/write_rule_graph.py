"""Write which rule reads what which rule makes, as Snakemake knows it, for the report: run it after changing rules.

Usage: .venv/bin/python scripts/write_rule_graph.py
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GRAPH = ROOT / "workflow_scripts/outsample/report/assets/rules.json"
# Experiments and settings that together run every rule on whose results a report depends.
RUNS: tuple[tuple[str, ...], ...] = (
    ("quickstart",),
    ("selection_study", "selection={arm: enhanced}"),
    ("quickstart", "search={objective: pareto, rungs: {levels: 2}}", "robustness={hyper_parameters: true}"),
)


def edges_of(experiment: str, *settings: str) -> set[tuple[str, str]]:
    """Pairs (rule, rule whose files it reads) of the report of an experiment."""
    options = ["--config", f"experiment={experiment}", *settings, "--"]
    command = [sys.executable, "-m", "snakemake", "--rulegraph", "--forceall", *options]
    done = subprocess.run(
        [*command, f"results/{experiment}/report.html"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    names = dict(re.findall(r'^\t(\d+)\[label = "(\w+)"', done.stdout, re.MULTILINE))
    return {(names[b], names[a]) for a, b in re.findall(r"^\t(\d+) -> (\d+)", done.stdout, re.MULTILINE)}


def rule_graph() -> str:
    """The document: rule -> the rules whose files it reads, both sorted by name."""
    edges = set().union(*(edges_of(*run) for run in RUNS))
    rules = sorted({rule for edge in edges for rule in edge})
    return json.dumps({rule: sorted(a for b, a in edges if b == rule) for rule in rules}, indent=1) + "\n"


if __name__ == "__main__":
    GRAPH.write_text(rule_graph(), encoding="utf-8")
