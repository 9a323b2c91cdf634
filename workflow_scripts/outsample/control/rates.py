"""How often each level was claimed, with an exact interval."""

from __future__ import annotations

from typing import Any

import pandas as pd
from scipy.stats import binomtest

from outsample.config.control import PLANTED, NullControl
from outsample.evaluation.verdict import CLAIM, LEVELS

CONFIDENCE = 0.95


def rate(count: int, total: int) -> dict[str, float]:
    """Count, total, and the share with its Clopper-Pearson interval; NaN of nothing.

    Reference: Clopper and Pearson (1934), The Use of Confidence or Fiducial Limits.
    >>> {name: round(value, 4) for name, value in rate(0, 10).items()}
    {'count': 0, 'total': 10, 'rate': 0.0, 'lower': 0.0, 'upper': 0.3085}
    """
    if not total:
        return {"count": 0, "total": 0} | dict.fromkeys(("rate", "lower", "upper"), float("nan"))
    ends = binomtest(count, total).proportion_ci(CONFIDENCE, method="exact")
    return {"count": count, "total": total, "rate": count / total, "lower": float(ends.low), "upper": float(ends.high)}


def summarise_control(surrogates: pd.DataFrame, shifted: pd.DataFrame, control: NullControl) -> dict[str, Any]:
    """The document `null_control`: how often each level was claimed.

    Args:
        surrogates: table `null_control`, of all surrogates.
        shifted: table `shifted_targets`.
        control: its settings.
    """
    null, planted = surrogates[surrogates["kind"] != PLANTED], surrogates[surrogates["kind"] == PLANTED]
    kinds = [kind for kind in control.kinds if (null["kind"] == kind).any()]
    return {
        "surrogates": len(null),
        "null": levels_of(null),
        "by_kind": {kind: levels_of(null[null["kind"] == kind]) for kind in kinds},
        "active": rate(int((null["activity"] == "trades").sum()), len(null)),
        "planted": levels_of(planted),
        "shifted": {
            "over_buy_and_hold": rate(int((shifted["p_trials_hedged"] < CLAIM).sum()), len(shifted)),
            "over_flat": rate(int((shifted["p_trials_raw"] < CLAIM).sum()), len(shifted)),
        },
    }


def levels_of(table: pd.DataFrame) -> dict[str, dict[str, float]]:
    """The rate of each level of the verdict."""
    return {level: rate(int((table["level"] == level).sum()), len(table)) for level in LEVELS}
