"""What the agent does on the vault, target by target, and which features drive its decisions."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from outsample.report.charts import PALETTE, show
from outsample.report.inputs import Tables
from outsample.report.markup import (
    Content,
    Fragment,
    escape,
    interval,
    join,
    number,
    paragraphs,
    percent,
    table,
    unbroken,
)


def actions(tables: Tables) -> Fragment:
    """How often each target was asked for, by symbol, and the entropy of these shares."""
    found = tables.actions
    figure = go.Figure()
    entropies = []
    for position, symbol in enumerate(tables.symbols):
        rows = found[found["symbol"] == symbol]
        figure.add_trace(
            go.Bar(
                x=[f"{target:g}" for target in rows["target"]],
                y=rows["share"].to_numpy(),
                name=escape(symbol),
                marker_color=PALETTE[position % len(PALETTE)],
            )
        )
        if len(rows):
            entropies.append(f"{number(rows['entropy'].iloc[0]).text} ({symbol})")
    order = [f"{target:g}" for target in sorted(set(found["target"]))]
    figure.update_xaxes(title_text="target, fraction of the sleeve's equity", type="category")
    figure.update_xaxes(categoryorder="array", categoryarray=order)
    figure.update_yaxes(title_text="share of the bars", tickformat=".0%")
    figure.update_layout(barmode="group", hovermode="closest", showlegend=True)
    caption = (
        "How often each target was asked for on the vault, by symbol. The entropy of these shares, in nats: "
        f"{', '.join(entropies)}; 0 is always the same target."
    )
    return show(figure, "actions", caption, caption, 260)


def drivers(tables: Tables) -> Fragment:
    """Importance of each feature, strongest first, with the control, and how to read it."""
    found, about = tables.explanation, tables.explained
    ordered = found.sort_values(["changed", "place"], ascending=[False, True], kind="stable")
    rows: list[list[Content]] = [
        [
            row["feature"],
            percent(row["changed"]),
            unbroken(interval(percent(row["changed_least"]), percent(row["changed_most"]))),
            percent(row["lost"]),
            percent(row["not_worse"], 0),
            number(row["attribution"], 3),
            number(row["direction"]),
        ]
        for row in ordered.to_dict("records")
    ]
    headers = [
        *("feature", "decisions changed", "least to most", "return lost a year", "shuffles not worse"),
        *("gradient", "direction"),
    ]
    caption = "What drives the decisions, strongest first"
    return join(table("drivers", headers, rows, caption), paragraphs(_reading(tables, about)))


def _reading(tables: Tables, about: dict[str, Any]) -> list[str]:
    control = tables.explanation[tables.explanation["control"]].iloc[0]
    own = tables.explanation[~tables.explanation["control"]]
    above = own[own["changed"] > control["changed_most"]].sort_values("changed", ascending=False, kind="stable")
    names = ", ".join(above["feature"].head(8))
    more = f" and {len(above) - 8} more" if len(above) > 8 else ""
    found = (
        f"More than every shuffle of the control: {names}{more}."
        if len(above)
        else ("No feature changes more decisions than every shuffle of the control does.")
    )
    return [
        found,
        f"Looked at: the last bars before the vault of {', '.join(about['symbols'])}, {about['bars']:,} in all. Each "
        f"feature was put into another order {about['repeats']} times, and the policy decided anew, its gate left "
        "aside. The control does the same to a random mix of all features. The final policy was trained on these bars, "
        "so this tells what it reacts to and not whether it is right to.",
        f"Gradient: mean absolute integrated gradient of the mean action (fraction of equity) on {about['attributed']} "
        f"of these bars, from the mean of the features; the sums are exact to {number(about['residual'], 4).text}. "
        "Direction: 1 where a larger value always speaks for a larger position, −1 where for a smaller one.",
    ]
