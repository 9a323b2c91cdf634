"""The report in Chromium: it draws without an error or a request, wide and narrow, light and dark."""

from __future__ import annotations

import re
import runpy
import shutil
from pathlib import Path

import pytest

from outsample.report.browser import draw_figures, print_report
from outsample.report.page import build_report

write_tables = runpy.run_path(str(Path(__file__).parents[1] / "report_tables.py"))["write_tables"]
pytestmark = [pytest.mark.system, pytest.mark.slow]
CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="module", params=["trades", "never"])
def report(request, tmp_path_factory, repository) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    trades = request.param == "trades"
    symbols = ("<script>alert(1)</script>", "BBB") if trades else ("AAA",)
    inputs = write_tables(folder, symbols, trades=trades, simulated=not trades)
    build_report(repository / "reports" / "report.ipynb", inputs, folder / "report.html")
    return folder / "report.html"


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.fail("Chromium is missing: run scripts/install_system_packages.sh.")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


class Opened:
    """A page with all that it complained of and asked for."""

    def __init__(self, browser, report: Path, viewport: dict, scheme: str):
        self.said: list[str] = []
        self.asked: list[str] = []
        self.context = browser.new_context(viewport=viewport, color_scheme=scheme, has_touch=viewport is NARROW)
        self.page = self.context.new_page()
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.said.append(dialog.message), dialog.dismiss()))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(report.as_uri())
        self.page.wait_for_selector("html[data-drawn]")

    def until(self, condition: str, argument) -> None:
        """Wait for a condition; the page's own policy forbids Playwright's way to wait for a function."""
        for _ in range(100):
            if self.page.evaluate(condition, argument):
                return
            self.page.wait_for_timeout(50)
        pytest.fail(f"not within 5 s: {condition} of {argument}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.close()


@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_opens_clean(browser, report, viewport, scheme, repository):
    with Opened(browser, report, viewport, scheme) as opened:
        page = opened.page
        kept = repository / "build" / "screenshots"
        for whole in (False, True)[: 1 + (scheme == "light")]:
            name = f"{report.parent.name.rstrip('0123456789')}-{scheme}-{viewport['width']}{'-whole' * whole}.png"
            page.screenshot(path=kept / name, full_page=whole)
        drawn = page.locator(".chart .main-svg").evaluate_all(
            "found => new Set(found.map(x => x.closest('.chart').id)).size"
        )
        assert drawn == page.locator(".chart").count() >= 5
        assert opened.said == []
        assert [url for url in opened.asked if not url.startswith(("data:", "blob:"))] == [report.as_uri()]
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        verdict = page.locator("#verdict .title").bounding_box()
        assert verdict["y"] + verdict["height"] < viewport["height"]  # on the first screen
        if viewport is WIDE:
            numbers = page.locator("#key-numbers").bounding_box()
            assert numbers["y"] + numbers["height"] < viewport["height"]
        assert page.evaluate("document.getElementById('figure-equity')._fullLayout._size.h") > 130  # beside its legend


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser, report, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    with Opened(browser, report, WIDE, scheme) as opened:
        opened.page.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true; })")
        found = axe.run(opened.page).response["violations"]
        said = [f"{v['impact']}: {v['id']} at {v['nodes'][0]['target']}" for v in found]
        assert [line for line in said if line.startswith(("serious", "critical"))] == []


def test_axe_would_find_a_pale_sentence(browser, report):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    with Opened(browser, report, WIDE, "light") as opened:
        opened.page.evaluate("document.querySelector('.lead').style.color = '#ccc'")
        assert [v["id"] for v in axe.run(opened.page, "header").response["violations"]] == ["color-contrast"]


COLUMN = "([id, column]) => [...document.getElementById(id).tBodies[0].rows].map(row => row.cells[column].textContent)"


def test_a_table_is_sorted_by_the_keyboard_and_comes_back(browser, report):
    with Opened(browser, report, WIDE, "light") as opened:
        page = opened.page
        written = page.evaluate(COLUMN, ["trials", 1])
        header = page.locator("#trials thead th", has_text="learning_rate")
        place = header.evaluate("cell => cell.cellIndex")
        header.locator("button").focus()
        rates = []
        for expected in ("ascending", "descending", "none"):
            page.keyboard.press("Enter")
            assert header.get_attribute("aria-sort") == expected
            rates.append([float(text) for text in page.evaluate(COLUMN, ["trials", place])])
        assert rates[0] == sorted(rates[0])
        assert rates[1] == sorted(rates[0], reverse=True)
        assert rates[2] not in rates[:2]
        assert page.evaluate(COLUMN, ["trials", 1]) == written
        page.locator("#metrics thead th:nth-child(2) button").click()
        agent = page.locator("#metrics tbody tr td:nth-child(2)").evaluate_all(
            "cells => cells.map(c => c.dataset.value)"
        )
        known = [float(value) for value in agent if value != "undefined"]
        assert known == sorted(known)
        assert agent[len(known) :] == ["undefined"] * (len(agent) - len(known))  # undefined stays last
        assert opened.said == []


def test_a_long_table_is_searched(browser, report):
    with Opened(browser, report, WIDE, "light") as opened:
        page = opened.page
        field = page.get_by_role("searchbox", name="Search in: Metrics", exact=True)
        rows = page.locator("#glossary tbody tr")
        field.fill("sharpe RATIO")
        shown = page.locator("#glossary tbody tr:not([hidden])").all_inner_texts()
        assert 0 < len(shown) < rows.count()
        assert all("sharpe ratio" in text.lower() for text in shown)
        assert f"{len(shown)} of {rows.count()} rows" in page.locator(".search").last.inner_text()
        field.fill("")
        assert all(rows.nth(i).is_visible() for i in range(rows.count()))


def test_each_reason_leads_to_its_section(browser, report):
    with Opened(browser, report, WIDE, "light") as opened:
        links = opened.page.locator("#verdict .reasons li a:last-child")
        assert links.count() == opened.page.locator("#verdict .reasons li").count() >= 3
        ids = links.evaluate_all("found => found.map(x => decodeURIComponent(x.hash.slice(1)))")
        assert opened.page.evaluate("ids => ids.filter(id => !document.getElementById(id))", ids) == []
        assert len(set(ids)) >= 3


def test_print_opens_what_is_folded_and_hides_what_only_a_screen_has(browser, report):
    with Opened(browser, report, WIDE, "dark") as opened:
        page = opened.page
        page.emulate_media(media="print")
        head = "[...document.querySelectorAll('thead th')].map(cell => cell.textContent)"
        headers = page.evaluate(head)
        page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        assert page.locator(".sort:not([hidden])").count() == 0
        assert page.evaluate(head) == headers
        assert page.locator("details:not([open])").count() == 0
        assert not page.locator("nav").is_visible()
        assert not page.locator(".search").first.is_visible()
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        page.evaluate("window.dispatchEvent(new Event('afterprint'))")
        assert page.locator(".sort[hidden]").count() == 0
        assert page.evaluate(head) == headers


def test_a_dark_page_has_light_text_in_its_figures(browser, report):
    for scheme, bright in (("light", False), ("dark", True)):
        with Opened(browser, report, WIDE, scheme) as opened:
            fill = opened.page.locator("#figure-equity .xtick text").first.evaluate("x => getComputedStyle(x).fill")
            red = int(fill.removeprefix("rgb(").split(",")[0])
            assert (red > 128) is bright


def test_figures_over_the_vault_zoom_together_and_back(browser, report):
    with Opened(browser, report, WIDE, "light") as opened:
        page = opened.page
        starts = "([id, date]) => String(document.getElementById(id).layout.xaxis.range[0]).slice(0, 10) === date"
        ranges = "id => document.getElementById(id).layout.xaxis.range.map(x => String(x).slice(0, 10))"
        before = page.evaluate(ranges, "figure-drawdown")
        page.evaluate(
            "Plotly.relayout('figure-equity', {'xaxis.range[0]': '2021-04-01', 'xaxis.range[1]': '2021-05-03'})"
        )
        for figure in ("figure-equity", "figure-drawdown", "figure-behaviour-0", "figure-costs"):
            opened.until(starts, [figure, "2021-04-01"])
            assert page.evaluate(ranges, figure) == ["2021-04-01", "2021-05-03"]
        page.evaluate("Plotly.relayout('figure-costs', {'xaxis.autorange': true})")
        opened.until(starts, ["figure-drawdown", before[0]])
        assert opened.said == []


def test_simulated_data_are_marked_on_every_screen(browser, report):
    with Opened(browser, report, WIDE, "light") as opened:
        banner = opened.page.locator(".banner")
        simulated = "SIMULATED" in opened.page.locator("h1").inner_text()
        assert banner.count() == int(simulated)
        if simulated:
            opened.page.evaluate("window.scrollTo(0, document.body.scrollHeight / 2)")
            assert banner.bounding_box()["y"] == 0


def test_the_contents_lead_to_their_sections(browser, report):
    with Opened(browser, report, WIDE, "light") as opened:
        links = opened.page.locator("nav a").evaluate_all(
            "found => found.map(x => decodeURIComponent(x.hash.slice(1)))"
        )
        assert len(links) == 14  # the verdict, and a section each
        assert opened.page.evaluate("ids => ids.filter(id => !document.getElementById(id))", links) == []
        opened.page.evaluate("window.scrollTo(0, document.body.scrollHeight / 2)")
        first = opened.page.locator("nav a").first.bounding_box()
        assert 0 <= first["y"] < WIDE["height"]  # they stay in sight


@pytest.mark.parametrize("report", ["trades"], indirect=True)
def test_the_pdf_and_the_pictures_are_the_same_twice(report, tmp_path):
    for run in ("first", "second"):
        print_report(report, tmp_path / f"{run}.pdf")
        draw_figures(report, tmp_path / run)
    printed = (tmp_path / "first.pdf").read_bytes()
    assert printed.startswith(b"%PDF-")
    assert printed == (tmp_path / "second.pdf").read_bytes()
    assert str(tmp_path).encode() not in printed
    drawn = {path.name: path.read_bytes() for path in (tmp_path / "first").iterdir()}
    assert drawn == {path.name: path.read_bytes() for path in (tmp_path / "second").iterdir()}
    figures = set(re.findall(r'id="figure-([^"]+)" role', report.read_text(encoding="utf-8")))
    assert set(drawn) == {f"{name}.{kind}" for name in figures for kind in ("svg", "png")}
    for name, content in drawn.items():
        assert content.startswith(b"<svg" if name.endswith("svg") else b"\x89PNG")
        assert b"rgb(255, 255, 255)" in content or name.endswith("png")  # on white, whatever the reader's scheme is
