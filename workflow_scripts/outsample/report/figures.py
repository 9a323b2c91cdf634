"""The figures of the report; each function draws rows of the tables and returns the figure with its caption."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from outsample.report.charts import (
    BLUE,
    DASHES,
    GREEN,
    GREY,
    PALETTE,
    SERIES,
    VERMILION,
    band,
    line,
    nothing,
    show,
    step_of,
    thinning,
)
from outsample.report.inputs import Tables, day, days
from outsample.report.markup import Fragment, escape, hundredths, join, percent
from outsample.selection.arms import broken_trials

VAULT = "vault"  # group of the figures over the vault's bars: they share their zoom


def _shown_series(tables: Tables) -> list[str]:
    found = set(tables.returns["series"])
    return [name for name in SERIES if name in found]


def equity(tables: Tables) -> Fragment:
    """Equity of the agent and of each benchmark on the vault."""
    figure = go.Figure()
    bars = 0
    of_seeds = _seed_band(tables, figure)
    for name in reversed(_shown_series(tables)):  # the agent last, on top
        label, color, dash, width = SERIES[name]
        rows = tables.series(name)
        bars, step = len(rows), step_of(len(rows))
        figure.add_trace(line(days(rows["date"])[::step], rows["equity"].to_numpy()[::step], label, color, dash, width))
    figure.update_layout(legend_traceorder="reversed")
    figure.update_yaxes(title_text="equity (currency)")
    agent = tables.series("agent")
    final = {name: float(tables.series(name)["equity"].iloc[-1]) for name in _shown_series(tables)}
    alt = f"Equity on the vault from {day(agent['date'].iloc[0])} to {day(agent['date'].iloc[-1])}; it ends at " + (
        ", ".join(f"{value:,.0f} for {SERIES[name][0]}" for name, value in final.items())
    )
    caption = (
        f"Equity of the portfolio over the vault's {bars} bars, net of every cost, against benchmarks through the same "
        f"market rules.{of_seeds}{thinning(bars)} Drag to zoom; the figures over the vault zoom together."
    )
    return show(figure, "equity", caption, alt + ".", 260, VAULT)


def _seed_band(tables: Tables, figure: go.Figure) -> str:
    """Draw the band from the lowest to the highest equity of any one seed; its sentence for the caption."""
    count = tables.seeds["seed"].nunique()
    if count < 2:
        return ""
    ends = tables.seeds.groupby("date", sort=True)["equity"].agg(["min", "max"])
    step = step_of(len(ends))
    dates = days(ends.index.to_series())[::step]
    lower, upper = (ends[end].to_numpy()[::step] for end in ("min", "max"))
    figure.add_traces(band(dates, lower, upper, "its seeds, one by one"))
    return f" The band is what the policies of its {count} seeds make one by one; the agent decides by their mean."


def drawdown(tables: Tables) -> Fragment:
    """Fall of equity from its highest value so far, on the vault."""
    figure = go.Figure()
    bars = 0
    worst: list[str] = []
    for name in reversed([n for n in _shown_series(tables) if n != "flat"]):
        label, color, dash, width = SERIES[name]
        rows = tables.series(name)
        bars, step = len(rows), step_of(len(rows))
        values = rows["equity"].to_numpy()
        fall = values / np.maximum.accumulate(values) - 1
        worst.insert(0, f"{percent(-fall.min()).text} for {label}")
        figure.add_trace(line(days(rows["date"])[::step], fall[::step], label, color, dash, width))
    figure.update_layout(legend_traceorder="reversed")
    figure.update_yaxes(title_text="drawdown", tickformat=".0%", hoverformat=".2%")
    alt = f"Drawdown on the vault; the deepest is {', '.join(worst)}."
    caption = f"Drawdown: equity over its highest value so far, minus one.{thinning(bars)}"
    return show(figure, "drawdown", caption, alt, 260, VAULT)


def trial_scores(tables: Tables) -> Fragment:
    """Out-of-fold Sharpe ratio of every lane, by trial; trials of several agents stand side by side, by name.

    Trials that broke down have none.
    """
    rows = tables.scores[tables.scores["metric"] == "sharpe"].sort_values(["agent", "trial", "fold", "seed"])
    broken = broken_trials(tables.scores)
    rows = rows[[key not in broken for key in zip(rows["agent"], rows["trial"], strict=True)]]
    if rows["agent"].nunique() > 1:
        rows = rows.assign(trial=rows["agent"] + " " + rows["trial"].astype(str))
    undefined = int(rows["value"].isna().sum())
    if undefined == len(rows):
        return nothing(f"There is no Sharpe ratio to show: all {len(rows)} lanes stayed flat out of fold.")
    figure = go.Figure()
    for position, (fold, of_fold) in enumerate(rows.dropna(subset="value").groupby("fold", sort=True)):
        figure.add_trace(
            go.Scatter(
                x=of_fold["trial"].to_numpy(),
                y=of_fold["value"].to_numpy(),
                text=[f"seed {seed}" for seed in of_fold["seed"]],
                name=f"fold {fold}",
                mode="markers",
                marker={"color": PALETTE[position % len(PALETTE)], "symbol": position % 40, "size": 8, "opacity": 0.85},
                hovertemplate="trial %{x}, %{text}: %{y:.2f}",
            )
        )
    figure.update_xaxes(title_text="trial", zeroline=False, dtick=max(1, rows["trial"].nunique() // 20))
    if rows["trial"].dtype.kind not in "iu":
        figure.update_xaxes(type="category", categoryorder="array", categoryarray=rows["trial"].unique().tolist())
    figure.update_yaxes(title_text="Sharpe ratio, out of fold", zeroline=True)
    figure.update_layout(hovermode="closest")
    caption = (
        f"Out-of-fold Sharpe ratio of each of the {len(rows)} lanes (trial, fold, seed), net of costs. {undefined} of "
        "them are undefined (they never traded) and have no mark. Lanes are scored before their gate."
        + (" Trials that broke down are left out." if broken else "")
        + ("" if tables.rungs.empty else " Trials that were stopped at a rung stand there as they were.")
    )
    return show(figure, "trials", caption, caption, 320)


def learning_curves(tables: Tables) -> Fragment:
    """Reward and entropy (of a greedy policy, which has none, the loss) of the chosen trial's runs, by update."""
    chosen = tables.selection
    rows = tables.curves[(tables.curves["agent"] == chosen["agent"]) & (tables.curves["trial"] == chosen["trial"])]
    name = chosen["trial"] if tables.curves["agent"].nunique() == 1 else f"{chosen['agent']} {chosen['trial']}"
    second = ("entropy", "entropy (nats)") if rows["entropy"].any() else ("loss", "loss")
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.06)
    panels = (("reward", "reward per bar (log return)"), second)
    for position, (seed, of_seed) in enumerate(rows.groupby("seed", sort=True)):
        color, dash = PALETTE[position % len(PALETTE)], DASHES[position % len(DASHES)]
        for row, (column, _) in enumerate(panels, start=1):
            runs = of_seed.pivot(index="update", columns=["fold", "inner"], values=column)
            gap = runs.reset_index(drop=True).reindex(range(len(runs) + 1))  # an empty row parts one run from the next
            updates = np.tile([*runs.index.astype(float), np.nan], runs.shape[1])
            thin = line(
                updates, gap.to_numpy().T.ravel(), f"seed {seed}", color, dash, 0.8, opacity=0.25, hoverinfo="skip"
            )
            figure.add_trace(thin.update(showlegend=False), row=row, col=1)
            middle = line(
                runs.index.to_numpy(), runs.median(axis=1).to_numpy(), f"seed {seed}, median run", color, dash, 2.2
            )
            figure.add_trace(middle.update(showlegend=row == 1), row=row, col=1)
    for row, (_, title) in enumerate(panels, start=1):
        figure.update_yaxes(title_text=title, row=row, col=1)
    figure.update_xaxes(title_text="update", row=2, col=1)
    runs_a_seed = len(rows.drop_duplicates(["fold", "inner"]))
    uneven = rows.groupby(["seed", "fold", "inner"]).size().nunique() > 1
    why = "that stopped early" if tables.selection["params"].get("patience") else "of a network with fewer updates"
    caption = (
        f"Learning curves of the chosen trial {name}: thin lines are its {runs_a_seed} training "
        "runs of each seed (folds and inner folds), thick lines the median run. In sample: what is learnt here need "
        "not carry over." + f" A run {why} ends there, and the median goes on without it." * uneven
    )
    return show(figure, "curves", caption, caption, 440)


def behaviour(tables: Tables) -> Fragment:
    """Price and position of each symbol on the vault, one figure a symbol, zoom shared with the equity."""
    return join(*(_behaviour_of(tables, symbol, number) for number, symbol in enumerate(tables.symbols)))


def _behaviour_of(tables: Tables, symbol: str, number: int) -> Fragment:
    rows = tables.series("agent", symbol)
    step = step_of(len(rows))
    dates = days(rows["date"])[::step]
    position = rows["position"].to_numpy()[::step]
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.05, row_heights=[0.62, 0.38])
    figure.add_trace(line(dates, rows["price"].to_numpy()[::step], "close (raw)", GREY), row=1, col=1)
    held = line(dates, position, "position at the close", BLUE, width=1.5, fill="tozeroy")
    held.update(line_shape="hv")
    figure.add_trace(held, row=2, col=1)
    trades = tables.trades[tables.trades["symbol"] == symbol]
    for direction, mark, color in ((1, "triangle-up", GREEN), (-1, "triangle-down", VERMILION)):
        entered = trades[trades["direction"] == direction]
        if len(entered):
            figure.add_trace(
                go.Scatter(
                    x=days(entered["entry_date"]),
                    y=entered["entry_price"].to_numpy(),
                    name="long entered" if direction > 0 else "short entered",
                    mode="markers",
                    marker={"symbol": mark, "color": color, "size": 9},
                ),
                row=1,
                col=1,
            )
    vault = tables.series("agent")["date"]
    figure.update_xaxes(range=[day(vault.iloc[0]), day(vault.iloc[-1])])
    figure.update_yaxes(title_text=escape(symbol), row=1, col=1)
    figure.update_yaxes(
        title_text="position", range=[min(-0.05, *position) * 1.05, max(0.05, *position) * 1.05], row=2, col=1
    )
    caption = (
        f"{symbol}: close and entries above, position as a fraction of the sleeve's equity below.{thinning(len(rows))}"
    )
    alt = (
        f"{symbol}: position between {position.min():.2f} and {position.max():.2f} of equity over the vault, "
        f"{len(trades)} round trips."
    )
    return show(figure, f"behaviour-{number}", caption, alt, 380, VAULT)


def holding_times(tables: Tables) -> Fragment:
    """Histogram of how long the agent's trades last."""
    if tables.trades.empty:
        return nothing("There is no holding time to show: the agent made no trade on the vault.")
    bars = tables.trades["bars"].to_numpy()
    width = -(-int(bars.max()) // 30)  # whole bars, at most 30 of them
    bins = {"start": 0.5, "end": float(bars.max()) + 0.5 + width, "size": width}
    figure = go.Figure(go.Histogram(x=bars, name="trades", marker_color=BLUE, xbins=bins))
    figure.update_xaxes(title_text="bars held")
    figure.update_yaxes(title_text="trades")
    caption = (
        f"Holding times of the {len(bars)} round trips on the vault, all symbols; the longest lasted {bars.max()} bars."
    )
    return show(figure, "holding", caption, caption, 240)


def random_agents(tables: Tables) -> Fragment:
    """Distribution of random agents of the same exposure and turnover, with the agent among them."""
    draws, tests = tables.random_agents, tables.verdict["tests"]
    every = (("total_return", "total return", ".0%"), ("sharpe", "Sharpe ratio", ".1f"))
    panels = [panel for panel in every if draws[panel[0]].max() - draws[panel[0]].min() > 1e-12]
    if not panels:
        return nothing(f"There is nothing to compare: all {len(draws)} random agents of this exposure did the same.")
    figure = make_subplots(rows=1, cols=len(panels), horizontal_spacing=0.08)
    said = []
    for column, (metric, title, tick) in enumerate(panels, start=1):
        counts, edges = np.histogram(draws[metric].dropna().to_numpy(), bins=40)
        bars = go.Bar(x=(edges[:-1] + edges[1:]) / 2, y=counts, name="random agents", marker_color=GREY)
        figure.add_trace(bars.update(showlegend=column == 1), row=1, col=column)
        figure.update_xaxes(title_text=title, tickformat=tick, zeroline=False, row=1, col=column)
        own, below = tables.metric(metric)["value"], tests[f"random_agents_below_{metric}"]
        if np.isfinite(own) and below is not None:
            mark = line([own, own], [0, int(counts.max())], "agent", BLUE, width=3)
            figure.add_trace(mark.update(showlegend=column == 1), row=1, col=column)
            said.append(f"by {title} the agent is above {hundredths(below).text} of them")
        else:
            said.append(f"by {title} the agent cannot be ranked, for its own is undefined")
    figure.update_layout(hovermode="closest")
    caption = (
        f"{len(draws)} random agents with the agent's exposure and turnover on the same bars, at the same costs: "
        f"{'; '.join(said)}. Luck with this exposure gives the grey bars."
    )
    return show(figure, "random", caption, caption, 300)


def costs(tables: Tables) -> Fragment:
    """Costs paid so far on the vault, as a fraction of equity."""
    figure = go.Figure()
    bars = 0
    ends: list[str] = []
    for name in reversed(_shown_series(tables)):
        label, color, dash, width = SERIES[name]
        rows = tables.series(name)
        bars, step = len(rows), step_of(len(rows))
        paid = rows["cost"].cumsum().to_numpy()
        ends.insert(0, f"{percent(paid[-1], 2).text} for {label}")
        figure.add_trace(line(days(rows["date"])[::step], paid[::step], label, color, dash, width))
    figure.update_layout(legend_traceorder="reversed")
    figure.update_yaxes(title_text="costs so far", tickformat=".1%", hoverformat=".3%")
    caption = (
        "Commission, slippage and borrow costs, each bar's as a fraction of the equity one bar before, added up: "
        f"{', '.join(ends)}.{thinning(bars)}"
    )
    return show(figure, "costs", caption, caption, 260, VAULT)
