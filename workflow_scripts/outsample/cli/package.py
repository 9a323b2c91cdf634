"""`outsample verify`: see whether a package is whole and still takes the decisions that it was built with."""

from __future__ import annotations

from pathlib import Path

from outsample.errors import PackageError
from outsample.packaging.contents import Package, load
from outsample.packaging.trace import replay


def read_package(path: str) -> tuple[Package, int]:
    """A package from its file, verified, and how many decisions of its trace were replayed.

    Raises: PackageError where the file cannot be read, or anything in it is wrong.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise PackageError(f"{path} cannot be read ({error.strerror}); name the .tar.gz of a package.") from error
    package = load(data, path)
    return package, replay(package, path)


def verify(path: str) -> None:
    """Verify a package and say so.

    Raises: PackageError as `read_package` does.
    """
    package, decisions = read_package(path)
    print(
        f"{package.model} {package.version}: all {len(package.files) - 1} files are those of the manifest, and "
        f"{decisions} decisions on {len(package.trace)} symbols came out the same."
    )
