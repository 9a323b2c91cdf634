"""The store of answers: a folder for each symbol, replaced as a whole or left as it is, and versioned by DVC."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
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


def replace_folder(folder: Path, origin: dict[str, Any], answers: Sequence[Answer]) -> None:
    """Put a folder of answers in the place of an earlier one.

    Raises: DataError where it cannot be written; the earlier folder is then as it was.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise DataError(
            f"{folder} cannot be written ({error.strerror}); name another folder by data.source.store."
        ) from error
    new, old = made / "new", made / "old"
    try:
        new.mkdir()
        for entry, answer in zip(origin["files"], answers, strict=True):
            (new / entry["file"]).write_bytes(answer.body)
        write_json(origin, new / ORIGIN, "origin")
        if folder.exists():
            os.replace(folder, old)
        try:
            os.replace(new, folder)
        except OSError:
            if old.exists():
                os.replace(old, folder)
            raise
    except OSError as error:
        raise DataError(
            f"{folder} cannot be written ({error.strerror}); name another folder by data.source.store."
        ) from error
    finally:
        shutil.rmtree(made)


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
