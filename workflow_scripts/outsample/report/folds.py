"""The folds: when each learns and tests, and how every trial did over them, and over the paths through them."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from outsample.config.folds import Folds
from outsample.folds.table import fold_table, longest_symbol
from outsample.report.charts import BLUE, GREEN, GREY, PALETTE, VERMILION, line, show
from outsample.report.inputs import Tables, day, days
from outsample.report.markup import Content, Fragment, details, join, number, paragraphs, table, unbroken
from outsample.report.tables import SHOWN, metric_number

_QUANTILES = {"least": 0.0, "median": 0.5, "largest": 1.0}
MOST_DRAWN = 30  # folds of the time line; more are not told apart
SUMMARISED = ("sharpe", "total_return", "max_drawdown", "win_rate")
FORWARD = "A model is tested only on bars that come after all bars it learnt from."
AROUND = (
    "A model learns from bars on both sides of those it is tested on, less the purge before and the purge and the "
    "embargo after them; only the vault comes after everything that was learnt."
)


def settings_of(tables: Tables) -> Folds:
    """The block `folds` of the experiment."""
    return Folds(**tables.settings["folds"])


def _spans(rows: pd.DataFrame, label: str) -> tuple[list[str | None], list[str | None]]:
    x: list[str | None] = []
    y: list[str | None] = []
    for first, last in zip(days(rows["first_date"]), days(rows["last_date"]), strict=True):
        x += [first, last, None]
        y += [label, label, None]
    return x, y


def _levels(folds: pd.DataFrame) -> list[tuple[int, int]]:
    """Pairs (fold, inner) from top to bottom: a fold's test (-1) after what it learns from, the final policy last."""
    pairs = folds[["fold", "inner"]].drop_duplicates().to_numpy().tolist()
    return sorted(((int(f), int(i)) for f, i in pairs), key=lambda pair: (pair[0] < 0, pair[0], pair[1] < 0, pair[1]))


def _row_name(fold: int, inner: int) -> str:
    if fold < 0:
        return f"final · {inner}"
    return f"fold {fold} · {inner}" if inner >= 0 else f"fold {fold}"


def _gap_marks(gaps: pd.DataFrame) -> go.Scatter:
    """A tick at the edge of each tested block beyond which bars are left out."""
    marks = [
        (row[date], f"fold {row['fold']}", f"{row[bars]} bars {what}")
        for row in gaps.to_dict("records")
        for bars, date, what in (
            ("left_before", "test_first", "purged"),
            ("left_after", "test_last", "purged and embargoed"),
        )
        if not pd.isna(row[bars])
    ]
    dates, names, texts = zip(*marks, strict=True)
    return go.Scatter(
        x=days(pd.Series(dates)),
        y=list(names),
        text=list(texts),
        name="purged before the test" if gaps["left_after"].isna().all() else "left out beside the test",
        mode="markers",
        marker={"symbol": "line-ns", "size": 16, "line": {"width": 3, "color": GREY}},
        hoverinfo="text+x",
    )


def fold_time_line(tables: Tables) -> Fragment:
    """Train, validated and test spans of every fold, the gaps between them, and the vault."""
    folds = longest_symbol(tables.folds)
    folds = folds[folds["fold"] < MOST_DRAWN]
    figure = go.Figure()
    styles = {
        "train": (BLUE, 5, "train"),
        "validate": (GREEN, 5, "validated for the gate"),
        "test": (VERMILION, 12, "test"),
    }
    for part, (color, width, legend) in styles.items():
        x: list[str | None] = []
        y: list[str | None] = []
        for fold, inner in _levels(folds[folds["part"] == part]):
            rows = folds[(folds["part"] == part) & (folds["fold"] == fold) & (folds["inner"] == inner)]
            more_x, more_y = _spans(rows.sort_values("start"), _row_name(fold, inner))
            x, y = x + more_x, y + more_y
        figure.add_trace(line(x, y, legend, color, width=width, connectgaps=False, hoverinfo="x+name"))
    gaps = fold_table(folds)
    figure.add_trace(_gap_marks(gaps))
    vault = tables.split["vault"]
    figure.add_trace(line([day(vault["first"]), day(vault["last"])], ["vault"] * 2, "vault", PALETTE[3], width=12))
    order = [*(_row_name(fold, inner) for fold, inner in _levels(folds)), "vault"]
    figure.update_yaxes(categoryorder="array", categoryarray=order[::-1], tickfont_size=10, type="category")
    figure.update_layout(hovermode="closest")
    forward, every = settings_of(tables).walks_forward, tables.folds.loc[tables.folds["fold"] >= 0, "fold"].nunique()
    caption = (
        "Time line of the folds. The thick bar of a fold is what it tests, decided by models that learnt from the "
        f"thin bars only; {_left_out(gaps)} (grey tick). Each inner fold (· 0, · 1, …) leaves out one block, which "
        "validates it for the gate; gaps around that block are purge and embargo. The vault was used by nothing above "
        "it." + f" Drawn are the first {MOST_DRAWN} of {every} folds." * (every > MOST_DRAWN)
    )
    what = "walk-forward folds whose test spans follow one another" if forward else "folds that test every bar"
    alt = f"{every} {what} up to the vault, which starts {day(vault['first'])}."
    return show(figure, "folds", caption, alt, 120 + 15 * len(order))


def _left_out(gaps: pd.DataFrame) -> str:
    before, after = (" or ".join(map(str, sorted(set(gaps[f"left_{side}"].dropna())))) for side in ("before", "after"))
    told = f"{before} bars before it are purged" if before else ""
    later = f"{after} bars after it are left out" if after else ""
    return " and ".join(part for part in (told, later) if part)


def folds(tables: Tables) -> Fragment:
    """Spans of each fold, and the bars left out beside its test."""
    forward = settings_of(tables).walks_forward
    found = fold_table(tables.folds)
    rows: list[list[Content]] = []
    for of in found.to_dict("records"):
        spans = f" in {of['train_spans']} spans" if of["train_spans"] > 1 else ""
        before, after = (
            "none" if pd.isna(of[f"left_{side}"]) else number(of[f"left_{side}"], 0) for side in ("before", "after")
        )
        rows.append(
            [
                f"fold {of['fold']}",
                unbroken(f"{day(of['train_first'])} to {day(of['train_last'])}{spans}"),
                number(of["train_rows"], 0),
                before,
                unbroken(f"{day(of['test_first'])} to {day(of['test_last'])}"),
                number(of["test_rows"], 0),
                *([] if forward else [after]),
            ]
        )
    headers = ["fold", "learnt from", "rows", "purged (bars)", "tested on", "rows"]
    kind = "Walk-forward folds" if forward else "Folds"
    shown = table(
        *("folds", [*headers, *([] if forward else ["left out after (bars)"])], rows),
        f"{kind} of the symbol with most bars",
    )
    body = details(f"The {len(rows)} tested blocks", shown) if len(rows) > MOST_DRAWN else shown
    return join(paragraphs([FORWARD if forward else AROUND]), body)


def fold_metrics(tables: Tables) -> Fragment:
    """The chosen trial over its folds in four summaries, and, where there are several, over its paths.

    Of an ensemble it is the best of its members.
    """
    chosen = tables.selection
    members = len(chosen["members"])
    best = f"best of the {members} chosen trials" if members > 1 else "chosen trial"
    name = f"The {best}, {chosen['agent']} {chosen['trial']}, over"

    def of_chosen(frame: pd.DataFrame) -> pd.DataFrame:
        return frame[(frame["agent"] == chosen["agent"]) & (frame["trial"] == chosen["trial"])]

    found = {str(row["metric"]): row for row in of_chosen(tables.fold_metrics).to_dict("records")}
    summaries = ("mean", "median", "worst", "iqm")
    rows: list[list[Content]] = [
        [
            SHOWN[metric].label,
            *(metric_number(SHOWN[metric], found[metric][summary]) for summary in summaries),
            number(found[metric]["folds"], 0),
        ]
        for metric in SUMMARISED
        if metric in found
    ]
    headers = ["metric", "mean", "median", "worst fold", "interquartile mean", "folds"]
    caption = f"{name} its folds, each the mean over seeds, before the gate"
    summary = table("fold-metrics", headers, rows, caption)
    paths = of_chosen(tables.paths)
    return join(summary, _paths(paths, name)) if tables.paths["path"].max() > 0 else summary


def _paths(paths: pd.DataFrame, name: str) -> Fragment:
    rows: list[list[Content]] = [
        [
            SHOWN[metric].label,
            *(metric_number(SHOWN[metric], float(paths[metric].quantile(q))) for q in _QUANTILES.values()),
        ]
        for metric in ("sharpe", "total_return", "max_drawdown")
    ]
    sentence = (
        f"The splits make {len(paths)} paths, each of which tests every one of {paths['bars'].iloc[0]:,} bars once. "
        "Paths share bars and most of what their models learnt from, so their spread says how much the training data "
        "matter, and is no interval. The tests of the verdict take the mean over the paths of each bar."
    )
    shown = table("paths", ["metric", *_QUANTILES], rows, f"{name} the paths through the splits")
    return join(shown, paragraphs([sentence]))
