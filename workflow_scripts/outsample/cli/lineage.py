"""`outsample lineage`: the chain of files that a result was made of, with hashes, back to the raw files."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

from outsample.errors import DataError
from outsample.io.lineage import Traced, check_manifest, trace


def lineage(path: str, as_json: bool) -> None:
    """Print the lineage of a file, and how many of its files are not what was recorded.

    Args:
        path: the file, relative to the current folder, which is the repository's.
        as_json: print an object of all files instead of a tree.
    Raises: DataError where the file is no result of this repository, and, after it was printed, where files are missing
        or not what was recorded.
    """
    root = Path()
    name = Path(os.path.relpath(path, root)).as_posix()
    if name.startswith("../") or not (root / name).exists():
        raise DataError(
            f"{path} is not here; name a result such as results/quickstart/report.html, in the repository's folder."
        )

    found = trace(root, name)
    check_manifest(root, found)
    if len(found) == 1 and found[name].rule is None and not name.startswith("results/"):
        raise DataError(f"{path} is no result, so nothing made it; name a file under results/.")
    print(
        json.dumps({"path": name, "files": {k: asdict(v) for k, v in found.items()}}, indent=2)
        if as_json
        else "\n".join(tree(found, name))
    )
    wrong = [one.path for one in found.values() if one.faults]
    if wrong:
        raise DataError(
            f"{len(wrong)} of {len(found)} files are missing or not what was recorded, first {wrong[0]} "
            f"({found[wrong[0]].faults[0]}); run snakemake again, or restore the version."
        )


def tree(found: Mapping[str, Traced], path: str) -> list[str]:
    """Lines of the tree: each file with its hash and the rule that made it; what stands above is not repeated.

    >>> files = {"b": Traced("b", "12", "make_b", ["a"]), "a": Traced("a", "34", notes=["as a.dvc has it"])}
    >>> print("\\n".join(tree(files, "b")))
    b  sha256 12  by make_b
      a  sha256 34  (as a.dvc has it)
    """
    shown: set[str] = set()

    def lines(name: str, depth: int) -> Iterator[str]:
        one, indent = found[name], "  " * depth
        head = f"{indent}{name}  sha256 {one.sha256}" if one.sha256 else f"{indent}{name}  MISSING"
        made = f"  by {one.rule}" if one.rule else ""
        if name in shown:
            yield f"{indent}{name}  (above)" if one.inputs else head
            return
        shown.add(name)
        notes = f"  ({'; '.join(dict.fromkeys(one.notes))})" if one.notes else ""
        yield head + made + notes
        yield from (f"{indent}  ! {fault}" for fault in dict.fromkeys(one.faults))
        for below in one.inputs:
            yield from lines(below, depth + 1)

    return list(lines(path, 0))
