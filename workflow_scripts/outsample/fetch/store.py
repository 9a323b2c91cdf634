"""The store of answers: a folder for each symbol, replaced as a whole or left as it is, and versioned by DVC."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from outsample.data.dates import day_text
from outsample.data.stored_source import ORIGIN
from outsample.errors import DataError
from outsample.fetch.answer import Answer
from outsample.io.files import write_json


@dataclass(frozen=True)
class Change:
    """How the bars of a symbol differ from those that were stored before."""

    added: int
    removed: int
    changed: int
    first: str  # the first bar that was removed or changed, with its columns, or ""

    def words(self) -> str:
        """The change in words.

        >>> Change(2, 0, 1, "2024-01-02: close 10 -> 11").words()
        '2 added, 0 removed, 1 changed (first 2024-01-02: close 10 -> 11)'
        """
        first = f" (first {self.first})" if self.first else ""
        return f"{self.added:,} added, {self.removed:,} removed, {self.changed:,} changed{first}"


def compare(before: pd.DataFrame, now: pd.DataFrame) -> Change:
    """The change from the bars of a symbol to those that are fetched now, both ascending in `date`."""
    old, new = before.set_index("date"), now.set_index("date")
    gone, both = old.index.difference(new.index), old.index.intersection(new.index)
    a, b = old.loc[both], new.loc[both]
    cells = (a != b) & ~(a.isna() & b.isna())
    rows = cells.any(axis=1)
    firsts = [(day, "gone") for day in gone[:1]]
    if rows.any():
        i = int(rows.to_numpy().argmax())
        odd = [c for c in cells.columns if cells[c].iloc[i]]
        firsts.append((both[i], ", ".join(f"{c} {a[c].iloc[i]:.10g} -> {b[c].iloc[i]:.10g}" for c in odd)))
    first = ": ".join([day_text(min(firsts)[0]), min(firsts)[1]]) if firsts else ""
    return Change(len(new.index.difference(old.index)), len(gone), int(rows.sum()), first)


def make_origin(
    symbol: str,
    query: dict[str, Any],
    answers: Sequence[Answer],
    ending: str,
    retrieved: str | None,
    note: str | None,
) -> dict[str, Any]:
    """The document `origin` of answers, which are named page-0001 and so on, with this ending."""
    files = [
        {
            "file": f"page-{number:04d}.{ending}",
            "sha256": hashlib.sha256(answer.body).hexdigest(),
            "bytes": len(answer.body),
        }
        | answer.facts
        for number, answer in enumerate(answers, 1)
    ]
    return {
        "kind": query["kind"],
        "symbol": symbol,
        "query": query,
        "files": files,
        "retrieved": retrieved,
        "note": note,
    }


def replace_folders(contents: Mapping[Path, tuple[dict[str, Any], Sequence[Answer]]]) -> None:
    """Put folders of answers in the places of earlier ones: all of them or none.

    Args:
        contents: folder -> its document `origin` and its answers.
    Raises: DataError where one cannot be written; the earlier folders are then as they were.
    """
    made: dict[Path, Path] = {}
    swapped: list[Path] = []
    folder = Path()
    try:
        for folder, (origin, answers) in contents.items():
            folder.parent.mkdir(parents=True, exist_ok=True)
            made[folder] = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
            _write(made[folder] / "new", origin, answers)
        for folder, aside in made.items():
            if folder.exists():
                os.replace(folder, aside / "old")
            swapped.append(folder)
            os.replace(aside / "new", folder)
    except OSError as error:
        for done in swapped:
            _put_back(done, made[done])
        raise DataError(
            f"{folder} cannot be written ({error.strerror}), so nothing was stored; make room, or name another folder "
            "by data.source.store."
        ) from error
    finally:
        for aside in made.values():
            shutil.rmtree(aside)


def _write(folder: Path, origin: dict[str, Any], answers: Sequence[Answer]) -> None:
    folder.mkdir()
    for entry, answer in zip(origin["files"], answers, strict=True):
        (folder / entry["file"]).write_bytes(answer.body)
    write_json(origin, folder / ORIGIN, "origin")


def _put_back(folder: Path, aside: Path) -> None:
    if folder.exists():
        os.replace(folder, aside / "taken back")
    if (aside / "old").exists():
        os.replace(aside / "old", folder)


def add_to_dvc(folders: Sequence[str], root: Path) -> str:
    """Let DVC version the folders; the sentence on what was done.

    Raises: DataError where DVC refuses.
    """
    if not (root / ".dvc").is_dir():
        return "There is no DVC repository here (no folder .dvc), so the answers are not versioned; run `dvc init`."
    command = [sys.executable, "-m", "dvc", "add", "--quiet", *folders]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["no words"]
        raise DataError(
            f"The answers are stored, but `dvc add {' '.join(folders)}` failed ({said[0].removeprefix('ERROR: ')}); "
            "correct that and run it."
        )
    files = ", ".join(f"{folder}.dvc" for folder in folders)
    return f"DVC keeps a version: commit {files} and the .gitignore beside."
