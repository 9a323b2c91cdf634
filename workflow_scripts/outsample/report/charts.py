"""How every figure looks and how it gets onto the page: palette, layout, thinning, and its markup.

A figure is written as JSON; `assets/report.js` draws it with the vendored plotly.js. Text and grid colours come from
the style sheet, so that a figure follows the reader's light or dark scheme. All palette colours keep a contrast of
3:1 to both backgrounds and are told apart by the colour-blind (after Okabe and Ito, 2008); lines differ in dash too.
"""

from __future__ import annotations

import html
from typing import Any

import plotly.graph_objects as go

from outsample.report.markup import Fragment, escape

BLUE, VERMILION, GREEN, PURPLE, GREY = "#2b83cb", "#d55e00", "#0b9272", "#b163a3", "#80868f"
BAND = "rgba(43, 131, 203, 0.18)"  # between two lines
PALETTE = (BLUE, VERMILION, GREEN, PURPLE, "#a67c00", GREY)
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")

# Series on the vault, in the order of every figure and table: label, colour, dash, width.
SERIES = {
    "agent": ("agent", BLUE, "solid", 2.5),
    "buy_and_hold": ("buy and hold", VERMILION, "solid", 1.5),
    "scaled_buy_and_hold": ("buy and hold at the agent's mean exposure", PURPLE, "dash", 1.5),
    "sma_cross": ("moving-average cross", GREEN, "dot", 1.5),
    "flat": ("flat", GREY, "dashdot", 1.5),
}

# More points than this are not told apart on a screen; longer series are drawn every k-th bar.
MOST_POINTS = 1500


def step_of(bars: int) -> int:
    """Every which bar is drawn, so that a line has at most `MOST_POINTS` points.

    >>> step_of(700), step_of(1500), step_of(1501)
    (1, 1, 2)
    """
    return max(1, -(-bars // MOST_POINTS))


def thinning(bars: int) -> str:
    """The sentence of a caption that says so where bars are left out of the drawing."""
    step = step_of(bars)
    return "" if step == 1 else f" One bar in {step} is drawn."


def line(x: Any, y: Any, name: str, color: str, dash: str = "solid", width: float = 1.5, **extra: Any) -> go.Scatter:
    """A line; the name is shown as text, never read as markup."""
    return go.Scatter(
        x=x,
        y=y,
        name=html.escape(name, quote=False),
        mode="lines",
        line={"color": color, "dash": dash, "width": width},
        **extra,
    )


def band(x: Any, lower: Any, upper: Any, name: str, color: str = BLUE) -> list[go.Scatter]:
    """The area between two lines, as the two traces that draw it; the legend names it once."""
    top = line(x, upper, "upper", color, width=0, hoverinfo="skip", showlegend=False)
    return [top, line(x, lower, name, color, width=0, hoverinfo="skip", fill="tonexty", fillcolor=BAND)]


def _layout(figure: go.Figure, height: int) -> None:
    figure.update_layout(
        template=go.layout.Template(),  # the default one adds 7 kB to each figure
        height=height,
        autosize=True,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, sans-serif", "size": 12, "color": GREY},
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"},
        hovermode="x unified",
        hoverlabel={"font": {"size": 12}},
        modebar={"bgcolor": "rgba(0,0,0,0)"},
        bargap=0.05,
    )
    axis = {"gridcolor": GREY, "zerolinecolor": GREY, "linecolor": GREY, "automargin": True}
    figure.update_xaxes(**axis, showgrid=False, title_standoff=6)
    figure.update_yaxes(**axis, title_standoff=8, fixedrange=True)


def show(figure: go.Figure, name: str, caption: str, alt: str, height: int = 340, group: str = "") -> Fragment:
    """A figure with its caption.

    Args:
        name: id of the figure, unique on the page.
        caption: what is drawn and how to read it.
        alt: what one who cannot see the figure must know.
        height: in pixels.
        group: figures of one group share their horizontal zoom.
    """
    _layout(figure, height)
    content = figure.to_json(validate=False, engine="json").replace("<", "\\u003c")
    linked = f' data-group="{escape(group)}"' if group else ""
    return Fragment(
        f'<figure><div class="chart" id="figure-{escape(name)}" role="group" aria-label="{escape(alt)}"{linked} '
        f'style="min-height:{height}px"></div>\n'
        f'<script type="application/json" class="chart-data" data-for="figure-{escape(name)}">{content}</script>\n'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def nothing(sentence: str) -> Fragment:
    """The sentence that stands where there is nothing to draw."""
    return Fragment(f'<p class="muted">{escape(sentence)}</p>')
