"""How a workflow script runs: its arguments from Snakemake, its log, and one sentence where it fails."""

from __future__ import annotations

import inspect
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import threadpoolctl

import outsample
from outsample.errors import OutsampleError

FINAL = "Trying again would not help."
"""Last line of a job's log where the same job would fail again; a killed job has no last line of its own."""


def _arguments(main: Callable[..., None], snakemake: Any) -> dict[str, Any]:
    """Values of main's parameters, by name: the named inputs, outputs, params and wildcards of the job, and `threads`,
    the number it may use."""
    given: dict[str, Any] = {"threads": snakemake.threads}
    for part in (snakemake.wildcards, snakemake.params, snakemake.input, snakemake.output):
        given |= dict(part.items())
    names = inspect.signature(main).parameters
    missing = [n for n, p in names.items() if n not in given and p.default is inspect.Parameter.empty]
    if missing:
        raise TypeError(f"rule {snakemake.rule} does not give {', '.join(missing)} to its script")
    return {n: list(given[n]) if isinstance(given[n], (list, tuple)) else given[n] for n in names if n in given}


def check_checkout(scriptdir: str) -> None:
    """Stop when the imported package is not the one beside the script.

    Raises: OutsampleError naming both folders.
    """
    expected = Path(scriptdir).resolve() / "outsample"
    imported = Path(outsample.__file__).resolve().parent
    if imported != expected:
        raise OutsampleError(
            f"The script would run with the outsample of {imported}, not with this checkout's {expected}; "
            f"install this checkout: make setup, then . .venv/bin/activate."
        )


def worth_retrying(log: str | Path) -> bool:
    """Whether a failed job was killed, or met an error of the machine, and not one that would come again."""
    path = Path(log)
    return not (path.is_file() and path.read_text(encoding="utf-8", errors="replace").rstrip().endswith(FINAL))


def run_script(main: Callable[..., None], snakemake: Any) -> None:
    """Run a script's main with the arguments of its job; log to the job's log, which Snakemake shows if the job fails.

    A named error becomes one sentence and exit code 1; any other exception keeps its traceback, because it is a defect
    or an error of the machine (a full disk, no memory). Numerical libraries get the job's number of threads.
    """
    file = logging.FileHandler(snakemake.log[0], mode="w")
    level = os.environ.get("OUTSAMPLE_LOG_LEVEL", "INFO").upper()
    logging.basicConfig(level=level, format="%(message)s", handlers=[file], force=True)
    for noisy in ("jax", "jax2onnx", "absl", "orbax", "papermill"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        check_checkout(snakemake.scriptdir)
        with threadpoolctl.threadpool_limits(snakemake.threads):
            main(**_arguments(main, snakemake))
    except OutsampleError as error:
        logging.error("%s", error)
        _say_final(file)
        sys.exit(1)
    except (OSError, MemoryError):
        logging.exception("The machine failed rule %s; a retry may help.", snakemake.rule)
        raise
    except Exception:
        logging.exception("Outsample failed in rule %s; this is a defect.", snakemake.rule)
        _say_final(file)
        raise


def _say_final(log: logging.FileHandler) -> None:
    """Let the log end with FINAL, at every level of logging."""
    log.emit(logging.LogRecord("outsample", logging.INFO, "", 0, FINAL, None, None))
