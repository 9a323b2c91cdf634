"""The manifest of a package: which files it holds, their hashes, and the version that follows from them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import outsample
from outsample.errors import PackageError
from outsample.hashing import nan_as_null, sha256_of

MANIFEST = "manifest.json"
SCHEMA_VERSION = 1
_KINDS = {"schema_version": int, "outsample": str, "model": str, "version": str, "files": dict}


def dump(document: Mapping[str, Any]) -> bytes:
    """A document as the bytes of indented JSON, NaN as null; the same content always gives the same bytes."""
    text = json.dumps(nan_as_null(dict(document)), indent=1, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()


def parse(content: bytes) -> Any:
    """The JSON of a document in a package, which never holds NaN or infinity.

    Raises: ValueError where it is none.
    """
    try:
        return json.loads(content, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"it holds {name}")


def make_manifest(model: str, files: Mapping[str, bytes]) -> dict[str, Any]:
    """The manifest of a package's files.

    Args:
        model: name of the model.
        files: name -> content of every file but the manifest.
    Returns: schema_version; outsample, the version of this library; model; version, the first 12 hex digits of the
        sha256 over all the rest; files: name -> {sha256, size in bytes}.
    """
    entries = {
        name: {"sha256": hashlib.sha256(files[name]).hexdigest(), "size": len(files[name])} for name in sorted(files)
    }
    manifest = {"schema_version": SCHEMA_VERSION, "outsample": outsample.__version__, "model": model, "files": entries}
    return {
        "schema_version": SCHEMA_VERSION,
        "outsample": outsample.__version__,
        "model": model,
        "version": sha256_of(manifest)[:12],
        "files": entries,
    }


def folder_of(manifest: Mapping[str, Any]) -> str:
    """Name of the folder in the archive, and of the archive without .tar.gz: model and version."""
    return f"{manifest['model']}-{manifest['version']}"


def check_manifest(folder: str, files: Mapping[str, bytes], where: str) -> dict[str, Any]:
    """The manifest of an archive's files, once it describes just these files.

    Args:
        folder: name of the folder in the archive.
        files: name -> content, the manifest among them.
        where: what errors call the package.
    Raises: PackageError for another schema version; where a file is missing, further or changed, or the version does
        not follow from the files.
    """
    manifest = _read(files, where)
    listed = manifest["files"]
    present = {name: content for name, content in files.items() if name != MANIFEST}
    missing, further = sorted(set(listed) - set(present)), sorted(set(present) - set(listed))
    if missing:
        raise PackageError(f"{where} lacks {missing[0]}, which its manifest lists; build the package again.")
    if further:
        raise PackageError(f"{where} holds {further[0]}, which its manifest does not list; build the package again.")
    expected = make_manifest(manifest["model"], present) | {"outsample": manifest["outsample"]}
    for name, entry in expected["files"].items():
        if listed[name] != entry:
            raise PackageError(
                f"{where}: {name} is not the file that was packaged ({_shown(entry)}, the manifest says "
                f"{_shown(listed[name])}); build the package again."
            )
    body = {key: manifest[key] for key in ("schema_version", "outsample", "model", "files")}
    if manifest["version"] != sha256_of(body)[:12] or folder != folder_of(manifest):
        raise PackageError(
            f"{where}: the version {manifest['version']} does not follow from the files; build the package again."
        )
    if dump(manifest) != files[MANIFEST]:
        raise PackageError(f"{where}: {MANIFEST} was edited; build the package again.")
    return manifest


def _shown(entry: Any) -> str:
    if not isinstance(entry, dict):
        return "nothing of the kind"
    return f"sha256 {str(entry.get('sha256'))[:12]}... of {entry.get('size')} bytes"


def _read(files: Mapping[str, bytes], where: str) -> dict[str, Any]:
    if MANIFEST not in files:
        raise PackageError(f"{where} holds no {MANIFEST}, so it is no package of Outsample; name another file.")
    try:
        manifest = parse(files[MANIFEST])
    except ValueError as error:
        raise PackageError(f"{where}: {MANIFEST} is no JSON ({error}); build the package again.") from error
    if not isinstance(manifest, dict) or "schema_version" not in manifest:
        raise PackageError(
            f"{where}: {MANIFEST} names no schema_version, so it is no manifest of Outsample; name another file."
        )
    version = manifest["schema_version"]
    if type(version) is not int or version != SCHEMA_VERSION:
        raise PackageError(
            f"{where} is a package of Outsample {manifest.get('outsample')} with schema version {version!r}, and this "
            f"Outsample {outsample.__version__} reads version {SCHEMA_VERSION}; use the Outsample that built it, or "
            "build it again."
        )
    wrong = [key for key in sorted(_KINDS.keys() | manifest) if not _fits(key, manifest.get(key))]
    if wrong:
        raise PackageError(
            f"{where}: {wrong[0]} of {MANIFEST} is missing, unknown or of the wrong kind; build the package again."
        )
    return manifest


def _fits(key: str, value: Any) -> bool:
    if isinstance(value, str) and not (value.isascii() and value.isprintable()):
        return False
    return isinstance(value, _KINDS.get(key, ()))
