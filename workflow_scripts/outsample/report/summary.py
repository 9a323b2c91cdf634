"""The report in a page of Markdown, for a pull request: the verdict, key numbers, what was compared, where from.

Every number is one of the report's tables, written as the report writes it.
"""

from __future__ import annotations

from collections.abc import Sequence

from outsample.report.approaches import WORDS, in_order, not_compared
from outsample.report.approaches import sentences as comparison_sentences
from outsample.report.charts import SERIES
from outsample.report.control import first_line
from outsample.report.inputs import Tables, day
from outsample.report.markup import interval, number
from outsample.report.prose import SIMULATED, SURVIVORS
from outsample.report.robustness import sentence as robustness_sentence
from outsample.report.tables import SHOWN, metric_number

NUMBERS = ("total_return", "sharpe", "alpha", "max_drawdown", "turnover", "cost_paid")
HASHES = 12  # letters of a hash that are shown


def markdown(tables: Tables) -> str:
    """The summary of one experiment's report.

    Args: tables: everything the report shows.
    Returns: GitHub-flavoured Markdown that ends with a line end; the same tables give the same text.
    """
    vault, verdict = tables.split["vault"], tables.verdict
    parts = [
        f"# {_plain(tables.title)}{' (simulated bars)' if tables.simulated else ''}",
        f"Experiment `{tables.config['experiment']}` · {', '.join(map(_plain, tables.symbols))} · vault "
        f"{day(vault['first'])} to {day(vault['last'])}, {vault['dates']} dates · look {tables.looks['look']}",
        f"**{_plain(verdict['title'])}**",
        "\n".join(f"- {_plain(sentence)}" for sentence in [*verdict["sentences"], first_line(tables)]),
        f"> {SIMULATED if tables.simulated else SURVIVORS}",
        "## The vault",
        _vault_table(tables),
        "## Ways to choose",
        _comparison(tables),
        "## Costs",
        robustness_sentence(tables.robustness),
        "## Warnings of the data",
        _warnings(tables),
        "## Where it comes from",
        _table(
            ["what", "sha256"],
            [[_plain(name), f"`{value[:HASHES]}`"] for name, value in sorted(tables.provenance["hashes"].items())],
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _vault_table(tables: Tables) -> str:
    present = set(tables.metrics["series"])
    others = [name for name in SERIES if name in present and name != "agent"]
    rows = []
    for name in NUMBERS:
        found, metric = tables.metric(name), SHOWN[name]
        ends = interval(metric_number(metric, found["lower"]), metric_number(metric, found["upper"]))
        values = [metric_number(metric, tables.metric(name, series)["value"]).text for series in others]
        rows.append([metric.label, metric_number(metric, found["value"]).text, ends, *values])
    return _table(["", "agent", "interval", *(SERIES[name][0] for name in others)], rows)


def _comparison(tables: Tables) -> str:
    found = tables.comparison
    if found.empty:
        return not_compared(tables)
    rows = [
        [
            f"`{row['arm']}`{' (upper bound)' if row['seen'] else ''}",
            WORDS.get(row["arm"], ""),
            number(row["sharpe"]).text,
            number(row["difference"]).text,
            interval(number(row["difference_lower"]), number(row["difference_upper"])),
            number(row["p_holm"], 3).text,
        ]
        for row in in_order(found).to_dict("records")
    ]
    headers = ["arm", "chooses by", "Sharpe ratio", "less defaults", "interval", "p (Holm)"]
    return "\n\n".join([_table(headers, rows), *comparison_sentences(found)])


def _warnings(tables: Tables) -> str:
    found = [c for c in tables.quality["checks"] if c["severity"] == "warning" and c["count"] > 0]
    return "\n".join(f"- {_plain(c['symbol'])}: {_plain(c['detail'])}" for c in found) or "None."


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _plain(text: object) -> str:
    """Text of a title or a label: nothing in it is markup, and it stays in its line."""
    joined = " ".join(str(text).split())
    for letter in "\\`*_[]<>|#":
        joined = joined.replace(letter, f"\\{letter}")
    return joined
