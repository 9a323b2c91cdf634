"""The page that compares experiments: a row each with its verdict and intervals, and the settings that differ."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from outsample.errors import SchemaError
from outsample.io import read_json, read_table
from outsample.market.metrics import BENCHMARK_METRICS, METRICS
from outsample.report.approaches import choice
from outsample.report.markup import Content, Fragment, interval, number, paragraphs, table, unbroken
from outsample.report.small_page import write_page
from outsample.report.tables import metric_number

NUMBERS = ("total_return", "sharpe", "alpha", "max_drawdown")
# What an experiment is called, and settings of the machine: no difference of science.
UNCOMPARED = ("report.title", "logging.level")
CAUTION = (
    "The experiments have looked at vaults of their own or at the same one; a vault that several of them share is worn "
    "by each, as the number of the look says. The best row of many is best by luck as well: a choice among them needs "
    "a vault that none of them has seen."
)


def compare_experiments(
    configs: Sequence[str | Path],
    verdicts: Sequence[str | Path],
    metrics: Sequence[str | Path],
    selections: Sequence[str | Path],
    out: str | Path,
) -> None:
    """Write the page, one row an experiment in the order given.

    Args:
        configs, verdicts, metrics, selections: files of each experiment, in the same order.
        out: HTML file to write.
    Raises: SchemaError where there is no experiment, or a file does not fit its schema.
    """
    if not configs:
        raise SchemaError("There is no experiment to compare; run one first, e.g. make report.")
    documents = [read_json(path, "config") for path in configs]
    rows = [
        _row(config, read_json(verdict, "verdict"), read_table(values, "metrics"), read_json(selection, "selection"))
        for config, verdict, values, selection in zip(documents, verdicts, metrics, selections, strict=True)
    ]
    headers = ["experiment", "verdict", "look"]
    for name in NUMBERS:
        headers += [(METRICS | BENCHMARK_METRICS)[name].label, "interval"]
    body = [
        table("experiments", [*headers, "buy and hold", "chosen"], rows, "The vault of each, net of every cost"),
        paragraphs([CAUTION], "note"),
        _differences(documents),
    ]
    write_page("Experiments compared", "\n".join(body), out)


def _row(
    config: Mapping[str, Any], verdict: Mapping[str, Any], metrics: pd.DataFrame, selection: Mapping[str, Any]
) -> list[Content]:
    found = {
        (row["series"], row["metric"]): (row["value"], row["lower"], row["upper"])
        for row in metrics[metrics["symbol"] == "portfolio"].to_dict("records")
    }
    cells: list[Content] = [config["experiment"], verdict["title"], number(verdict["look"], 0)]
    for name in NUMBERS:
        metric = (METRICS | BENCHMARK_METRICS)[name]
        value, lower, upper = (metric_number(metric, end) for end in found["agent", name])
        cells += [value, unbroken(interval(lower, upper))]
    held = metric_number(METRICS["total_return"], found["buy_and_hold", "total_return"][0])
    return [*cells, held, choice(selection)]


def _differences(documents: Sequence[Mapping[str, Any]]) -> Fragment:
    """Settings that are not the same in all experiments."""
    flat = [_flat(document["settings"]) for document in documents]
    keys = sorted({key for settings in flat for key in settings} - set(UNCOMPARED))
    rows: list[list[Content]] = [
        [key, *(settings.get(key, "") for settings in flat)]
        for key in keys
        if len({settings.get(key) for settings in flat}) > 1
    ]
    names = [str(document["experiment"]) for document in documents]
    return table("differences", ["setting", *names], rows, "Settings in which they differ")


def _flat(settings: Mapping[str, Any], before: str = "") -> dict[str, str]:
    """Dotted key -> value in JSON; lists are values."""
    found: dict[str, str] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{before}{key}.")
        else:
            found[f"{before}{key}"] = value if isinstance(value, str) else json.dumps(value)
    return found
