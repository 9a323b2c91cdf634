"""The page as a file: self-contained, without code, the same bytes each time."""

from __future__ import annotations

import json
import os
import re
import runpy
import shutil
from pathlib import Path

import nbformat
import papermill
import pytest

from outsample.errors import SchemaError
from outsample.report import page
from outsample.report.page import build_report, contents

write_tables = runpy.run_path(str(Path(__file__).parents[1] / "report_tables.py"))["write_tables"]


@pytest.fixture(scope="module")
def notebook(repository) -> Path:
    return repository / "reports" / "report.ipynb"


@pytest.fixture(scope="module")
def built(tmp_path_factory, notebook) -> tuple[dict, Path]:
    folder = tmp_path_factory.mktemp("built")
    inputs = write_tables(folder, ("<script>alert(1)</script>", "BBB"))
    build_report(notebook, inputs, folder / "report.html")
    return inputs, folder / "report.html"


def without_plotly(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    bundle = (page.ASSETS / "plotly-cartesian.min.js").read_text(encoding="utf-8")
    assert text.count(bundle) == 1
    return text.replace(bundle, "")


@pytest.mark.slow
def test_two_builds_give_the_same_bytes_wherever_the_tables_lie(built, notebook, tmp_path, monkeypatch):
    inputs, first = built
    shutil.copytree(first.parent, tmp_path / "elsewhere", dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)

    def moved(path):
        return [moved(p) for p in path] if isinstance(path, list) else Path("elsewhere") / path.name

    build_report(notebook, {name: moved(path) for name, path in inputs.items()}, tmp_path / "report.html")
    assert (tmp_path / "report.html").read_bytes() == first.read_bytes()


@pytest.mark.slow
def test_the_page_asks_for_nothing_and_shows_no_code_no_path_no_markup_of_a_label(built):
    _, out = built
    text = without_plotly(out)
    assert out.stat().st_size < 3_000_000
    assert not re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?(?!#|data:)[^\s>"')]""", text)
    assert "http" not in text.replace("http-equiv", "")
    assert "read_tables" not in text
    assert "import " not in text
    for path in (str(out.parent), os.path.expanduser("~"), "/tmp/", str(page.ASSETS)):
        assert path not in text
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "Content-Security-Policy" in text


@pytest.mark.slow
def test_the_page_has_its_sections_in_order_and_each_is_in_the_contents(built, notebook):
    text = without_plotly(built[1])
    entries = contents(nbformat.read(notebook, as_version=4))
    first = ["How often does this procedure find skill in noise?", "What was asked", "Data", "Folds"]
    assert [e["title"] for e in entries][:4] == first
    places = []
    for entry in entries:
        assert f'href="#{entry["anchor"]}">{entry["title"]}</a></li>' in text
        places.append(text.index(f'<h2 id="{entry["anchor"]}">'))
    assert places == sorted(places)
    assert text.index('id="verdict"') < text.index('id="key-numbers"') < text.index('id="figure-equity"') < places[0]
    assert text.count("<h1>") == 1


@pytest.mark.slow
def test_the_script_part_of_a_figure_cannot_be_left(built):
    for content in re.findall(r'class="chart-data"[^>]*>(.*?)</script>', without_plotly(built[1]), flags=re.DOTALL):
        assert "<" not in content
        json.loads(content)


def test_a_wrong_input_stops_before_any_kernel_starts(tmp_path, notebook, monkeypatch):
    monkeypatch.setattr(papermill, "execute_notebook", None)
    inputs = write_tables(tmp_path)
    inputs["verdict"].unlink()
    with pytest.raises(SchemaError, match="verdict"):
        build_report(notebook, inputs, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


@pytest.mark.slow
def test_a_named_error_of_a_cell_comes_out_as_itself(tmp_path):
    cell = nbformat.v4.new_code_cell(
        "from outsample.errors import DataError\nraise DataError('No bars in X; give some.')"
    )
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "fails.ipynb")
    with pytest.raises(page.errors.DataError, match=r"^No bars in X; give some\.$"):
        page._execute(tmp_path / "fails.ipynb", {})


def test_the_notebook_is_stored_without_outputs_and_each_cell_is_short(notebook):
    cells = nbformat.read(notebook, as_version=4).cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    assert code[0].metadata.tags == ["parameters"]
    shown = re.compile(r"\w+\.\w+\(report\)")
    assert all(shown.fullmatch(cell.source) for cell in code[2:])


def test_the_vendored_plotly_is_the_one_that_plotly_writes_for():
    from plotly.offline import get_plotlyjs_version

    head = (page.ASSETS / "plotly-cartesian.min.js").read_text(encoding="utf-8")[:200]
    assert f"v{get_plotlyjs_version()}" in head


def test_every_asset_of_the_page_is_there():
    assert all((page.ASSETS / name).is_file() for name in (*page.ASSET_FILES, "plotly-cartesian.LICENSE"))
