"""The report on paper and its figures as pictures, by a Chromium that is installed; nothing else needs a browser."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import unquote_to_bytes

from outsample.errors import OutsampleError
from outsample.io.files import replacing

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ASSETS = Path(__file__).parent / "assets"
IMAGES = "images.js"
SECONDS = 300  # after which a browser hangs
MILLISECONDS = 60_000  # of the page's own clock, which runs ahead while nothing happens
# plotly.js names the parts of a picture by random numbers: these are always the same.
_SEEDED = (
    "<script>(() => { let last = 1; Math.random = () => { last = (last * 16807) % 2147483647; "
    "return last / 2147483647; }; })();</script>\n"
)


def find_browser() -> str:
    """Path of the first Chromium or Chrome on the PATH.

    Raises: OutsampleError where there is none.
    """
    for name in NAMES:
        found = shutil.which(name)
        if found:
            return found
    raise OutsampleError(
        f"No browser was found ({', '.join(NAMES)}), and report.pdf and figures/ need one: install Debian's package "
        "chromium, or leave them out, since report.html and report.md need none."
    )


def _run(browser: str, page: Path, *options: str) -> bytes:
    """Standard output of a headless browser that opened the page, with an empty profile and without network.

    Raises: OutsampleError where it fails or hangs.
    """
    with tempfile.TemporaryDirectory(prefix="outsample-browser-") as profile:
        command = [
            *(browser, "--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
            *("--disable-component-update", "--disable-sync", "--disable-extensions", "--hide-scrollbars"),
            *(["--no-sandbox"] if os.geteuid() == 0 else []),  # Chromium refuses a sandbox to root
            *("--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={profile}", "--window-size=735,1040"),
            *("--force-device-scale-factor=1", f"--virtual-time-budget={MILLISECONDS}", *options, page.as_uri()),
        ]
        try:
            done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired as error:
            raise OutsampleError(f"{browser} did not end within {SECONDS} s on {page.name}; try again.") from error
    if done.returncode:
        said = (done.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
        raise OutsampleError(f"{browser} failed on {page.name} with exit code {done.returncode}: {said}")
    return done.stdout


def undated(pdf: bytes) -> bytes:
    """A PDF whose dates are those of its format's first day, so that the same page gives the same bytes.

    >>> undated(b"/CreationDate (D:20260102030405+00'00')")
    b"/CreationDate (D:19930615000000+00'00')"
    """
    return re.sub(rb"(/(?:CreationDate|ModDate) \(D:)\d{14}", rb"\g<1>19930615000000", pdf)


def print_report(page: str | Path, out: str | Path) -> None:
    """Print a report as PDF, everything opened that is folded.

    Args:
        page: report.html.
        out: PDF file to write.
    Raises: OutsampleError where there is no browser, or it fails.
    """
    browser = find_browser()
    with tempfile.TemporaryDirectory(prefix="outsample-print-") as folder:
        copy, made = Path(folder) / "report.html", Path(folder) / "report.pdf"
        copy.write_text(_seeded(page), encoding="utf-8")
        _run(browser, copy, "--no-pdf-header-footer", f"--print-to-pdf={made}")
        if not made.is_file():
            raise OutsampleError(f"{browser} printed nothing of {page}; look whether it opens there.")
        with replacing(out) as temporary:
            temporary.write_bytes(undated(made.read_bytes()))


def draw_figures(page: str | Path, out: str | Path) -> None:
    """Write every figure of a report as NAME.svg and NAME.png, on white.

    Args:
        page: report.html.
        out: folder to write; its files of before are gone.
    Raises: OutsampleError where there is no browser, it fails, or the page has no figures.
    """
    browser = find_browser()
    with tempfile.TemporaryDirectory(prefix="outsample-figures-") as folder:
        copy = Path(folder) / "report.html"
        before, body, after = _seeded(page).rpartition("</body>")
        script = (ASSETS / IMAGES).read_text(encoding="utf-8")
        copy.write_text(f"{before}<script>\n{script}</script>\n{body}{after}", encoding="utf-8")
        dumped = _run(browser, copy, "--dump-dom").decode()
    found = re.search(r'<script type="application/json" id="images">(.*?)</script>', dumped, flags=re.DOTALL)
    if not found:
        raise OutsampleError(f"{browser} drew no figure of {page}; build the report again: run the rule build_report.")
    shutil.rmtree(out, ignore_errors=True)
    for name, images in json.loads(found[1]).items():
        for kind, address in images.items():
            with replacing(Path(out) / f"{name}.{kind}") as temporary:
                temporary.write_bytes(_bytes_of(address))


def _seeded(page: str | Path) -> str:
    text = Path(page).read_text(encoding="utf-8")
    return text.replace("<script>", f"{_SEEDED}<script>", 1)


def _bytes_of(address: str) -> bytes:
    """What a data URL holds.

    >>> _bytes_of("data:image/svg+xml,%3Csvg/%3E"), _bytes_of("data:image/png;base64,aGk=")
    (b'<svg/>', b'hi')
    """
    kind, _, content = address.partition(",")
    return base64.b64decode(content) if kind.endswith(";base64") else unquote_to_bytes(content)
