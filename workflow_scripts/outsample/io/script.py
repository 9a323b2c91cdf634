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


def _arguments(main: Callable[..., None], snakemake: Any) -> dict[str, Any]:
    """Values of main's parameters, by name, from the named inputs, outputs, params and wildcards of the job."""
    given: dict[str, Any] = {}
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


def run_script(main: Callable[..., None], snakemake: Any) -> None:
    """Run a script's main with the arguments of its job; log to the job's log and to standard error.

    A named error becomes one sentence in the log and exit code 1; any other exception keeps its traceback, because
    it is a defect. Numerical libraries get the job's number of threads.
    """
    handlers: list[logging.Handler] = [
        logging.FileHandler(snakemake.log[0], mode="w"),
        logging.StreamHandler(sys.stderr),
    ]
    level = os.environ.get("OUTSAMPLE_LOG_LEVEL", "INFO").upper()
    logging.basicConfig(level=level, format="%(message)s", handlers=handlers, force=True)
    for noisy in ("jax", "jax2onnx", "absl", "orbax", "papermill"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        check_checkout(snakemake.scriptdir)
        with threadpoolctl.threadpool_limits(snakemake.threads):
            main(**_arguments(main, snakemake))
    except OutsampleError as error:
        logging.error("%s", error)
        sys.exit(1)
    except Exception:
        logging.exception("Outsample failed in rule %s; this is a defect.", snakemake.rule)
        raise
