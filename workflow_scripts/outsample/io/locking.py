"""Locks that the kernel lets go of when their holder dies, so that a killed run needs no unlocking."""

from __future__ import annotations

import fcntl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from outsample.errors import OutsampleError


def hold_folder(path: Path) -> IO[str]:
    """Lock a working folder for this process by the file `path`; the lock lasts as long as the returned handle.

    Raises: OutsampleError where another run holds it.
    """
    handle = path.open("a")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        raise OutsampleError(
            f"Another run is working in {path.parent.resolve().name}/ (it holds {path.name}); "
            "wait until it ends, or stop it, and give the same command again."
        ) from None
    return handle


@contextmanager
def exclusive(path: Path) -> Iterator[IO[str]]:
    """Open a file for reading and appending while no other process may; waits for its turn."""
    with path.open("a+") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        handle.seek(0)
        yield handle


def writable_folder(path: Path) -> None:
    """Make the folder and see that files can be written there.

    Raises: OutsampleError naming the folder.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise OutsampleError(
            f"The folder {path}/ cannot be written ({error.strerror}); make it writable, or run from a folder that is."
        ) from error
