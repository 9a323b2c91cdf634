"""The outcome of every gate that a model has been through. A package records them; deploying judges them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd


def gate_outcomes(
    audit_leakage: pd.DataFrame,
    audit_decisions: pd.DataFrame,
    policy: Mapping[str, Any],
    quality: Mapping[str, Any],
    verdict: Mapping[str, Any],
) -> dict[str, dict[str, Any]]:
    """Name of each gate -> {passed, value, detail}.

    Args:
        audit_leakage, audit_decisions: tables `audit`.
        policy, quality, verdict: documents.
    Returns: `value` is what a threshold can be compared with: rows changed, the bound, a level, a count.
    """
    kind, level = verdict["activity"]["portfolio"]["kind"], verdict["level"]
    warnings = [check for check in quality["checks"] if check["severity"] == "warning" and check["count"] > 0]
    bound = float(policy["gate"]["bound"])
    return {
        "audit_leakage": _audit(audit_leakage, "features, scalers and folds"),
        "audit_decisions": _audit(audit_decisions, "decisions"),
        "training_gate": {
            "passed": bool(policy["gate"]["open"]),
            "value": bound,
            "detail": f"the lower bound of the validated mean return is {bound:.3g} per bar and must be above 0",
        },
        "activity": {"passed": kind == "trades", "value": kind, "detail": f"on the vault, the agent {_does(kind)}"},
        "verdict": {
            "passed": level == "evidence_over_buy_and_hold",
            "value": level,
            "detail": verdict["title"],
        },
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


def _audit(audit: pd.DataFrame, what: str) -> dict[str, Any]:
    changed, cuts = int(audit["changed"].sum()), audit["cut"].nunique()
    return {
        "passed": changed == 0,
        "value": changed,
        "detail": f"{what} made again with another future ({cuts} cuts): {changed} earlier rows changed",
    }


def _does(kind: str) -> str:
    return kind if kind != "trades" else "trades and is not always in the market on one side"
