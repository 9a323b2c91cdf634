"""The outcome of every gate that a model has been through. A package records them; deploying judges them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from outsample.evaluation.verdict import LEVELS


def gate_outcomes(
    audit_leakage: pd.DataFrame,
    audit_decisions: pd.DataFrame,
    policy: Mapping[str, Any],
    quality: Mapping[str, Any],
    verdict: Mapping[str, Any],
    metrics: pd.DataFrame,
    thresholds: Mapping[str, Any],
) -> dict[str, dict[str, Any]]:
    """Name of each gate -> {passed, value, detail}.

    Args:
        audit_leakage, audit_decisions: tables `audit`.
        policy, quality, verdict: documents.
        metrics: table `metrics` of the vault.
        thresholds: block `gates` of the settings.
    Returns: `value` is what a threshold can be compared with: rows changed, the bound, a level, a count.
    """
    kind, level = verdict["activity"]["portfolio"]["kind"], verdict["level"]
    warnings = [check for check in quality["checks"] if check["severity"] == "warning" and check["count"] > 0]
    bound = float(policy["gate"]["bound"])
    return {
        "audit_leakage": _audit(audit_leakage, "features, scalers, folds and fills"),
        "audit_decisions": _audit(audit_decisions, "decisions"),
        "training_gate": {
            "passed": bool(policy["gate"]["open"]),
            "value": bound,
            "detail": f"the lower bound of the validated mean return is {bound:.3g} per bar and must be above 0",
        },
        "activity": {"passed": kind == "trades", "value": kind, "detail": f"on the vault, the agent {_does(kind)}"},
        "verdict": {
            "passed": LEVELS.index(level) >= LEVELS.index(thresholds["verdict"]),
            "value": level,
            "detail": f"{verdict['title']}; {thresholds['verdict']} or more is asked for",
        },
        "sharpe": _point(metrics, "sharpe", "at least", thresholds["sharpe"]),
        "max_drawdown": _point(metrics, "max_drawdown", "at most", thresholds["max_drawdown"]),
        "looks": {
            "passed": verdict["look"] == 1,
            "value": verdict["look"],
            "detail": f"it was look number {verdict['look']} at this vault, counted over all experiments",
        },
        "data_quality": {
            "passed": not warnings,
            "value": len(warnings),
            "detail": "; ".join(f"{c['symbol']}: {c['detail']}" for c in warnings) or "no check has a warning",
        },
        "real_data": {
            "passed": not quality["simulated"],
            "value": not quality["simulated"],
            "detail": "the bars are simulated" if quality["simulated"] else "the bars are those of a source",
        },
    }


def _point(metrics: pd.DataFrame, name: str, side: str, threshold: float) -> dict[str, Any]:
    """A point estimate against its threshold; an undefined one passes nothing."""
    of_agent = metrics[(metrics["series"] == "agent") & (metrics["symbol"] == "portfolio")]
    value = float(of_agent.loc[of_agent["metric"] == name, "value"].iloc[0])
    passed = value >= threshold if side == "at least" else value <= threshold
    return {
        "passed": bool(passed),
        "value": value,
        "detail": f"{name.replace('_', ' ')} on the vault is {value:.3g}, and {side} {threshold:g} is asked for",
    }


def _audit(audit: pd.DataFrame, what: str) -> dict[str, Any]:
    changed, cuts = int(audit["changed"].sum()), audit["cut"].nunique()
    return {
        "passed": changed == 0,
        "value": changed,
        "detail": f"{what} made again with another future ({cuts} cuts): {changed} earlier rows changed",
    }


def _does(kind: str) -> str:
    return kind if kind != "trades" else "trades and is not always in the market on one side"
