"""The search as it went: best score so far, every trial's parameters as one line, and what the scores follow."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from outsample.report.charts import BLUE, GREY, PALETTE, line, nothing, show
from outsample.report.inputs import Tables
from outsample.report.markup import Content, Fragment, Number, join, number, paragraphs, table
from outsample.selection.history import LEAST_TRIALS

MOST_LINES = 200  # trials of a parallel plot; the best ones


def history(tables: Tables) -> Fragment:
    """Score of each trial in the order of the search, and the best so far, by agent."""
    found = tables.history
    if found["score"].isna().all():
        return nothing("There is no history to show: no trial has a score.")
    figure = go.Figure()
    for position, (agent, rows) in enumerate(found.groupby("agent", sort=True)):
        color, scored = PALETTE[position % len(PALETTE)], rows.dropna(subset="score")
        figure.add_trace(
            go.Scatter(
                x=scored["trial"].to_numpy(),
                y=scored["score"].to_numpy(),
                text=[f"round {r}, {o}" for r, o in zip(scored["round"], scored["origin"], strict=True)],
                name=f"{agent}, trial",
                mode="markers",
                marker={"color": color, "symbol": position, "size": 8},
                hovertemplate="trial %{x}, %{text}: %{y:.2f}",
            )
        )
        best = line(rows["trial"].to_numpy(), rows["best"].to_numpy(), f"{agent}, best so far", color, width=2)
        figure.add_trace(best.update(line_shape="hv"))
    ticks = max(1, int(found["trial"].max()) // 20)
    figure.update_xaxes(title_text="trial, in the order of the search", dtick=ticks, zeroline=False)
    figure.update_yaxes(title_text=f"score ({tables.selection['arm']})", zeroline=True)
    figure.update_layout(hovermode="closest")
    failed, unscored = int(found["failed"].sum()), int((found["score"].isna() & ~found["failed"]).sum())
    caption = (
        f"History of the search: the score of each trial and the best so far. Of {len(found)} trials {failed} broke "
        f"down and {unscored} stayed flat on every fold; those have no mark. The best of many rises by luck alone."
    )
    return show(figure, "history", caption, caption, 300)


def parallel(tables: Tables) -> Fragment:
    """One line a trial over an axis for each varied parameter and one for the score; the chosen agent's trials."""
    agent = tables.selection["agent"]
    params = {
        trial["trial"]: trial["params"]
        for document in tables.suggestions
        if document["agent"] == agent
        for trial in document["trials"]
    }
    rows = tables.history[tables.history["agent"] == agent].dropna(subset="score")
    rows = (
        rows.sort_values("score", ascending=False, kind="stable").head(MOST_LINES).sort_values("score", kind="stable")
    )
    varied = _varied([params[int(trial)] for trial in rows["trial"]])
    if len(rows) < 2 or not varied:
        return nothing(f"There are no lines to draw: fewer than two trials of {agent} have a score and differ.")
    axes = {name: _Axis([params[int(trial)].get(name) for trial in rows["trial"]]) for name in varied}
    axes["score"] = _Axis(rows["score"].tolist())
    figure = go.Figure()
    chosen = tables.selection["trial"]
    for place, trial in enumerate(rows["trial"]):  # the best last, on top
        own = int(trial) == chosen
        share = place / max(len(rows) - 1, 1)
        drawn = line(
            list(axes),
            [axis.heights[place] for axis in axes.values()],
            f"trial {trial} (chosen)" if own else f"trial {trial}",
            BLUE if own or share >= 0.75 else GREY,
            "solid" if own else "dot",
            3.0 if own else 1.2,
            opacity=1.0 if own else 0.55 + 0.4 * share,
            text=[axis.texts[place] for axis in axes.values()],
            hovertemplate="%{x}: %{text}",
        )
        figure.add_trace(drawn.update(showlegend=own))
    for name, axis in axes.items():
        for height, text in ((0.0, axis.low), (1.0, axis.high)):
            figure.add_annotation(x=name, y=height, text=text, showarrow=False, yshift=-10 if height == 0 else 10)
    figure.update_xaxes(type="category")
    figure.update_yaxes(showticklabels=False, range=[-0.15, 1.15], showgrid=False, zeroline=False)
    figure.update_layout(hovermode="closest")
    caption = (
        f"Each line is a trial of {agent} ({len(rows)} with a score): its varied parameters, each from its smallest "
        "value tried (bottom) to its largest (top), and its score. Blue: the quarter with the best scores; solid: the "
        "chosen trial."
    )
    return show(figure, "parallel", caption, caption, 340)


class _Axis:
    """Where each value stands between the smallest (0) and the largest (1); what is no number, by name."""

    def __init__(self, values: Sequence[Any]) -> None:
        self.texts = [_text(value) for value in values]
        if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values):
            numbers = [float(value) for value in values]
            logarithmic = min(numbers) > 0 and max(numbers) > 20 * min(numbers)
            places = [math.log(value) for value in numbers] if logarithmic else numbers
            least, most = numbers.index(min(numbers)), numbers.index(max(numbers))
        else:
            names = sorted(set(self.texts))
            places = [float(names.index(text)) for text in self.texts]
            least, most = places.index(min(places)), places.index(max(places))
        low, span = min(places), max(places) - min(places)
        self.heights = [(place - low) / span if span else 0.5 for place in places]
        self.low, self.high = self.texts[least], self.texts[most]


def _text(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else "none" if value is None else str(value)


def _varied(given: Sequence[Mapping[str, Any]]) -> list[str]:
    names = sorted({name for params in given for name in params})
    return [name for name in names if len({repr(params.get(name)) for params in given}) > 1]


def importance(tables: Tables) -> Fragment:
    """What the scores follow, strongest first, and how to read it."""
    found = tables.importance
    if found.empty:
        return paragraphs(
            [
                "What the scores follow is not said: no parameter was varied over at least "
                f"{LEAST_TRIALS} trials of the search that were trained to their end and have a score."
            ]
        )
    ordered = found.sort_values(["agent", "strength", "parameter"], ascending=[True, False, True], kind="stable")
    rows: list[list[Content]] = [
        [
            row["parameter"],
            row["agent"],
            number(row["trials"], 0),
            number(row["strength"]),
            _direction(row["direction"]),
            number(row["p_value"], 3),
        ]
        for row in ordered.to_dict("records")
    ]
    headers = ["parameter", "agent", "trials", "strength", "score rises with", "p"]
    reading = (
        "Strength is the absolute rank correlation of parameter and score, 0 to 1; p is how often shuffled scores "
        "follow the parameter as strongly. A sampler moves parameters together, and each row looks at one alone: a low "
        "p says where to look, and is no proof."
    )
    return join(
        table("importance", headers, rows, "Parameters that the score follows, strongest first"), paragraphs([reading])
    )


def _direction(value: float) -> str | Number:
    if math.isnan(value):
        return "no direction"
    return "larger values" if value > 0 else "smaller values" if value < 0 else "neither"
