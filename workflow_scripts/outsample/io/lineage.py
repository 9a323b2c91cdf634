"""What a file was made of, back to the raw files: what was read when it was made, and what is on disk now.

Snakemake notes, for each output of a job, the job's inputs and their sha256 when it ran. Here every file is hashed anew
and compared with that, and with the manifest of the bars, the origin of what was fetched, and DVC's records.
"""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from outsample.errors import DataError
from outsample.io.files import sha256_file

_NAME_MAX = 255  # letters of a file's name, as the file systems have it on which Snakemake's records are cut
MANIFEST, ORIGIN = "bars.manifest.json", "origin.json"


@dataclass(frozen=True)
class Record:
    """What made a file: the rule, and each input with its sha256 at that time (None where it was not noted)."""

    rule: str
    inputs: Mapping[str, str | None]


@dataclass
class Traced:
    """One file of a lineage."""

    path: str
    sha256: str | None  # of its bytes, or of a folder's names and bytes; None where it is missing
    rule: str | None = None
    inputs: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # what confirms it
    faults: list[str] = field(default_factory=list)  # what speaks against it


def read_record(root: Path, path: str) -> Record | None:
    """Snakemake's record of an output, or of the folder that is the output, or None where there is none.

    Args:
        root: folder of the repository.
        path: relative to it, with slashes.
    """
    for name in (path, *(str(p) for p in Path(path).parents if p != Path())):
        file = root / ".snakemake" / "metadata" / Path(*_record_parts(name))
        if not file.is_file():
            continue
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            checksums = content.get("input_checksums") or {}
            return Record(str(content["rule"]), {p: _sha256(checksums.get(p)) for p in content["input"]})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"{file.relative_to(root)}: Snakemake's record of {name} is not readable ({type(error).__name__}); "
                "delete it and run snakemake again."
            ) from error
    return None


def _record_parts(name: str) -> list[str]:
    text = urlsafe_b64encode(name.encode()).decode()
    parts = [text[i : i + _NAME_MAX - 1] for i in range(0, len(text), _NAME_MAX - 1)]
    return [*("@" + part for part in parts[:-1]), parts[-1]]


def _sha256(checksum: str | None) -> str | None:
    """The hash of `sha256:...`, as Snakemake writes it."""
    return checksum.rpartition(":")[2] if isinstance(checksum, str) and checksum else None


def trace(root: Path, path: str) -> dict[str, Traced]:
    """A file and everything that it was made of, each file once, in the order in which a tree shows them.

    Args:
        root: folder of the repository.
        path: relative to it, with slashes.
    Raises: DataError where a record is damaged.
    """
    found: dict[str, Traced] = {}
    records: dict[str, Record] = {}
    folders: dict[Path, str] = {}  # hashed once, not once for each file in it
    queue = [path]
    while queue:
        name = queue.pop()
        if name in found:
            continue
        record = read_record(root, name)
        one = found[name] = Traced(name, hash_path(root / name))
        if one.sha256 is None:
            one.faults.append("it is missing")
        if record is not None:
            records[name] = record
            one.rule, one.inputs = record.rule, sorted(record.inputs)
            queue += reversed(one.inputs)
        elif name.startswith("results/"):
            one.faults.append(
                "Snakemake has no record of what made it (scripts/accept_version.py makes one of a version)"
            )
        _look_up(root, one, folders)
    for name, record in records.items():
        _compare(root, found[name], record, found)
    return found


def _compare(root: Path, one: Traced, record: Record, found: Mapping[str, Traced]) -> None:
    """Say of each input of a file whether it is still what the rule read."""
    for name, read in record.inputs.items():
        now = found[name]
        if now.sha256 is None:
            continue
        if read is None and (root / name).is_dir():
            continue
        if read is None:
            newer = one.sha256 is not None and (root / name).stat().st_mtime > (root / one.path).stat().st_mtime
            told = f"{record.rule} left no hash of it"
            now.faults += [f"{told}, and it is newer than {one.path}"] if newer else []
            now.notes += [] if newer else [told]
        elif read != now.sha256:
            now.faults.append(f"it is not what {record.rule} read for {one.path} (then {read})")


def hash_path(path: Path) -> str | None:
    """sha256 of a file, of the names and bytes below a folder, or None where neither is there."""
    if path.is_file():
        return sha256_file(path)
    if not path.is_dir():
        return None
    digest = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith(".snakemake")):
        digest.update(f"{file.relative_to(path).as_posix()}\0{sha256_file(file)}\0".encode())
    return digest.hexdigest()


def _look_up(root: Path, one: Traced, folders: dict[Path, str]) -> None:
    """Compare a file with every other record that names it, or a folder that holds it."""
    if one.sha256 is None:
        return
    path = root / one.path
    for what, where, recorded, actual in [*_in_origin(root, path, one), *_in_dvc(root, path, folders)]:
        if recorded == actual:
            one.notes.append(f"as {where} has it")
        else:
            one.faults.append(f"{what} is not what {where} names ({recorded})")
    if path.name == ORIGIN:
        content = _json(path)
        query = content.get("query") or {}
        told = [content.get("kind"), query.get("url"), content.get("retrieved"), content.get("note")]
        one.notes.append("fetched: " + ", ".join(str(part) for part in told if part))


def check_manifest(root: Path, found: Mapping[str, Traced]) -> None:
    """Compare the raw files with each manifest of bars in a lineage."""
    for one in list(found.values()):
        if Path(one.path).name != MANIFEST or one.sha256 is None:
            continue
        entries = _json(root / one.path).get("symbols", {}).values()
        for entry in [part for whole in entries for part in (whole, *whole.get("files", []))]:
            raw = found.get(entry.get("file") or "")
            if raw is not None and raw.sha256 is not None:
                same = raw.sha256 == entry.get("sha256")
                told = f"as {one.path} has it" if same else f"it is not what {one.path} names ({entry.get('sha256')})"
                said = raw.notes if same else raw.faults
                said += [] if told in said else [told]


def _in_origin(root: Path, path: Path, one: Traced) -> Iterator[tuple[str, str, str, str]]:
    origin = path.parent / ORIGIN
    if path.name == ORIGIN or not origin.is_file() or one.sha256 is None:
        return
    for entry in _json(origin).get("files", []):
        if entry.get("file") == path.name:
            yield "it", origin.relative_to(root).as_posix(), str(entry.get("sha256")), one.sha256


def _in_dvc(root: Path, path: Path, folders: dict[Path, str]) -> Iterator[tuple[str, str, str, str]]:
    """Records of DVC: NAME.dvc beside a file or a folder that holds it, and dvc.lock."""
    for place in (path, *path.parents):
        file = place.with_name(place.name + ".dvc") if place != root else None
        if file is None:
            break
        if file.is_file():
            for out in _yaml(file).get("outs", []):
                if out.get("path") == place.name and "md5" in out:
                    if place not in folders:
                        folders[place] = dvc_hash(place)
                    what = "it" if place == path else "its folder"
                    yield what, file.relative_to(root).as_posix(), str(out["md5"]), folders[place]
            break
    if (root / "dvc.lock").is_file():
        name = path.relative_to(root).as_posix()
        for stage in _yaml(root / "dvc.lock").get("stages", {}).values():
            for out in stage.get("outs", []):
                if out.get("path") == name and "md5" in out:
                    yield "it", "dvc.lock", str(out["md5"]), dvc_hash(path)


def dvc_hash(path: Path) -> str:
    """The md5 by which DVC names a file, or a folder (then with .dir at its end)."""
    if path.is_file():
        return _md5(path.read_bytes())
    files = sorted((p.relative_to(path).as_posix(), p) for p in path.rglob("*") if p.is_file())
    listed = [{"md5": _md5(p.read_bytes()), "relpath": name} for name, p in files]
    return _md5(json.dumps(listed, sort_keys=True).encode()) + ".dir"


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not readable as JSON ({error}); make or fetch it again.") from error
    return content if isinstance(content, dict) else {}


def _yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise DataError(f"{path}: not readable as YAML; restore it from Git.") from error
    return content if isinstance(content, dict) else {}
