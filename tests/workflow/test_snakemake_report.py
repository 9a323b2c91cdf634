"""Snakemake's own report: the pages and tables of an experiment with their captions and categories."""

import pytest

pytestmark = pytest.mark.slow


def test_snakemakes_own_report_holds_the_pages_with_captions(built, tmp_path):
    page = tmp_path / "snakemake.html"
    built.build("--report", str(page), "results/tiny/report.html", "results/tiny/timings.html")
    text = page.read_text(encoding="utf-8")
    for name in ("report.html", "timings.html", "approach_comparison.csv", "equity.csv"):
        assert f"results/tiny/{name}" in text
    for words in (
        "The report of experiment tiny",
        "Seconds and memory of each rule of experiment tiny",
        "Equity of tiny on the vault",
        "ways to choose, compared",
    ):
        assert words in text


def test_every_caption_is_used(repository):
    rules = "".join(path.read_text() for path in (repository / "rules").glob("*.smk"))
    for caption in (repository / "reports" / "captions").iterdir():
        assert f'caption="../reports/captions/{caption.name}"' in rules
