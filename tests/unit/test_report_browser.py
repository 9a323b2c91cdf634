"""Paper and pictures need a browser; where it is missing or fails, one sentence says so."""

from __future__ import annotations

import pytest

from outsample.errors import OutsampleError
from outsample.report import browser

PAGE = "<html><head><script>1</script></head><body><script>2</script></body></html>"


@pytest.fixture
def page(tmp_path):
    (tmp_path / "report.html").write_text(PAGE)
    return tmp_path / "report.html"


def program(folder, monkeypatch, script: str) -> None:
    """A browser of a few lines of shell that is the only one there is."""
    (folder / "bin").mkdir()
    path = folder / "bin" / "chromium"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:/usr/bin:/bin")


@pytest.mark.parametrize("make", [browser.print_report, browser.draw_figures])
def test_without_a_browser_one_sentence_says_what_to_do(make, page, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(OutsampleError, match=r"No browser was found.*install Debian's package chromium, or leave"):
        make(page, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("make", [browser.print_report, browser.draw_figures])
def test_a_browser_that_fails_is_told_with_its_own_last_line(make, page, tmp_path, monkeypatch):
    program(tmp_path, monkeypatch, "echo first >&2; echo no display >&2; exit 3")
    with pytest.raises(OutsampleError, match=r"failed on report\.html with exit code 3: no display$"):
        make(page, tmp_path / "out")


def test_a_browser_that_makes_nothing_is_told(page, tmp_path, monkeypatch):
    program(tmp_path, monkeypatch, "exit 0")
    with pytest.raises(OutsampleError, match=r"printed nothing of .*report\.html"):
        browser.print_report(page, tmp_path / "out.pdf")
    with pytest.raises(OutsampleError, match=r"drew no figure of .*run the rule build_report"):
        browser.draw_figures(page, tmp_path / "figures")


def test_a_browser_that_hangs_is_ended(page, tmp_path, monkeypatch):
    program(tmp_path, monkeypatch, "exec sleep 60")
    monkeypatch.setattr(browser, "SECONDS", 0.2)
    with pytest.raises(OutsampleError, match=r"did not end within 0\.2 s"):
        browser.print_report(page, tmp_path / "out.pdf")


def test_the_copy_that_is_drawn_has_seeded_names_and_the_script_of_the_pictures_last(page, tmp_path, monkeypatch):
    kept = tmp_path / "kept.html"
    program(tmp_path, monkeypatch, f'for last; do :; done; cp "${{last#file://}}" "{kept}"')
    with pytest.raises(OutsampleError, match="drew no figure"):
        browser.draw_figures(page, tmp_path / "figures")
    text = kept.read_text()
    assert text.index("Math.random = ") < text.index("<script>1<") < text.index("<script>2<") < text.index("toImage")
    assert text.endswith("</body></html>")
    assert page.read_text() == PAGE
