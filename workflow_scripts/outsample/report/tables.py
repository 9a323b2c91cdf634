"""The tables of the report: rows of the tables it read, rounded for reading, with the full value kept in each cell."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from outsample.config.folds import Folds
from outsample.config.models import Market
from outsample.market.metrics import BENCHMARK_METRICS, METRICS, Metric
from outsample.report import search_method
from outsample.report.approaches import choice_in_words
from outsample.report.charts import SERIES
from outsample.report.inputs import Tables, day
from outsample.report.markup import (
    Content,
    Fragment,
    Number,
    details,
    escape,
    facts,
    general,
    interval,
    join,
    number,
    paragraphs,
    percent,
    table,
    unbroken,
)

# The table of metrics of the vault holds two more, which only a pair of series has.
SHOWN = METRICS | BENCHMARK_METRICS

FILLS = {
    "next_open": "A target is decided after the close of a bar and filled at the open of the next bar.",
    "next_close": "A target is decided after the close of a bar and filled at the close of the next bar.",
}


def metric_number(metric: Metric, value: float | None) -> Number:
    """A metric's value as its unit asks: fractions as percentages, counts and currency without decimals."""
    if metric.unit.startswith("fraction"):
        return percent(value, 2)
    if metric.unit in {"currency", "trades"}:
        return number(value, 0)
    return number(value, 1 if metric.unit == "bars" else 2)


def question(tables: Tables) -> Fragment:
    """What the experiment asked: symbols, source, search, selection and final policy."""
    settings = tables.settings
    search, folds = settings["search"], settings["folds"]
    trials, agents = search["rounds"] * search["trials_per_round"], search["agents"]
    many = f"{trials * len(agents)} trials, {trials} of each agent," if len(agents) > 1 else f"{trials} trials"
    pairs: dict[str, Content] = {
        "Experiment": f"{tables.config['experiment']} (environment {tables.config['environment']})",
        "Symbols": f"{', '.join(tables.symbols)}; one pooled policy, a sleeve of 1/{len(tables.symbols)} each",
        "Bars": _source(settings["data"]["source"]),
        "Agent": ", ".join(agents),
        "Fill": FILLS[settings["market"]["fill"]],
        "Search": (
            f"{many} in {search['rounds']} rounds by {search['sampler']}, each trained on {Folds(**folds).splits} "
            f"folds × {folds['inner_folds']} inner folds × {search['seeds']} seeds{search_method.asked(tables)}"
        ),
        "Selection arm": settings["selection"]["arm"],
        "Final policy": f"{tables.policy['seeds']} seeds, {tables.policy['models']} models, outputs averaged",
    }
    return facts("question", pairs)


def _source(source: dict[str, Any]) -> str:
    if source["kind"] == "simulated":
        return (
            f"SIMULATED: {source['bars']} bars a symbol, drift ±{source['drift']:g} and volatility "
            f"{source['volatility']:g} (log return per bar), persistence {source['persistence']:g}, "
            f"seed {source['seed']}"
        )
    return f"{source['kind']}, {source.get('path') or source.get('dataset')}"


_LEAD = "the first is left only where another leads by more than a standard error of their validated returns"


def _setting(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return number(value, 0).text if abs(value) >= 1e4 else general(value).text
    if isinstance(value, dict):
        return ", ".join(f"{name} {_setting(item)}" for name, item in value.items())
    if isinstance(value, list):
        return "; ".join(map(_setting, value)) or "none"
    return str(value)


def market_rules(tables: Tables) -> Fragment:
    """Every rule of the market, with its unit and meaning."""
    rows: list[list[Content]] = []
    for name, field in Market.model_fields.items():
        extra: Any = field.json_schema_extra
        unit = "" if extra["unit"] == "-" else extra["unit"]
        rows.append([name, _setting(tables.settings["market"][name]), unit, field.description or ""])
    return table(
        "market", ["rule", "value", "unit", "meaning"], rows, "Market rules, the same in training and evaluation"
    )


def data_spans(tables: Tables) -> Fragment:
    """Rows and spans of each symbol, as read and as validated, with the hash of its bars."""
    rows: list[list[Content]] = []
    for symbol, found in tables.quality["symbols"].items():
        source = tables.bars_manifest["symbols"].get(symbol, {})
        rows.append(
            [
                symbol if symbol in tables.symbols else f"{symbol} (reference, not traded)",
                number(source.get("rows"), 0),
                number(found["rows"], 0),
                unbroken(day(found["first"])),
                unbroken(day(found["last"])),
                str(source.get("file") or "none"),
                str(source.get("sha256", ""))[:12],
            ]
        )
    headers = ["symbol", "rows read", "rows used", "first", "last", "file", "sha256 (first 12)"]
    return table("data", headers, rows, "Bars of each symbol")


def data_facts(tables: Tables) -> Fragment:
    """Calendar, price adjustment, and the two spans that the vault's date parts."""
    calendar, split = tables.quality["calendar"], tables.split
    how = "inferred from the dates" if calendar["inferred"] else "given"
    spans = {
        part: f"{day(split[part]['first'])} to {day(split[part]['last'])}, {split[part]['dates']} dates"
        for part in ("development", "vault")
    }
    pairs: dict[str, Content] = {
        "Calendar": f"{calendar['name']} ({how}), {calendar['periods_per_year']:g} bars a year",
        "Prices": str(tables.quality["adjustment"]),
        "Development": spans["development"],
        "Vault": f"{spans['vault']}; it was split off before anything was fitted",
        "Look": f"this is look {tables.looks['look']} at this vault; the verdict's level is divided by it",
    }
    return facts("data-facts", pairs)


def features(tables: Tables) -> Fragment:
    """The features in the order of the policy's inputs."""
    found = tables.feature_spec["features"]
    rows: list[list[Content]] = [[f["name"], f["group"], f["formula"], number(f["warm_up"], 0)] for f in found]
    body = table("features", ["feature", "group", "formula", "warm-up (bars)"], rows, "Features")
    longest = tables.feature_spec["warm_up"]
    return details(f"The {len(found)} features that the policy sees (longest warm-up {longest} bars)", body)


PROVED = {
    "decision": "A decision depends on bars up to its own close.",
    "feature": "A row of a feature depends on bars up to its own.",
    "fill": "A position earns nothing of what prices did before it was filled.",
    "fold": "Folds are cut by dates, not by prices.",
    "scaler": "A scaler depends on its own train rows.",
}


def _audit_rows(audit: pd.DataFrame) -> list[list[Content]]:
    rows: list[list[Content]] = []
    for kind, found in audit.groupby("kind", sort=True):
        counts = (found["name"].nunique(), found["cut"].nunique(), found["rows"].sum(), found["changed"].sum())
        rows.append([str(kind), *(number(int(count), 0) for count in counts), PROVED[str(kind)]])
    return rows


def audits(tables: Tables) -> Fragment:
    """Both audits: how much was compared after the future was replaced, and how much of it changed."""
    rows = _audit_rows(tables.leakage) + _audit_rows(tables.decisions)
    headers = ["what", "names", "cuts", "values compared", "changed", "what it proves"]
    each: list[list[Content]] = [
        [str(kind), str(name), number(len(found), 0), number(int(found["rows"].sum()), 0), number(int(changed), 0)]
        for audit in (tables.leakage, tables.decisions)
        for (kind, name), found in audit.groupby(["kind", "name"], sort=True)
        for changed in [found["changed"].sum()]
    ]
    every = table(
        "audited", ["what", "name", "cuts", "values compared", "changed"], each, "Every name that was audited"
    )
    return join(
        table("audits", headers, rows, "Leakage audits: bars after a cut replaced by other plausible bars"),
        details(f"Each of the {len(each)} features, scalers, folds, fills and decisions", every),
    )


def _parameter(value: Any) -> Content:
    return general(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)


def trials(tables: Tables) -> Fragment:
    """Every trial, best first: its score by the chosen arm, its gates, the networks taken, and what was searched.

    One sentence below says which trials broke down, if any did.
    """
    suggested = {
        (document["agent"], trial["trial"]): (document["round"], trial)
        for document in tables.suggestions
        for trial in document["trials"]
    }
    given: dict[tuple[str, str], set[str]] = {}
    for (agent, _), (_, trial) in suggested.items():
        for name, value in trial["params"].items():
            given.setdefault((name, agent), set()).add(repr(value))
    varied = sorted({name for (name, _), values in given.items() if len(values) > 1})
    lanes = tables.lanes.assign(broken=tables.lanes["failure"] != "").groupby(["agent", "trial"])
    found = lanes.agg(opened=("gate_open", "sum"), broken=("broken", "sum"), lanes=("gate_open", "size"))
    networks = {key: of.value_counts().sort_index(kind="stable") for key, of in lanes["network"]}
    stopped = search_method.stopped(tables)
    rows: list[list[Content]] = []
    for place, ranked in enumerate(tables.selection["ranking"], start=1):
        round_, trial = suggested[(ranked["agent"], ranked["trial"])]
        of_trial = found.loc[(ranked["agent"], ranked["trial"])]
        name = f"{ranked['agent']} {ranked['trial']}" + (" (chosen)" if _is_chosen(tables, ranked) else "")
        values = [_parameter(trial["params"].get(parameter, "")) for parameter in varied]
        gates = "broke down" if of_trial["broken"] else f"{of_trial['opened']} of {of_trial['lanes']}"
        gates += f"; {stopped[key]}" if (key := (ranked["agent"], ranked["trial"])) in stopped else ""
        taken = ", ".join(
            f"{network} ({count})" for network, count in networks[ranked["agent"], ranked["trial"]].items() if network
        )
        about: list[Content] = [gates, taken, number(round_, 0), str(trial["origin"])]
        rows.append([name, number(place, 0), number(ranked["score"]), *about, *values])
    score = f"score ({tables.selection['arm']})"
    headers = ["trial", "rank", score, "gates open", "networks (lanes)", "round", "origin", *varied]
    broken = found[found["broken"] > 0]
    params = {key: suggested[key][1]["params"] for key in broken.index}
    told = [_breakdowns(params, int(broken["broken"].sum()), len(tables.lanes))] if params else []
    shown = table("trials", headers, rows, "Trials, best first")
    return join(shown, paragraphs(told), search_method.halving(tables), search_method.pareto(tables))


def _breakdowns(params: Mapping[tuple[str, int], Mapping[str, Any]], broken: int, lanes: int) -> str:
    """How many lanes broke down, of which trials, by (agent, trial) -> parameters, and what to lower."""
    names = [f"{agent} {trial}" for agent, trial in sorted(params)]
    lower = " or ".join(
        name for name in ("learning_rate", "reward_scale") if any(name in given for given in params.values())
    )
    which = f"trial {names[0]}" if len(names) == 1 else f"trials {', '.join(names[:-1])} and {names[-1]}"
    return (
        f"{broken} of {lanes} lanes broke down (parameters or losses ceased to be finite), of {which}: lower {lower} "
        "there; a trial that broke down has no score and is never chosen, but counts among the trials."
    )


def _is_chosen(tables: Tables, ranked: dict[str, Any]) -> bool:
    key = (ranked["agent"], ranked["trial"])
    return key in [(member["agent"], member["trial"]) for member in tables.selection["members"]]


def chosen(tables: Tables) -> Fragment:
    """The chosen strategy: arm, score, gate and every parameter."""
    selection, gate = tables.selection, tables.policy["gate"]
    tried, network = tables.policy["networks"], tables.policy["network"]
    outcome = "open: the policy may trade" if gate["open"] else "closed: the policy stays flat on the vault"
    pairs: dict[str, Content] = {
        "Arm": f"{selection['arm']}, an automatic choice over {len(selection['ranking'])} trials",
        "Chosen": choice_in_words(selection),
        "Network": network + (f"; {', '.join(tried)} were tried, and {_LEAD}" if len(tried) > 1 else ""),
        "Gate": (
            f"{outcome}; the {percent(gate['level'], 1).text} quantile of its validated mean return per bar is "
            f"{general(gate['bound']).text}, and the gate opens above 0"
        ),
    }
    rows: list[list[Content]] = [[name, _setting(value)] for name, value in sorted(selection["params"].items())]
    body = table("parameters", ["parameter", "value"], rows)
    return join(
        facts("chosen", pairs),
        details(f"All {len(rows)} parameters of the first network of trial {selection['trial']}", body),
    )


def _value_of(tables: Tables, name: str, series: str, symbol: str) -> Number:
    return metric_number(SHOWN[name], tables.metric(name, series, symbol)["value"])


def _interval_of(tables: Tables, name: str) -> Fragment:
    found = tables.metric(name)
    ends = interval(metric_number(SHOWN[name], found["lower"]), metric_number(SHOWN[name], found["upper"]))
    return unbroken(ends)


def _label(metric: Metric) -> Fragment:
    return Fragment(f'<a href="#metric-{escape(metric.name)}">{escape(metric.label)}</a>')


def metrics(tables: Tables) -> Fragment:
    """Every metric of the portfolio on the vault, with the agent's interval, against every benchmark."""
    shown = [name for name in SERIES if name in set(tables.metrics["series"])]
    benchmarks = [name for name in shown if name != "agent"]
    confidence = tables.settings["evaluation"]["confidence"]
    rows: list[list[Content]] = []
    for name, metric in SHOWN.items():
        others = [_value_of(tables, name, series, "portfolio") for series in benchmarks]
        rows.append(
            [_label(metric), _value_of(tables, name, "agent", "portfolio"), _interval_of(tables, name), *others]
        )
    headers = ["metric", "agent", f"{percent(confidence, 0).text} interval", *(SERIES[name][0] for name in benchmarks)]
    shown_metrics = table("metrics", headers, rows, "The portfolio on the vault, net of every cost")
    return join(shown_metrics, best_in_hindsight(tables))


def best_in_hindsight(tables: Tables) -> Fragment:
    """The line on the largest return that the agent's own positions could have made of the vault's bars."""
    best = tables.metric("total_return", "best_in_hindsight")["value"]
    return facts(
        "hindsight",
        {
            "Best attainable in hindsight": (
                f"{percent(best, 0).text} total return{_share_of_best(tables, best)}. Nobody could have earned it: it "
                "is what the best sequence of the agent's positions would have made of these very bars, after the same "
                "costs, had every price been known in advance. It is a bound, and evidence of nothing."
            )
        },
    )


def _share_of_best(tables: Tables, best: float) -> str:
    """How much of it the agent made, where that can be said."""
    earned = tables.metric("total_return")["value"]
    if not (best > 0 and earned > -1):  # NaN included
        return ""
    return f", of which the agent made {percent(math.log1p(earned) / math.log1p(best)).text}, in log returns"


def metrics_by_symbol(tables: Tables) -> Fragment:
    """Every metric of the agent on the vault, the portfolio and each symbol's sleeve, with buy and hold's return."""
    columns = ["portfolio", *tables.symbols]
    rows: list[list[Content]] = [
        [_label(metric), *(_value_of(tables, name, "agent", symbol) for symbol in columns)]
        for name, metric in SHOWN.items()
    ]
    own = table("metrics-by-symbol", ["agent", *columns], rows, "The agent by symbol, on the vault")
    held: list[list[Content]] = [
        [_label(SHOWN[name]), *(_value_of(tables, name, "buy_and_hold", symbol) for symbol in columns)]
        for name in ("total_return", "sharpe", "max_drawdown")
    ]
    return join(own, table("held-by-symbol", ["buy and hold", *columns], held, "Buy and hold by symbol, on the vault"))


def trades(tables: Tables) -> Fragment:
    """Round trips of the agent on the vault, in the order of time."""
    records = tables.trades.sort_values(["entry_date", "symbol"]).to_dict("records")
    rows: list[list[Content]] = [
        [
            str(trip["symbol"]),
            "long" if trip["direction"] > 0 else "short",
            unbroken(day(trip["entry_date"])),
            unbroken(day(trip["exit_date"])),
            number(trip["bars"], 0),
            number(trip["entry_price"]),
            number(trip["exit_price"]),
            number(trip["profit"], 0),
            number(trip["cost"], 0),
        ]
        for trip in records
    ]
    headers = ["symbol", "side", "entry", "exit", "bars", "entry price", "exit price", "profit", "cost"]
    found = table("trades", headers, rows, "Round trips on the vault, prices raw, profit net of costs (currency)")
    return details(f"All {len(rows)} round trips", found) if rows else found


def cost_table(tables: Tables) -> Fragment:
    """What each series paid, how much it traded, and what was left."""
    names = ("cost_paid", "turnover", "trades", "total_return")
    shown = [name for name in SERIES if name in set(tables.metrics["series"])]
    rows: list[list[Content]] = [
        [SERIES[series][0], *(_value_of(tables, name, series, "portfolio") for name in names)] for series in shown
    ]
    headers = ["series", *(f"{SHOWN[name].label} ({SHOWN[name].unit})" for name in names)]
    return table("cost-table", headers, rows, "Costs of the portfolio on the vault")


def provenance(tables: Tables) -> Fragment:
    """Hashes of everything that went in, and the versions of what computed it."""
    hashes: list[list[Content]] = [
        [name, Fragment(f"<code>{escape(v)}</code>")] for name, v in sorted(tables.provenance["hashes"].items())
    ]
    versions: list[list[Content]] = [[name, str(v)] for name, v in sorted(tables.provenance["versions"].items())]
    found = table("hashes", ["what", "sha256"], hashes, "Hashes")
    return join(found, details(f"{len(versions)} versions", table("versions", ["package", "version"], versions)))


def glossary(tables: Tables) -> Fragment:
    """Every metric: formula, unit and direction, from the one table that computes it."""
    rows: list[list[Content]] = [
        [
            Fragment(f'<span id="metric-{escape(m.name)}">{escape(m.label)}</span>'),
            m.formula,
            m.unit,
            m.better if m.better != "neither" else "neither is better",
            "yes" if m.annualised else "no",
        ]
        for m in SHOWN.values()
    ]
    return table("glossary", ["metric", "formula", "unit", "better", "annualised"], rows, "Metrics")
