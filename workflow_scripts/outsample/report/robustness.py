"""What becomes of the agent's result where costs, fills, the first bar or the weather are others."""

from __future__ import annotations

import pandas as pd

from outsample.report.inputs import Tables
from outsample.report.markup import Content, Fragment, join, number, paragraphs, percent, table

KINDS = {
    "costs": "costs of a fill",
    "fill": "fills",
    "start": "first bar",
    "volatility": "weather",
    "month": "worst months of buy and hold",
    "perturbed": "hyper-parameters, out of fold",
    "crash": "a crash that the policy does not see",
}

OUT_OF_FOLD = (
    "Hyper-parameters are moved out of fold, before the gate, which is no look at the vault; means over the seeds."
)


def robustness(tables: Tables) -> Fragment:
    """The scenarios, and in one sentence what costs the result bears."""
    found = tables.robustness.sort_values("place", kind="stable")
    moved = tables.perturbed.sort_values("place", kind="stable").assign(kind="perturbed")
    rows: list[list[Content]] = [
        [
            f"{KINDS[row['kind']]}: {row['scenario']}",
            number(row["cost"], 1, " bps"),
            number(row["bars"], 0),
            percent(row["total_return"]),
            percent(row["buy_and_hold_return"]),
            number(row["sharpe"]),
            percent(row["max_drawdown"]),
        ]
        for row in [*found.to_dict("records"), *moved.to_dict("records")]
    ]
    headers = [
        *("scenario", "cost of a fill", "bars", "total return", "buy and hold", "Sharpe ratio", "largest drawdown")
    ]
    return join(
        table("robustness", headers, rows, "The vault in other circumstances; the policy is the same"),
        paragraphs([sentence(found), *([] if moved.empty else [OUT_OF_FOLD])]),
    )


def sentence(found: pd.DataFrame) -> str:
    """Which costs eat the result up."""
    costs = found[found["kind"] == "costs"]
    levels = dict(zip(costs["scenario"], costs["cost"].astype(float), strict=True))
    earned = dict(zip(costs["scenario"], costs["total_return"].astype(float), strict=True))
    if earned["0 times the costs"] <= 0:
        return "Even without costs nothing is earned."
    even, configured = levels.get("nothing is earned"), levels["1 times the costs"]
    if even is None:
        return "No cost of up to 500 basis points a fill eats the result up: it hardly trades."
    side = "below" if even < configured else "above"
    ratio = "" if configured == 0.0 else f", {even / configured:.1f} times them"
    return f"The result is eaten up at {even:.1f} basis points a fill, which is {side} the configured costs{ratio}."
