"""HTML of the report's parts: every text is escaped here, and every number keeps its full value beside its rounding."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

UNDEFINED = "undefined"


class Fragment(str):
    """HTML that is already escaped; a notebook shows it as it is."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        return str(self)


@dataclass(frozen=True)
class Number:
    """A number of a table: the text that is read and the value that it was rounded from."""

    text: str
    value: float


Content = str | Number | Fragment


def unbroken(text: str) -> Fragment:
    """A text that stays on one line: a date, an interval."""
    return Fragment(f'<span class="nowrap">{escape(text)}</span>')


def join(*parts: str) -> Fragment:
    """Fragments one after the other."""
    return Fragment("\n".join(part for part in parts if part))


def escape(text: object) -> str:
    """Any text as HTML, quotes included."""
    return text if isinstance(text, Fragment) else html.escape(str(text))


def _signed(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}")


def number(value: float | None, digits: int = 2, suffix: str = "", scale: float = 1.0) -> Number:
    """A number rounded for reading, "undefined" where it is null, NaN or infinite.

    >>> number(-0.1234, 1, " bars", 100).text, number(None).text
    ('−12.3 bars', 'undefined')
    """
    if value is None or not math.isfinite(value):
        return Number(UNDEFINED, math.nan)
    rounded = round(value * scale, digits) + 0.0  # no "-0.0"
    return Number(_signed(f"{rounded:,.{digits}f}{suffix}"), float(value))


def percent(value: float | None, digits: int = 1) -> Number:
    """A fraction as a percentage."""
    return number(value, digits, "\N{NO-BREAK SPACE}%", 100.0)


def hundredths(value: float | None, digits: int = 1) -> Number:
    """A number that is a percentage already."""
    return number(value, digits, "\N{NO-BREAK SPACE}%")


def general(value: float | None) -> Number:
    """A number of any size, to four significant digits.

    >>> general(0.00312345).text, general(12).text
    ('0.003123', '12')
    """
    if value is None or not math.isfinite(value):
        return Number(UNDEFINED, math.nan)
    return Number(_signed(f"{value:.4g}"), float(value))


def interval(lower: Number, upper: Number) -> str:
    """The two ends of an interval, or nothing where there is none."""
    if math.isnan(lower.value) or math.isnan(upper.value):
        return ""
    return f"{lower.text} to {upper.text}"


def _cell(content: Content, header: bool) -> str:
    if isinstance(content, Number):
        tag = "undefined" if math.isnan(content.value) else repr(content.value)
        muted = " muted" if math.isnan(content.value) else ""
        return f'<td class="number{muted}" data-value="{tag}">{escape(content.text)}</td>'
    return f'<th scope="row">{escape(content)}</th>' if header else f"<td>{escape(content)}</td>"


def table(name: str, headers: Sequence[str], rows: Sequence[Sequence[Content]], caption: str = "") -> Fragment:
    """A table that scrolls inside its own box; the first cell of each row names the row.

    Args:
        name: id of the table, unique on the page.
        headers: names of the columns.
        rows: cells; a number is right-aligned and carries its unrounded value as `data-value`.
        caption: what the table shows.
    """
    if not rows:
        return Fragment(f'<p class="muted" id="{escape(name)}">{escape(caption)}: none.</p>')
    numeric = [isinstance(cell, Number) for cell in rows[0]]
    head = "".join(
        f'<th scope="col"{" class=number" if n else ""}>{escape(h)}</th>' for h, n in zip(headers, numeric, strict=True)
    )
    body = "\n".join(
        "<tr>" + "".join(_cell(cell, position == 0) for position, cell in enumerate(row)) + "</tr>" for row in rows
    )
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    label = escape(caption or name)
    return Fragment(
        f'<div class="scroll" tabindex="0" role="region" aria-label="{label}"><table id="{escape(name)}">{title}'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>"
    )


def facts(name: str, pairs: Mapping[str, Content]) -> Fragment:
    """A two-column list of facts."""
    rows = []
    for key, content in pairs.items():
        text = content.text if isinstance(content, Number) else content
        rows.append(f"<dt>{escape(key)}</dt><dd>{escape(text)}</dd>")
    return Fragment(f'<dl class="facts" id="{escape(name)}">' + "\n".join(rows) + "</dl>")


def details(summary: str, body: str) -> Fragment:
    """A part that opens on demand."""
    return Fragment(f"<details><summary>{escape(summary)}</summary>\n{body}\n</details>")


def paragraphs(sentences: Sequence[str], css: str = "") -> Fragment:
    """A paragraph of each sentence."""
    attribute = f' class="{css}"' if css else ""
    return Fragment("\n".join(f"<p{attribute}>{escape(sentence)}</p>" for sentence in sentences))
