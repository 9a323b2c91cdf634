"""Which code made a file: the hash of a script's import closure, blind to comments, docstrings and layout.

A rule carries this hash in its params, so Snakemake runs it again when code that it really runs has changed, and
leaves it alone when a file was only touched, reformatted or commented.
"""

from __future__ import annotations

import ast
import hashlib
import json
import sys
from collections.abc import Iterable
from functools import cache
from importlib import metadata
from pathlib import Path

import outsample

PACKAGE = "outsample"
# Distributions whose name differs from the module that is imported.
_DISTRIBUTIONS = {"yaml": "PyYAML", "orbax": "orbax-checkpoint", "nbformat": "nbformat", "sklearn": "scikit-learn"}
# A new version of the first changes what the second computes.
_COMPANIONS = {"jax": ("jaxlib",)}


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:]
    return tree


def _source(path: Path) -> str:
    """Python text of a module, or of a notebook's code cells joined."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return text
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    return "\n".join("".join(cell["source"]) for cell in cells)


def _prose(path: Path) -> str:
    """Markdown cells of a notebook: they are shown, so they count as code."""
    if path.suffix != ".ipynb":
        return ""
    cells = [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "markdown"]
    return "\0".join("".join(cell["source"]) for cell in cells)


def _module_file(name: str, root: Path) -> Path | None:
    base = root.joinpath(*name.split("."))
    for candidate in (base / "__init__.py", base.with_suffix(".py")):
        if candidate.is_file():
            return candidate
    return None


def _imported_names(tree: ast.Module) -> Iterable[str]:
    """Every dotted name that an import statement may load, wherever it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def _parsed(path: Path, _stamp: tuple[int, int]) -> tuple[str, tuple[str, ...]]:
    tree = _without_docstrings(ast.parse(_source(path), filename=str(path)))
    return ast.dump(tree) + _prose(path), tuple(_imported_names(tree))


def _parse(path: Path) -> tuple[str, tuple[str, ...]]:
    stat = path.stat()
    return _parsed(path, (stat.st_mtime_ns, stat.st_size))


def import_closure(
    entry: Path, modules: Iterable[str] = (), root: Path | None = None
) -> tuple[dict[str, Path], set[str]]:
    """Modules of Outsample which a script may import, and the other top-level packages which these import.

    Args:
        entry: script or notebook.
        modules: further modules, by dotted name, which the script imports by a name known at run time only (agents).
        root: folder that holds the package; by default that of the imported package.
    Returns: dotted name -> file of each first-party module, and the names of third-party top-level packages.
    """
    root = root or Path(outsample.__file__).parents[1]
    found: dict[str, Path] = {}
    others: set[str] = set()
    queue = [*_parse(entry)[1], *modules]
    while queue:
        name = queue.pop()
        top = name.split(".")[0]
        if top != PACKAGE:
            others.add(top)
            continue
        for depth in range(1, name.count(".") + 2):
            prefix = ".".join(name.split(".")[:depth])
            path = _module_file(prefix, root)
            if path is not None and prefix not in found:
                found[prefix] = path
                queue.extend(_parse(path)[1])
    return found, others - set(sys.stdlib_module_names) - {"__future__"}


@cache
def _version(module: str) -> str:
    return metadata.version(_DISTRIBUTIONS.get(module, module))


def versions(modules: Iterable[str]) -> dict[str, str]:
    """Installed version of each top-level module; a module that no distribution of that name provides is an error.

    Raises: importlib.metadata.PackageNotFoundError for a module whose distribution is not known here.
    """
    names = sorted({*modules, *(c for m in modules for c in _COMPANIONS.get(m, ()))})
    return {name: _version(name) for name in names}


def code_hash(entry: Path, modules: Iterable[str] = (), files: Iterable[Path] = (), root: Path | None = None) -> str:
    """Hex sha256 of all code that a script runs: its closure's syntax trees and its third-party versions.

    Args:
        entry: script or notebook.
        modules: as in `import_closure`.
        files: further files that count by their bytes (style sheets, templates) or, where they are Python or
            notebooks, by their own closure.
        root: as in `import_closure`.
    """
    digest = hashlib.sha256(_parse(entry)[0].encode())
    found, others = import_closure(entry, modules, root)
    for path in files:
        if path.suffix in {".py", ".ipynb"}:
            digest.update(_parse(path)[0].encode())
            more, further = import_closure(path, (), root)
            found |= more
            others |= further
        else:
            digest.update(path.name.encode() + path.read_bytes())
    for name in sorted(found):
        digest.update(name.encode() + _parse(found[name])[0].encode())
    digest.update(json.dumps(versions(others)).encode())
    return digest.hexdigest()
