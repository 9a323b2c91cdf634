"""Performance on the vault more closely: worst drawdowns, rolling Sharpe ratio, months, distribution of returns."""

from __future__ import annotations

import calendar
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from outsample.report.charts import BLUE, GREY, SERIES, VERMILION, band, line, nothing, show, step_of, thinning
from outsample.report.figures import VAULT
from outsample.report.inputs import Tables, day, days
from outsample.report.markup import Content, Fragment, details, join, number, percent, table, unbroken

MONTHS = [calendar.month_abbr[month] for month in range(1, 13)]
LOSS_TO_GAIN = [[0.0, VERMILION], [0.5, "#9aa1a9"], [1.0, BLUE]]


def drawdowns(tables: Tables) -> Fragment:
    """The deepest falls of the agent's and of buy and hold's equity, with their dates."""
    found = tables.drawdowns.sort_values(["series", "rank"], kind="stable")
    rows: list[list[Content]] = [
        [
            f"{SERIES[row['series']][0]} {row['rank']}",
            percent(-row["depth"]),
            unbroken(day(row["peak"])),
            unbroken(day(row["trough"])),
            "not yet" if pd.isna(row["recovered"]) else unbroken(day(row["recovered"])),
            number(row["bars_down"], 0),
            number(row["bars"], 0),
        ]
        for row in found.to_dict("records")
    ]
    headers = ["fall", "depth", "from", "lowest", "recovered", "bars down", "bars in all"]
    return table("drawdowns", headers, rows, "Worst drawdowns on the vault, deepest first")


def rolling(tables: Tables) -> Fragment:
    """Rolling Sharpe ratio of the agent with its band, and of buy and hold."""
    found = tables.rolling
    own = found[found["series"] == "agent"]
    if own["sharpe"].isna().all():
        return nothing(
            "There is no rolling Sharpe ratio to show: the agent's returns do not vary, or the vault is too short."
        )
    window, step = int(own["window"].iloc[0]), step_of(len(own))
    dates = days(own["date"])[::step]
    figure = go.Figure()
    lower, upper = (own[end].to_numpy()[::step] for end in ("lower", "upper"))
    figure.add_traces(band(dates, lower, upper, "agent's band"))
    for name in ("buy_and_hold", "agent"):
        label, color, dash, width = SERIES[name]
        rows = found[found["series"] == name]
        figure.add_trace(line(days(rows["date"])[::step], rows["sharpe"].to_numpy()[::step], label, color, dash, width))
    vault = tables.series("agent")["date"]
    figure.update_xaxes(range=[day(vault.iloc[0]), day(vault.iloc[-1])])
    figure.update_yaxes(title_text="Sharpe ratio", zeroline=True)
    confidence = percent(tables.settings["evaluation"]["confidence"], 0).text
    last = own["sharpe"].dropna()
    caption = (
        f"Sharpe ratio a year of the {window} bars up to each. The band ({confidence}) is that of independent normal "
        "returns: an outline, and no test; where it holds 0, that window alone shows nothing." + thinning(len(own))
    )
    alt = (
        f"Rolling Sharpe ratio of the agent between {number(last.min()).text} and {number(last.max()).text}; "
        f"it ends at {number(last.iloc[-1]).text}."
    )
    return show(figure, "rolling", caption, alt, 280, VAULT)


def months(tables: Tables) -> Fragment:
    """Returns of the agent by calendar month as a heat map, and both series as a table."""
    own = tables.months[tables.months["series"] == "agent"]
    years = sorted(set(own["year"]), reverse=True)
    grid = own.pivot(index="year", columns="month", values="net_return").reindex(index=years, columns=range(1, 13))
    values = grid.to_numpy()
    most = float(np.nanmax(np.abs(values))) or 0.01
    figure = go.Figure(
        go.Heatmap(
            x=MONTHS,
            y=[str(year) for year in years],
            z=values,
            zmin=-most,
            zmax=most,
            colorscale=LOSS_TO_GAIN,
            showscale=False,
            xgap=2,
            ygap=2,
            text=[["" if np.isnan(value) else percent(value).text for value in row] for row in values],
            texttemplate="%{text}",
            textfont={"color": "#000000", "size": 11},
            hovertemplate="%{x} %{y}: %{text}<extra></extra>",
        )
    )
    figure.update_yaxes(type="category")
    up = int((own["net_return"] > 0).sum())
    ranked = own.sort_values("net_return", kind="stable")
    caption = (
        f"Net return of the agent in each calendar month; blue is a gain, orange a loss. {up} of {len(own)} months "
        "gained. The first and the last month may be parts of months."
    )
    alt = f"{caption} Best: {_month(ranked.iloc[-1])}; worst: {_month(ranked.iloc[0])}."
    held = tables.months[tables.months["series"] == "buy_and_hold"].set_index(["year", "month"])["net_return"]
    rows: list[list[Content]] = [
        [
            f"{row['year']}-{row['month']:02d}",
            number(row["bars"], 0),
            percent(row["net_return"], 2),
            percent(held.get((row["year"], row["month"]), float("nan")), 2),
        ]
        for row in own.sort_values(["year", "month"]).to_dict("records")
    ]
    body = table("months", ["month", "bars", "agent", "buy and hold"], rows, "Net return by calendar month")
    return join(
        show(figure, "months", caption, alt, max(130, 70 + 34 * len(years))), details(f"All {len(rows)} months", body)
    )


def _month(row: pd.Series[Any]) -> str:
    return f"{row['year']}-{row['month']:02d}, {percent(row['net_return']).text}"


def distribution(tables: Tables) -> Fragment:
    """Histogram of the returns of a bar, and their quantiles against those of a normal distribution."""
    found = tables.quantiles
    own = found[found["series"] == "agent"]
    if own["net_return"].min() == own["net_return"].max():
        return nothing("There is no distribution to show: every return of the agent on the vault is the same.")
    return join('<div class="pair">', _histogram(tables.histogram), _quantiles(own), "</div>")


def _histogram(bins: pd.DataFrame) -> Fragment:
    figure = go.Figure()
    for name, color in (("buy_and_hold", GREY), ("agent", BLUE)):
        rows = bins[bins["series"] == name]
        figure.add_trace(
            go.Bar(
                x=((rows["left"] + rows["right"]) / 2).to_numpy(),
                y=rows["bars"].to_numpy(),
                name=SERIES[name][0],
                marker_color=color,
                opacity=0.65,
            )
        )
    figure.update_xaxes(title_text="net return of a bar", tickformat=".1%")
    figure.update_yaxes(title_text="bars")
    figure.update_layout(barmode="overlay", hovermode="closest")
    caption = "How often a bar's net return lies in each bin, of the agent and of buy and hold."
    least, most = percent(bins["left"].min()).text, percent(bins["right"].max()).text
    return show(figure, "histogram", caption, f"{caption} All lie between {least} and {most}.", 300)


def _quantiles(own: pd.DataFrame) -> Fragment:
    figure = go.Figure()
    ends = [float(own["normal"].min()), float(own["normal"].max())]
    figure.add_trace(line(ends, ends, "were it normal", VERMILION, "dash"))
    figure.add_trace(
        go.Scatter(
            x=own["normal"].to_numpy(),
            y=own["net_return"].to_numpy(),
            name="agent's quantiles",
            mode="markers",
            marker={"color": BLUE, "size": 5},
        )
    )
    figure.update_xaxes(title_text="normal quantile", tickformat=".1%")
    figure.update_yaxes(title_text="agent's quantile", tickformat=".1%")
    figure.update_layout(hovermode="closest")
    low, normal = own.iloc[0]["net_return"], own.iloc[0]["normal"]
    caption = (
        "The agent's quantiles against those of a normal distribution of the same mean and standard deviation. Points "
        "below the line on the left and above it on the right are heavier tails than the Sharpe ratio knows of."
    )
    alt = f"{caption} The lowest quantile drawn is {percent(low, 2).text}, of the normal {percent(normal, 2).text}."
    return show(figure, "quantiles", caption, alt, 300)
