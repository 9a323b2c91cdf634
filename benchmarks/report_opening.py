"""How long a report takes to open in headless Chromium: to its first text, to the load event, to its last figure.

Each repetition is a page of its own, 1280 x 900; nothing is kept between them but the browser.

Usage: .venv/bin/python benchmarks/report_opening.py [results/quickstart/report.html] [--repeat 7]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict
from pathlib import Path

from playwright.sync_api import sync_playwright

from outsample.errors import OutsampleError
from outsample.report.browser import find_browser

PAINTED = "performance.getEntriesByName('first-contentful-paint')[0].startTime / 1000"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", nargs="?", type=Path, default=Path("results/quickstart/report.html"))
    parser.add_argument("--repeat", type=int, default=7)
    options = parser.parse_args()
    try:
        executable = find_browser()
    except OutsampleError:
        parser.error("There is no browser: run scripts/install_system_packages.sh.")
    if not options.report.is_file():
        parser.error(f"There is no {options.report}: run make report, or name another report.")
    found: dict[str, list[float]] = defaultdict(list)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable)
        for _ in range(options.repeat):
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            begin = time.perf_counter()
            page.goto(options.report.absolute().as_uri(), wait_until="load")
            found["load event"].append(time.perf_counter() - begin)
            page.wait_for_selector("html[data-drawn]", state="attached")
            found["last figure drawn"].append(time.perf_counter() - begin)
            found["first text painted"].append(page.evaluate(PAINTED))
            page.close()
    print(f"| {options.report.stat().st_size / 1e6:.1f} MB, {options.repeat} times | median (s) | from | to |")
    print("|---|---|---|---|")
    for name in ("first text painted", "load event", "last figure drawn"):
        seconds = found[name]
        print(f"| {name} | {statistics.median(seconds):.2f} | {min(seconds):.2f} | {max(seconds):.2f} |")


if __name__ == "__main__":
    main()
