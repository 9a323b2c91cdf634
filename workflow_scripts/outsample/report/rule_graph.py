"""The graph of rules: which reads what which makes, drawn for the rules that an experiment has run.

`assets/rules.json` holds the graph of all rules; scripts/write_rule_graph.py writes it, and a test compares it with
Snakemake's own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from outsample.report.inputs import Tables
from outsample.report.markup import Fragment, details, escape, table

Graph = dict[str, set[str]]
"""Rule -> the rules whose files it reads."""

RULES = Path(__file__).parent / "assets" / "rules.json"
ALWAYS = ("merge_config", "build_report")  # their code is not listed among the hashes
# Reader and maker where a round reads the rounds before it, or a rung the rung before: drawn they would go round.
AGAIN = {
    *(("suggest_trials", maker) for maker in ("account_trials", "score_rung", "suggest_trials")),
    *(("run_rung", maker) for maker in ("score_rung", "run_rung")),
}
WIDTH, BOX, ROW, GAP = 168, 26, 58, 14  # pixels: of a column, height of a box, of a row, between boxes


def read_graph(rules: Iterable[str]) -> Graph:
    """The graph of some rules, without the readings of `AGAIN` and those that another path implies."""
    every = json.loads(RULES.read_text(encoding="utf-8"))
    wanted = set(rules)
    graph = {
        rule: {maker for maker in makers if maker in wanted and (rule, maker) not in AGAIN}
        for rule, makers in every.items()
        if rule in wanted
    }
    return reduced(graph)


def reduced(graph: Mapping[str, set[str]]) -> Graph:
    """The graph without each edge beside which there is a longer path.

    >>> reduced({"c": {"a", "b"}, "b": {"a"}, "a": set()})
    {'c': {'b'}, 'b': {'a'}, 'a': set()}
    """
    behind: dict[str, set[str]] = {}

    def all_behind(rule: str) -> set[str]:
        if rule not in behind:
            behind[rule] = set().union(*(all_behind(maker) | {maker} for maker in graph[rule]))
        return behind[rule]

    return {
        rule: {maker for maker in makers if not any(maker in all_behind(other) for other in makers)}
        for rule, makers in graph.items()
    }


def ranks(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """The rules row by row: each below all that it reads and near to their middle; what reads nothing as low as it can.

    >>> ranks({"d": {"b", "c"}, "b": {"a"}, "c": {"a"}, "a": set()})
    [['a'], ['b', 'c'], ['d']]
    """
    depth: dict[str, int] = {}

    def depth_of(rule: str) -> int:
        if rule not in depth:
            depth[rule] = max((depth_of(maker) + 1 for maker in graph[rule]), default=0)
        return depth[rule]

    rows: list[list[str]] = [[] for _ in range(max(map(depth_of, graph), default=-1) + 1)]
    for rule in graph:  # what reads nothing stands just above its first reader
        if not graph[rule]:
            depth[rule] = min((depth[reader] for reader in graph if rule in graph[reader]), default=1) - 1
    place: dict[str, float] = {}
    for row in range(len(rows)):
        found = {rule: [place[maker] for maker in graph[rule]] for rule in graph if depth[rule] == row}
        middle = {rule: sum(places) / len(places) if places else 0.0 for rule, places in found.items()}
        rows[row] = sorted(found, key=lambda rule: (middle[rule], rule))
        place |= {rule: number - (len(rows[row]) - 1) / 2 for number, rule in enumerate(rows[row])}
    return rows


def rule_graph(tables: Tables) -> Fragment:
    """The rules that made this report, from the bars down to the page."""
    hashed = [name.removeprefix("code: ") for name in tables.provenance["hashes"] if name.startswith("code: ")]
    graph = read_graph({*hashed, *ALWAYS})
    rows = ranks(graph)
    width, height = max(map(len, rows)) * WIDTH, len(rows) * ROW
    middle = {
        rule: (width / 2 + (number - (len(row) - 1) / 2) * WIDTH, y * ROW + ROW / 2)
        for y, row in enumerate(rows)
        for number, rule in enumerate(row)
    }
    edges = [_edge(middle[maker], middle[rule]) for rule in middle for maker in sorted(graph[rule])]
    boxes = [_box(rule, *at) for rule, at in middle.items()]
    alt = f"Graph of the {len(graph)} rules that made this report; the table below it says the same in words."
    drawn = (
        '<figure><div class="scroll" tabindex="0" role="region" aria-label="Graph of rules">'
        f'<svg class="rules" role="img" aria-label="{escape(alt)}" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}">{"".join(edges + boxes)}</svg></div>'
        "<figcaption>What read what, from the top down. Left out is what another path implies, and that each round of "
        "the search reads the rounds before it.</figcaption></figure>"
    )
    read = [[rule, ", ".join(sorted(graph[rule])) or "what was given"] for row in rows for rule in row]
    return Fragment(f"{drawn}\n{details('The same in words', table('rules', ['rule', 'reads what these make'], read))}")


def _edge(maker: tuple[float, float], reader: tuple[float, float]) -> str:
    """From below the box of the maker to above that of the reader."""
    (x, y), (to_x, to_y) = (maker[0], maker[1] + BOX / 2), (reader[0], reader[1] - BOX / 2)
    half = (y + to_y) / 2
    return f'<path d="M{x:g} {y:g}C{x:g} {half:g} {to_x:g} {half:g} {to_x:g} {to_y:g}"/>'


def _box(rule: str, x: float, y: float) -> str:
    left, top, width = x - (WIDTH - GAP) / 2, y - BOX / 2, WIDTH - GAP
    return (
        f'<g><rect x="{left:g}" y="{top:g}" width="{width:g}" height="{BOX}" rx="5"/>'
        f'<text x="{x:g}" y="{y + 4:g}">{escape(rule)}</text></g>'
    )
