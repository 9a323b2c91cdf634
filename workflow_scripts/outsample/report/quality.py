"""The report on the quality of the bars: what the checks found, which were relaxed, and what was repaired."""

from __future__ import annotations

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
            table("quality-passed", ["check", "severity", "what it looks for"], passed),
        )
        if passed
        else "",
    )


def _severities(tables: Tables) -> dict[str, str]:
    return {str(c["id"]): str(c["severity"]) for c in tables.quality["checks"]}


def _counts(tables: Tables) -> str:
    severities = list(_severities(tables).values())
    found = sum(1 for c in tables.quality["checks"] if c["count"])
    return (
        f"Checks that stop the run: {severities.count('error')}; that warn: {severities.count('warning')}; "
        f"switched off: {severities.count('off')}. Warnings, each of one check and one symbol: {found}."
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
    """A row a check that was looked for and found nothing in any symbol."""
    found = {str(entry["id"]) for entry in tables.quality["checks"] if entry["count"]}
    rows: list[list[Content]] = []
    for check, severity in _severities(tables).items():
        if check not in found and severity != "off":
            field = Severities.model_fields.get(check)
            rows.append([check, severity, str(field.description) if field else ""])
    return rows


def repairs(tables: Tables) -> Fragment:
    """What the repairs that were asked for changed, by rule and symbol; every value is in repairs.parquet."""
    asked = tables.quality["repairs"]
    if not asked:
        return paragraphs(["No repair was asked for: bars are used as they came, or not at all."])
    rows: list[list[Content]] = [
        [unbroken(str(r["rule"])), str(r["symbol"]), number(r["bars"], 0), number(r["values"], 0), str(r["detail"])]
        for r in asked
        if r["bars"]
    ]
    idle: dict[str, list[str]] = {}
    for r in asked:
        if not r["bars"]:
            idle.setdefault(str(r["rule"]), []).append(str(r["symbol"]))
    headers = ["repair", "symbol", "bars", "values", "first dates and values"]
    caption = "Repairs of the bars; repairs.parquet holds every value before and after"
    return join(
        table("repairs", headers, rows, caption) if rows else "",
        paragraphs([f"{rule} found nothing to repair in {', '.join(symbols)}." for rule, symbols in idle.items()]),
    )
