"""`outsample verify`: see whether a package is whole and still takes the decisions that it was built with."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from outsample.errors import PackageError
from outsample.packaging.contents import Package, load
from outsample.packaging.manifest import parse
from outsample.packaging.trace import replay

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


def read_package(path: str, sha256: str | None = None) -> tuple[Package, int]:
    """A package from its file, verified, and how many decisions of its trace were replayed.

    Args:
        path: the file.
        sha256: of the archive, from a source that is trusted; None where there is none.
    Raises: PackageError where the file cannot be read, has another sha256, or anything in it is wrong.
    """
    data = _read(path, "name the .tar.gz of a package")
    found = hashlib.sha256(data).hexdigest()
    if sha256 is not None and found != sha256:
        raise PackageError(
            f"{path} has the sha256 {found}, not {sha256}: it is not the package that was meant; do not use it."
        )
    package = load(data, path)
    return package, replay(package, path)


def verify(path: str, sha256: str | None = None, document: str | None = None) -> None:
    """Verify a package and say so.

    A package is made of what its own manifest says; only a hash from elsewhere tells that it is the one that was meant.

    Args:
        path: the package.
        sha256: of the archive, 64 hexadecimal digits.
        document: the package.json that was written with it; its sha256 counts.
    Raises: PackageError as `read_package` does, and where the hash itself cannot be had.
    """
    if document is not None:
        sha256 = _hash_of(document)
    elif sha256 is not None and not _SHA256.fullmatch(sha256):
        raise PackageError(f"--sha256 {sha256} is no sha256; give its 64 hexadecimal digits.")
    package, decisions = read_package(path, None if sha256 is None else sha256.lower())
    meant = "" if sha256 is None else f"the archive has the sha256 of {document or '--sha256'}, "
    print(
        f"{package.model} {package.version}: {meant}all {len(package.files) - 1} files are those of the manifest, and "
        f"{decisions} decisions on {len(package.trace)} symbols came out the same."
    )


def _read(path: str, advice: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise PackageError(f"{path} cannot be read ({error.strerror}); {advice}.") from error


def _hash_of(document: str) -> str:
    advice = "name the package.json that package_model wrote beside the package's folder"
    try:
        content = parse(_read(document, advice))
    except ValueError as error:
        raise PackageError(f"{document} is no JSON ({error}); {advice}.") from error
    found = content.get("sha256") if isinstance(content, dict) else None
    if not isinstance(found, str) or not _SHA256.fullmatch(found):
        raise PackageError(f"{document} holds no sha256 of a package; {advice}.")
    return found
