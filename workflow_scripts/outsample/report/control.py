"""How often the procedure finds skill in noise, and whether it finds an edge that is there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from outsample.report.inputs import Tables
from outsample.report.markup import Content, Fragment, interval, join, number, paragraphs, percent, table, unbroken

WORDS = {
    "evidence_over_buy_and_hold": "evidence of skill over buy and hold",
    "evidence_over_flat": "evidence of a return above zero only",
    "weak": "a hint",
    "none": "no evidence",
}
KINDS = {
    "volatility": "a random walk with the market's own swings",
    "blocks": "the market's own returns in another order",
    "gaussian": "a Gaussian walk",
    "gaussian_drift": "a Gaussian walk with the market's drift",
}
EDGES = {"two_state": "a drift of two hidden states", "sine": "a drift that follows a sine"}
NONE = (
    "How often this procedure finds skill in noise was not measured: null_control.surrogates is 0. Set it to 100 in "
    "the experiment's file and run again."
)
CLAIM = "evidence_over_buy_and_hold"


def first_line(tables: Tables) -> str:
    """The control in one sentence, for the first screen."""
    document = tables.null_control
    if not document["surrogates"]:
        return NONE
    found = document["null"][CLAIM]
    times = "never" if found["count"] == 0 else "once" if found["count"] == 1 else f"{found['count']} times"
    procedure = "the procedure" if tables.settings["null_control"]["search"] else "a short form of the procedure"
    sentence = (
        f"On {found['total']} surrogates of this market without predictability {procedure} claimed skill over buy and "
        f"hold {times} (95 % interval {_span(found)})"
    )
    planted = document["planted"][CLAIM]
    if planted["total"]:
        sharpe = tables.settings["null_control"]["oracle_sharpe"]
        times = f"{planted['count']} of {planted['total']} times"
        sentence += f"; with an edge planted whose best Sharpe ratio is {sharpe:g}, {times}"
    return f"{sentence}."


def control(tables: Tables) -> Fragment:
    """The table of levels and rates, and how to read it."""
    document = tables.null_control
    if not document["surrogates"]:
        return paragraphs([NONE])
    groups = [(f"no edge: {KINDS.get(kind, kind)}", levels) for kind, levels in document["by_kind"].items()]
    if len(groups) > 1:
        groups.append(("no edge: all of them", document["null"]))
    if document["planted"][CLAIM]["total"]:
        groups.append((f"planted: {EDGES[tables.settings['null_control']['edge']]}", document["planted"]))
    rows = [_row(market, word, levels[level]) for market, levels in groups for level, word in WORDS.items()]
    for name, word in (("over_buy_and_hold", "over buy and hold"), ("over_flat", "above zero")):
        if document["shifted"][name]["total"]:
            rows.append(_row("targets of all trials, shifted in time", f"p of all trials {word} below 0.05",
                             document["shifted"][name]))  # fmt: skip
    headers = ["market", "what the procedure said", "times", "of", "share", "95 % interval"]
    body = table("null-control", headers, rows, "What the procedure says of markets whose truth is known")
    return join(body, paragraphs(_reading(tables, document)))


def _row(market: str, word: str, found: Mapping[str, Any]) -> list[Content]:
    counts = [number(found["count"], 0), number(found["total"], 0)]
    return [market, word, *counts, percent(found["rate"]), unbroken(_span(found))]


def _span(found: Mapping[str, Any]) -> str:
    return interval(percent(found["lower"]), percent(found["upper"]))


def _reading(tables: Tables, document: Mapping[str, Any]) -> list[str]:
    settings, active = tables.settings["null_control"], document["active"]
    told = [
        "How to read it: where there is no edge, every claim of skill over buy and hold is false, so its share is how "
        "far a claim can be trusted; what is found of the planted edges is how little silence means. A market that "
        "drifts upwards may rightly show a return above zero.",
        f"The agent traded on the vaults of {active['count']} of the {active['total']} surrogates without an edge.",
    ]
    if "blocks" in document["by_kind"]:
        told.append(f"Blocks of {settings['block']} bars keep what repeats within them.")
    if settings["search"]:
        return [*told, "Each surrogate had the experiment's own agents and search."]
    changes = ", ".join(f"{name}: {value}" for name, value in settings["changes"].items())
    return [
        *told,
        "Each surrogate was given one trial of the agent direct with one seed, not the experiment's own search "
        f"(null_control.search), with these changes to its settings: {changes or 'none'}.",
    ]
