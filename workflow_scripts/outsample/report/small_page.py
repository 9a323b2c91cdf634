"""A page of tables without figures: the style of the report and its tables, which sort and search."""

from __future__ import annotations

from pathlib import Path

from outsample.io.files import replacing
from outsample.report.markup import escape
from outsample.report.page import ASSETS


def write_page(title: str, body: str, out: str | Path) -> None:
    """Write one self-contained HTML file.

    Args:
        title: text of the heading.
        body: HTML that is already escaped.
        out: file to write.
    """
    style, script = ((ASSETS / name).read_text(encoding="utf-8") for name in ("style.css", "tables.js"))
    page = (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
        "script-src 'unsafe-inline'; img-src data:\">"
        '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">'
        f"<title>{escape(title)}</title><style>\n{style}\n</style></head>\n"
        f'<body class="single"><main><h1>{escape(title)}</h1>\n{body}\n</main>\n'
        f"<script>\n{script}\n</script></body></html>\n"
    )
    with replacing(out) as temporary:
        temporary.write_text(page, encoding="utf-8")
