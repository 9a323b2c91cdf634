"""What the report reads: every table and document, by name, checked against its schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from outsample.errors import SchemaError
from outsample.io import read_json, read_table
from outsample.io.schemas import TABLES

# Input of the report -> schema of the file; the first group are JSON documents, the second Parquet tables.
DOCUMENT_INPUTS = {
    "config": "config",
    "bars_manifest": "bars_manifest",
    "quality": "quality",
    "feature_spec": "feature_spec",
    "split": "split",
    "policy": "policy",
    "looks": "looks",
    "verdict": "verdict",
    "null_control": "null_control",
    "explained": "explained",
    "provenance": "provenance",
}
TABLE_INPUTS = {
    "folds": "folds",
    "leakage": "audit",
    "decisions": "audit",
    "returns": "returns",
    "metrics": "metrics",
    "trades": "trades",
    "random_agents": "random_agents",
    "seeds": "seeds",
    "comparison": "approach_comparison",
    "fold_metrics": "fold_metrics",
    "paths": "paths",
    "robustness": "robustness",
    "history": "search_history",
    "importance": "parameter_importance",
    "explanation": "explanation",
    "rolling": "rolling",
    "months": "months",
    "histogram": "histogram",
    "quantiles": "quantiles",
    "drawdowns": "drawdowns",
    "actions": "actions",
}
# These come in several files, one a round and an agent; selections, one an arm.
SEVERAL_DOCUMENTS = {"suggestions": "suggestions", "selections": "selection"}
SEVERAL_TABLES = {"lanes": "lanes", "curves": "curves", "scores": "scores"}
# Of these there are none where the experiment asks for none.
OPTIONAL_TABLES = {"rungs": "rung", "pareto": "pareto", "perturbed": "perturbed"}
INPUTS = (*DOCUMENT_INPUTS, *TABLE_INPUTS, *SEVERAL_DOCUMENTS, *SEVERAL_TABLES)

Paths = str | Path | Sequence[str | Path]
_EMPTY_TYPES = {"string": "str", "timestamp[us]": "datetime64[us]"}  # of a schema, as pandas calls them


@dataclass(frozen=True)
class Tables:
    """Everything the report shows; the names are those of `outsample.io.schemas`."""

    config: dict[str, Any]
    bars_manifest: dict[str, Any]
    quality: dict[str, Any]
    feature_spec: dict[str, Any]
    split: dict[str, Any]
    policy: dict[str, Any]
    looks: dict[str, Any]
    verdict: dict[str, Any]
    null_control: dict[str, Any]
    explained: dict[str, Any]
    provenance: dict[str, Any]
    folds: pd.DataFrame
    leakage: pd.DataFrame
    decisions: pd.DataFrame
    returns: pd.DataFrame
    metrics: pd.DataFrame
    trades: pd.DataFrame
    random_agents: pd.DataFrame
    seeds: pd.DataFrame
    comparison: pd.DataFrame
    fold_metrics: pd.DataFrame
    paths: pd.DataFrame
    robustness: pd.DataFrame
    history: pd.DataFrame
    importance: pd.DataFrame
    explanation: pd.DataFrame
    rolling: pd.DataFrame
    months: pd.DataFrame
    histogram: pd.DataFrame
    quantiles: pd.DataFrame
    drawdowns: pd.DataFrame
    actions: pd.DataFrame
    suggestions: tuple[dict[str, Any], ...]
    selections: tuple[dict[str, Any], ...]
    lanes: pd.DataFrame
    curves: pd.DataFrame
    scores: pd.DataFrame
    rungs: pd.DataFrame
    pareto: pd.DataFrame
    perturbed: pd.DataFrame

    @property
    def settings(self) -> dict[str, Any]:
        """Every key of the experiment."""
        settings: dict[str, Any] = self.config["settings"]
        return settings

    @property
    def selection(self) -> dict[str, Any]:
        """What the configured arm chose: the strategy that went to the vault.

        Raises: SchemaError where no selection is of that arm.
        """
        arm = self.settings["selection"]["arm"]
        for selection in self.selections:
            if selection["arm"] == arm:
                return selection
        raise SchemaError(f"No selection is of the arm {arm}; run the rule select_strategy for it.")

    @property
    def title(self) -> str:
        """Title of the report: the configured one, or the experiment's name."""
        return str(self.settings["report"]["title"] or self.config["experiment"])

    @property
    def simulated(self) -> bool:
        """Whether the bars were drawn from a model; any file that says so marks the whole report."""
        return bool(self.bars_manifest["simulated"] or self.quality["simulated"])

    @property
    def symbols(self) -> list[str]:
        """Symbols in the order of the config."""
        return [str(symbol) for symbol in self.settings["data"]["symbols"]]

    def metric(self, name: str, series: str = "agent", symbol: str = "portfolio") -> dict[str, float]:
        """Value, lower and upper end of one metric on the vault; NaN where undefined.

        Raises: SchemaError where the table of metrics has no such row.
        """
        table = self.metrics
        rows = table[(table["metric"] == name) & (table["series"] == series) & (table["symbol"] == symbol)]
        if len(rows) != 1:
            raise SchemaError(f"The table metrics has no row {series}, {symbol}, {name}; run the rule evaluate again.")
        return {key: float(rows[key].iloc[0]) for key in ("value", "lower", "upper")}

    def series(self, series: str, symbol: str = "portfolio") -> pd.DataFrame:
        """Bars of one series and symbol on the vault, in the order of time."""
        rows = (self.returns["series"] == series) & (self.returns["symbol"] == symbol)
        return self.returns[rows].sort_values("date", ignore_index=True)


def _several(paths: Paths) -> list[str | Path]:
    return [paths] if isinstance(paths, (str, Path)) else list(paths)


def _only(name: str, paths: Paths) -> str | Path:
    found = _several(paths)
    if len(found) != 1:
        raise SchemaError(f"The report takes one file as {name}, not {len(found)}.")
    return found[0]


def _joined(paths: Paths, schema: str, read: Callable[..., pd.DataFrame]) -> pd.DataFrame:
    return pd.concat([read(path, schema) for path in _several(paths)], ignore_index=True)


def _maybe(paths: Paths, schema: str) -> pd.DataFrame:
    """The rows of all files; without a file, none."""
    if _several(paths):
        return _joined(paths, schema, read_table)
    types = {name: _EMPTY_TYPES.get(kind, kind) for name, kind in TABLES[schema].columns.items()}
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in types.items()})


def check_names(inputs: Mapping[str, Any]) -> None:
    """Stop where an input of the report is missing or unknown.

    Raises: SchemaError naming it.
    """
    missing, unknown = sorted(set(INPUTS) - set(inputs)), sorted(set(inputs) - {*INPUTS, *OPTIONAL_TABLES})
    if missing or unknown:
        what = f"lacks its input {', '.join(missing)}" if missing else f"does not know the input {', '.join(unknown)}"
        raise SchemaError(f"The report {what}; its inputs are {', '.join(INPUTS)}.")


def read_tables(inputs: Mapping[str, Paths]) -> Tables:
    """Read every input of the report.

    Args:
        inputs: name of the input -> its file, or its files, one a round, for those of `SEVERAL_*`; those of
            `OPTIONAL_TABLES` may be left out, or have no file.
    Raises: SchemaError where one is missing, unknown, or does not fit its schema.
    """
    check_names(inputs)
    documents: dict[str, Any] = {
        name: read_json(_only(name, inputs[name]), schema) for name, schema in DOCUMENT_INPUTS.items()
    }
    tables: dict[str, Any] = {
        name: read_table(_only(name, inputs[name]), schema) for name, schema in TABLE_INPUTS.items()
    }
    joined: dict[str, Any] = {
        name: _joined(inputs[name], schema, read_table) for name, schema in SEVERAL_TABLES.items()
    }
    several: dict[str, Any] = {
        name: tuple(read_json(path, schema) for path in _several(inputs[name]))
        for name, schema in SEVERAL_DOCUMENTS.items()
    }
    optional: dict[str, Any] = {name: _maybe(inputs.get(name, []), schema) for name, schema in OPTIONAL_TABLES.items()}
    found = Tables(**documents, **tables, **joined, **several, **optional)
    _check_fit(found)
    return found


def _check_fit(tables: Tables) -> None:
    """Stop where files of different runs lie side by side.

    Raises: SchemaError naming the one that is stale.
    """
    if tables.looks["model"] != tables.policy["onnx_sha256"]:
        raise SchemaError(
            "looks.json evaluated another policy than the one in policy.json; run the rule evaluate again."
        )
    if tables.looks["vault"] != tables.split["vault"]["sha256"]:
        raise SchemaError("looks.json opened another vault than the one in split.json; run the rule evaluate again.")
    explained = tables.explanation
    if explained.loc[~explained["control"], "feature"].tolist() != list(tables.policy["features"]):
        raise SchemaError(
            "explanation.parquet explains other features than the policy's; run the rule explain_policy again."
        )


def day(date: Any) -> str:
    """A date as the report writes it: without the time where that is midnight.

    >>> day("2020-01-02 00:00:00"), day("2020-01-02 15:30:00")
    ('2020-01-02', '2020-01-02 15:30')
    """
    stamp = pd.Timestamp(date)
    return stamp.strftime("%Y-%m-%d") if stamp == stamp.normalize() else stamp.strftime("%Y-%m-%d %H:%M")


def days(dates: pd.Series) -> list[str]:
    """The dates of a column as the report writes them."""
    values = dates.to_numpy().astype("datetime64[m]")
    midnight = bool((values == values.astype("datetime64[D]")).all())
    return [str(text).replace("T", " ") for text in np.datetime_as_string(values, unit="D" if midnight else "m")]
