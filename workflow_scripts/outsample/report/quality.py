"""The report on the quality of the bars: what the checks found, which were relaxed, and what was repaired."""

from __future__ import annotations

from typing import Any

from outsample.config.validation import Severities
from outsample.report.inputs import Tables
from outsample.report.markup import Content, Fragment, details, join, number, paragraphs, table, unbroken


def quality_checks(tables: Tables) -> Fragment:
    """How many checks there are by severity, what they found, and, folded away, those that found nothing."""
    found: list[list[Content]] = [
        [str(c["id"]), str(c["severity"]), str(c["symbol"]), number(c["count"], 0), str(c["detail"])]
        for c in tables.quality["checks"]
        if c["count"]
    ]
    headers = ["check", "severity", "symbol", "count", "detail"]
    passed = _passed(tables)
    return join(
        paragraphs([_counts(tables), *_changed(tables)]),
        table("quality", headers, found, "What the checks found") if found else "",
        details(
            f"{len(passed)} checks found nothing",
            table("quality-passed", ["check", "severity", "symbols", "what it looks for"], passed),
        )
        if passed
        else "",
    )


def _severities(tables: Tables) -> dict[str, str]:
    return {str(c["id"]): str(c["severity"]) for c in tables.quality["checks"]}


def _counts(tables: Tables) -> str:
    severities = list(_severities(tables).values())
    found = {
        kind: sum(1 for c in tables.quality["checks"] if c["count"] and c["severity"] == kind)
        for kind in ("error", "warning")
    }
    return (
        f"{severities.count('error')} checks are errors, which stop the run, and {severities.count('warning')} are "
        f"warnings; {severities.count('off')} are off. Findings, each of a check and a symbol: {found['error']} errors "
        f"and {found['warning']} warnings."
    )


def _changed(tables: Tables) -> list[str]:
    """The checks whose severity is not that of the defaults."""
    defaults = {name: field.default for name, field in Severities.model_fields.items()}
    changed = [
        f"{check} ({severity} instead of {defaults[check]})"
        for check, severity in _severities(tables).items()
        if defaults.get(check, severity) != severity
    ]
    return [f"Set in validation.severities: {', '.join(changed)}."] if changed else []


def _passed(tables: Tables) -> list[list[Content]]:
    """A row a check that found nothing in any symbol."""
    by_check: dict[str, list[dict[str, Any]]] = {}
    for entry in tables.quality["checks"]:
        by_check.setdefault(str(entry["id"]), []).append(entry)
    rows: list[list[Content]] = []
    for check, entries in by_check.items():
        if any(entry["count"] for entry in entries):
            continue
        field = Severities.model_fields.get(check)
        looked = str(field.description) if field else ""
        symbols = ", ".join(str(entry["symbol"]) for entry in entries)
        rows.append([check, str(entries[0]["severity"]), symbols, looked])
    return rows


def repairs(tables: Tables) -> Fragment:
    """What the repairs that were asked for changed, by rule and symbol; every value is in repairs.parquet."""
    asked = tables.quality["repairs"]
    if not asked:
        return paragraphs(["No repair was asked for: bars are used as they came, or not at all."])
    rows: list[list[Content]] = [
        [unbroken(str(r["rule"])), str(r["symbol"]), number(r["bars"], 0), number(r["values"], 0), str(r["detail"])]
        for r in asked
    ]
    headers = ["repair", "symbol", "bars", "values", "first dates and values"]
    return table("repairs", headers, rows, "Repairs of the bars; repairs.parquet holds every value before and after")
