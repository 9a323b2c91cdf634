"""The page: the notebook run by papermill in this interpreter, and written by nbconvert as one self-contained file."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
import papermill
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbconvert import HTMLExporter
from traitlets.config import Config

import outsample
from outsample import errors
from outsample.io.files import replacing
from outsample.report.inputs import Paths, Tables, check_names, read_tables

ASSETS = Path(__file__).parent / "assets"
# What the page takes in beside the notebook; a rule that builds it counts them as code.
ASSET_FILES = ("conf.json", "index.html.j2", "style.css", "tables.js", "report.js", "plotly-cartesian.min.js")


def _kernel_spec(private: str) -> KernelSpec:
    """A kernel of this very interpreter and this checkout's package, blind to what the user has installed or set.

    Args:
        private: an empty folder for IPython's own files.
    """
    package_root = str(Path(outsample.__file__).resolve().parents[1])
    paths = [package_root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return KernelSpec(
        argv=[
            sys.executable,
            "-Xfrozen_modules=off",
            "-m",
            "ipykernel_launcher",
            "-f",
            "{connection_file}",
            "--HistoryManager.enabled=False",
            "--log-level=CRITICAL",  # an error of a cell comes back to us; the rest is chatter about sockets
        ],
        display_name="Outsample",
        language="python",
        env={"PYTHONPATH": os.pathsep.join(paths), "IPYTHONDIR": private, "JUPYTER_CONFIG_DIR": private},
    )


def _kernel_manager(private: str) -> type[AsyncKernelManager]:
    class ReportKernelManager(AsyncKernelManager):
        """Starts that kernel whatever kernel specifications are installed on this machine."""

        @property
        def kernel_spec(self) -> KernelSpec:
            return _kernel_spec(private)

    return ReportKernelManager


def _execute(notebook: Path, parameters: dict[str, Any]) -> nbformat.NotebookNode:
    """Run a notebook; an error that is meant for the user comes out as itself.

    Raises: the OutsampleError which a cell raised, with its sentence; PapermillExecutionError for any other.
    """
    with tempfile.TemporaryDirectory(prefix="outsample-report-") as private:
        try:
            return papermill.execute_notebook(
                str(notebook),
                None,
                parameters=parameters,
                kernel_name="python3",
                progress_bar=False,
                log_output=False,
                kernel_manager_class=_kernel_manager(private),
                start_timeout=120,
            )
        except papermill.PapermillExecutionError as error:
            named = getattr(errors, error.ename, None)
            if isinstance(named, type) and issubclass(named, errors.OutsampleError):
                raise named(error.evalue) from error
            raise


def contents(notebook: nbformat.NotebookNode) -> list[dict[str, str]]:
    """Title and anchor of each second-level heading of a notebook, as nbconvert's markdown writes the anchor."""
    headings = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            headings += re.findall(r"^## +(.+?) *$", cell.source, flags=re.MULTILINE)
    return [{"title": title, "anchor": title.replace(" ", "-")} for title in headings]


def _convert(notebook: nbformat.NotebookNode, tables: Tables) -> str:
    settings = Config()
    settings.HTMLExporter.anchor_link_text = "#"
    exporter = HTMLExporter(config=settings, extra_template_basedirs=[str(ASSETS.parent)], template_name=ASSETS.name)
    inlined = {name: (ASSETS / name).read_text(encoding="utf-8") for name in ASSET_FILES[2:]}
    resources = {
        "title": tables.title,
        "simulated": tables.simulated,
        "contents": contents(notebook),
        "style": inlined["style.css"],
        "tables": inlined["tables.js"],
        "script": inlined["report.js"],
        "plotly": inlined["plotly-cartesian.min.js"],
    }
    page, _ = exporter.from_notebook_node(notebook, resources=resources)
    return str(page)


def _plain(paths: Paths) -> str | list[str]:
    return str(paths) if isinstance(paths, (str, Path)) else [str(path) for path in paths]


def build_report(notebook: str | Path, inputs: Mapping[str, Paths], out: str | Path) -> None:
    """Write the report of one experiment: one HTML file without code, requests, paths or times.

    The same tables give the same bytes. The notebook runs in a kernel of this interpreter that needs no installed
    kernel specification; its outputs are shown by the template of `report/assets`, which takes HTML only.

    Args:
        notebook: notebook with a cell tagged `parameters` that takes `inputs`.
        inputs: name of each input (`outsample.report.inputs.INPUTS`) -> its file, or its files, one a round.
        out: HTML file to write.
    Raises: SchemaError where an input is missing, unknown or does not fit its schema.
    """
    check_names(inputs)
    tables = read_tables(inputs)  # here too, so that a wrong table costs no kernel start
    executed = _execute(Path(notebook), {"inputs": {name: _plain(paths) for name, paths in inputs.items()}})
    page = _convert(executed, tables)
    with replacing(out) as temporary:
        temporary.write_text(page, encoding="utf-8")
