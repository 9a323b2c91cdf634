"""The sentences of the report that depend on its tables: headline, key numbers, activity, remarks, statistics."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from outsample.report.control import first_line
from outsample.report.inputs import Tables, day
from outsample.report.markup import (
    Content,
    Fragment,
    Number,
    escape,
    interval,
    join,
    paragraphs,
    percent,
    table,
)
from outsample.report.tables import SHOWN, metric_number

SURVIVORS = (
    "These symbols were chosen today, knowing which companies have done well: they are survivors. Their prices rose by "
    "selection, so no return here is evidence by itself; only differences to a benchmark on the same symbols are."
)
SIMULATED = (
    "The bars are simulated: they were drawn from a model of known truth. Nothing on this page is about a real market."
)

# How a reason of the verdict begins -> the section that shows it; any other reason stands in the statistics.
SHOWN_IN = {
    "It stays flat": "The agent's behaviour",
    "Over the": "The agent's behaviour",
    "It earned": "Performance",
    "The prices are simulated": "Data",
    "On ": "How often does this procedure find skill in noise?",
    "How often": "How often does this procedure find skill in noise?",
}


def _reason(sentence: str) -> Fragment:
    """A reason of the verdict, with a link to the section that shows it."""
    section = next((name for start, name in SHOWN_IN.items() if sentence.startswith(start)), "Statistics")
    anchor = escape(section.replace(" ", "-"))
    return Fragment(f'<li>{escape(sentence)} <a href="#{anchor}">{escape(section)}</a></li>')


def headline(tables: Tables) -> Fragment:
    """Title, what was judged, the verdict in words, and how often the procedure finds skill in noise."""
    vault, verdict = tables.split["vault"], tables.verdict
    badge = ' <span class="badge">SIMULATED</span>' if tables.simulated else ""
    lead = (
        f"Experiment {tables.config['experiment']} · {', '.join(tables.symbols)} · "
        f"vault {day(vault['first'])} to {day(vault['last'])}, {vault['dates']} dates · look {tables.looks['look']}"
    )
    return join(
        f"<header><h1>{escape(tables.title)}{badge}</h1>",
        f'<p class="lead">{escape(lead)}</p></header>',
        f'<section class="verdict" id="verdict" data-level="{escape(verdict["level"])}" aria-label="Verdict">',
        f'<p class="title">{escape(verdict["title"])}</p>',
        paragraphs(verdict["sentences"][:1]),
        '<ul class="reasons">',
        *(_reason(sentence) for sentence in [*verdict["sentences"][1:], first_line(tables)]),
        "</ul>",
        "</section>",
    )


_UNITS = {"currency": ", currency", "equity per year": ", times equity a year", "fraction per year": ", a year"}


def _card(label: str, value: Number, aside: str) -> str:
    raw = "undefined" if math.isnan(value.value) else repr(value.value)
    return (
        f'<div><dt>{escape(label)}</dt><dd class="value" data-value="{raw}">{escape(value.text)}</dd>'
        f'<dd class="aside">{escape(aside) or "&nbsp;"}</dd></div>'
    )


def _metric_card(tables: Tables, name: str) -> str:
    metric, found = SHOWN[name], tables.metric(name)
    ends = interval(metric_number(metric, found["lower"]), metric_number(metric, found["upper"]))
    held = metric_number(metric, tables.metric(name, "buy_and_hold")["value"]).text
    against = "" if name == "alpha" else f"buy and hold {held}"
    aside = "; ".join(part for part in (ends, against) if part)
    return _card(f"{metric.label}{_UNITS.get(metric.unit, '')}", metric_number(metric, found["value"]), aside)


def key_numbers(tables: Tables) -> Fragment:
    """Six numbers of the portfolio on the vault, and why returns alone are no evidence."""
    names = ("total_return", "sharpe", "alpha", "max_drawdown", "turnover", "cost_paid")
    cards = [_metric_card(tables, name) for name in names]
    confidence, rate = tables.settings["evaluation"]["confidence"], tables.settings["market"]["risk_free_rate"]
    ranges = (
        f"Ranges are {percent(confidence, 0).text} intervals by the stationary bootstrap; the risk-free rate is "
        f"{percent(rate).text} a year."
    )
    remark = SIMULATED if tables.simulated else SURVIVORS
    return join('<dl class="numbers" id="key-numbers">', *cards, "</dl>", paragraphs([f"{remark} {ranges}"], "note"))


def activity(tables: Tables) -> Fragment:
    """What the agent did on the vault, in words and by symbol; an agent that hardly acts is named so."""
    found = tables.verdict["activity"]
    kinds = {"portfolio": found["portfolio"]} | {symbol: found["symbols"][symbol] for symbol in tables.symbols}
    names = ("trades", "exposure", "net_exposure", "turnover", "holds", "win_rate")
    rows: list[list[Content]] = [
        [symbol, kind["kind"], *(metric_number(SHOWN[n], tables.metric(n, "agent", symbol)["value"]) for n in names)]
        for symbol, kind in kinds.items()
    ]
    headers = ["agent", "what it does", *(SHOWN[name].label for name in names)]
    body = table("activity", headers, rows, "The agent's behaviour on the vault")
    return join(paragraphs([_named(symbol, kind) for symbol, kind in kinds.items() if kind["kind"] != "trades"]), body)


def _named(symbol: str, kind: Mapping[str, Any]) -> str:
    who = "The agent" if symbol == "portfolio" else symbol
    if kind["kind"] == "never trades":
        return f"{who}: never trades. Its target is flat on every bar of the vault, so its ratios are undefined."
    return f"{who}: {kind['kind']} throughout the vault. It takes no decision after the first."
