"""The model card: what a model was made from, what it did, and where it ends, in words made from the tables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from outsample.config.models import Market
from outsample.market.metrics import METRICS

# Alpha and beta stand in the table of metrics beside those of the market's own list.
_FURTHER = {"alpha": ("Alpha to buy and hold", "fraction per year"), "beta": ("Beta to buy and hold", "1")}

# What a policy may read beside the features and its target, by its names in the document.
_FURTHER_INPUTS = {
    "unrealised": "the log return since its entry",
    "holding": "how many bars it has held it",
    "memory": "its memory of the bars before",
}


def model_card(
    model: str,
    documents: Mapping[str, Mapping[str, Any]],
    metrics: pd.DataFrame,
    market: Market,
    gates: Mapping[str, Mapping[str, Any]],
) -> str:
    """The card as Markdown; the version stands in the manifest, since it follows from this text as well.

    Args:
        model: name of the model.
        documents: bars_manifest, quality, split, policy, feature_spec, verdict, config.
        metrics: table `metrics`.
        market: the market rules.
        gates: of `outsample.packaging.gates.gate_outcomes`.
    """
    sections = [
        f"# {model}\n\n{documents['verdict']['title']}.",
        "## Verdict\n\n" + "\n".join(f"- {sentence}" for sentence in documents["verdict"]["sentences"]),
        "## Data\n\n" + _bullets(_data(documents)),
        "## Policy\n\n" + _bullets(_policy(documents)),
        "## Market\n\n" + _bullets(_market(market, documents["quality"])),
        "## Metrics on the vault\n\n" + _metrics(metrics, documents["config"]["settings"]["evaluation"]["confidence"]),
        "## Gates\n\n" + _gates(gates),
        "## Limits\n\n" + _bullets(_limits(documents)),
    ]
    return "\n\n".join(sections) + "\n"


def _bullets(items: list[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _data(documents: Mapping[str, Mapping[str, Any]]) -> list[str]:
    quality, split = documents["quality"], documents["split"]
    symbols = [f"{s} ({f['rows']:,} bars, {f['first']} to {f['last']})" for s, f in quality["symbols"].items()]
    return [
        f"Symbols: {', '.join(symbols)}.",
        f"Source: {documents['bars_manifest']['source']['kind']}; sha256 of the bars "
        f"{documents['bars_manifest']['sha256']}.",
        f"Calendar: {quality['calendar']['name']}, {quality['calendar']['periods_per_year']:g} bars per year.",
        f"Development: {split['development']['first']} to {split['development']['last']} "
        f"({split['development']['dates']:,} dates). Vault: {split['vault']['first']} to {split['vault']['last']} "
        f"({split['vault']['dates']:,} dates); this was look number {documents['verdict']['look']} at it.",
        quality["adjustment"],
    ]


def _policy(documents: Mapping[str, Mapping[str, Any]]) -> list[str]:
    policy, others = documents["policy"], documents["feature_spec"]["others"]
    gate = "open" if policy["gate"]["open"] else "closed, so that every target is 0"
    return [
        f"Agent {policy['agent']}, network {policy['network']}: the mean of {policy['models']} models "
        f"({policy['seeds']} seeds), targets "
        f"{', '.join(f'{action:g}' for action in policy['actions'])} of the sleeve's equity.",
        f"It sees {len(policy['features'])} features of the bar that has just closed, {_own(policy['inputs'])}.",
        f"Its gate is {gate} (the {policy['gate']['level']:.1%} quantile of its validated mean return is "
        f"{policy['gate']['bound']:.3g} per bar; networks tried: {', '.join(policy['networks'])}).",
        f"The features warm up in {documents['feature_spec']['warm_up']} bars; checkpoints.json holds their state.",
        *(
            [
                f"They also take the closes of {', '.join(others['symbols'])}, at most {others['max_age']} days old: "
                "trading on paper needs those bars as well."
            ]
            if others["symbols"]
            else []
        ),
        *_user_code(documents["feature_spec"]["features"]),
    ]


def _user_code(features: list[dict[str, Any]]) -> list[str]:
    """What whoever runs the package must know of code that is not Outsample's."""
    own = [feature for feature in features if "code" in feature]
    if not own:
        return []
    return [
        f"{', '.join(feature['name'] for feature in own)} come from code of the user, user_features.py (sha256 "
        f"{own[0]['code']['sha256']}): whoever loads this package runs that code."
    ]


def _own(inputs: Mapping[str, Any]) -> str:
    seen = ["its own target"] + [words for name, words in _FURTHER_INPUTS.items() if name in inputs]
    return f"{', '.join(seen[:-1])} and {seen[-1]}" if seen[1:] else f"and {seen[0]}"


def _market(market: Market, quality: Mapping[str, Any]) -> list[str]:
    price = {"next_open": "open", "next_close": "close"}[market.fill]
    sides = "long and short" if market.short_selling else "long only"
    return [
        f"A target of the close of a bar is filled at the {price} of the next one; {sides}; "
        f"{'whole' if market.whole_shares else 'fractional'} shares.",
        f"Commission {market.commission:g} and slippage {market.slippage:g} basis points of the traded notional; "
        f"borrowing costs {market.borrow_rate:.2%} per year of the shares held short.",
        f"Each of the {len(quality['symbols'])} symbols has a sleeve of its own, "
        f"{market.starting_equity:,.0f} at the start for all of them together.",
    ]


def _metrics(metrics: pd.DataFrame, confidence: float) -> str:
    whole = metrics[metrics["symbol"] == "portfolio"]
    numbers = (whole[name].tolist() for name in ("series", "metric", "value", "lower", "upper"))
    found = {(series, metric): rest for series, metric, *rest in zip(*numbers, strict=True)}
    lines = [
        f"| metric | unit | agent | {confidence:.0%} interval | buy and hold |",
        "|---|---|---|---|---|",
    ]
    labels = {name: (metric.label, metric.unit) for name, metric in METRICS.items()} | _FURTHER
    for name, (label, unit) in labels.items():
        if ("agent", name) in found:
            value, lower, upper = found["agent", name]
            interval = "" if math.isnan(lower) else f"{lower:.4g} to {upper:.4g}"
            held = _number(found["buy_and_hold", name][0])
            lines.append(f"| {label} | {unit} | {_number(value)} | {interval} | {held} |")
    return "\n".join(lines)


def _number(value: float) -> str:
    return "undefined" if math.isnan(value) else f"{value:.4g}"


def _gates(gates: Mapping[str, Mapping[str, Any]]) -> str:
    lines = ["| gate | passed | outcome |", "|---|---|---|"]
    lines += [f"| {name} | {'yes' if gate['passed'] else 'no'} | {gate['detail']} |" for name, gate in gates.items()]
    return "\n".join(lines)


def _limits(documents: Mapping[str, Mapping[str, Any]]) -> list[str]:
    origin = (
        "The prices are simulated: nothing here says anything about a market."
        if documents["quality"]["simulated"]
        else "The symbols were chosen with hindsight, and those that vanished are not among them, so levels of return "
        "are too high; differences to buy and hold of the same symbols are not flattered in that way."
    )
    return [
        origin,
        "It was evaluated on one span of bars, filled whole at the price of a bar; partial fills, halts and taxes were "
        "not looked at.",
        "It trades these symbols on this calendar only, and knows no position other than the one it asked for.",
        "The last bar but one of a replay closes the position, here as in the evaluation.",
    ]
