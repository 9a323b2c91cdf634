"""Workers of the benchmarks: fresh processes on one core, each of which prints one line of JSON."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
PEERS = HERE.parent / ".venv-peers/bin/python"
OWN_CACHE = "JAX_COMPILATION_CACHE_DIR"  # a cache that the user has set would make a cold start a warm one
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

Series = dict[str, dict[str, list[float]]]
"""Name of a row -> name of a figure -> one value a repetition."""


def own_cores() -> list[int]:
    """The cores that this process may use; workers are pinned to the first."""
    return sorted(os.sched_getaffinity(0))


def peers_exist() -> bool:
    """Whether the environment of the other libraries is there; says so where it is not."""
    if not PEERS.exists():
        print("The other libraries are left out: .venv-peers is not there (`make .venv-peers`).", file=sys.stderr)
    return PEERS.exists()


def started(core: int, command: Sequence[str], folder: Path = HERE) -> subprocess.Popen[str]:
    """A worker that has just begun, on one core, in the folder of its script."""
    return subprocess.Popen(
        ["taskset", "--cpu-list", str(core), *command],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name != OWN_CACHE} | ONE_THREAD,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def figures_of(worker: subprocess.Popen[str]) -> dict[str, float]:
    """The line of JSON of a worker, once it has ended; its failure ends this process too."""
    output, complaint = worker.communicate()
    if worker.returncode:
        sys.exit(f"{' '.join(map(str, worker.args))} failed:\n{complaint[-3000:]}")  # type: ignore[union-attr]
    figures: dict[str, float] = json.loads(output.strip().splitlines()[-1])
    return figures


def interleaved(workers: Mapping[str, tuple[Sequence[str], Path]], repeat: int) -> Series:
    """Run the workers of all rows in turn on the first core, as often as asked for.

    Args:
        workers: name of a row -> command and the folder to run it in.
        repeat: repetitions.
    """
    found: Series = defaultdict(lambda: defaultdict(list))
    for _ in range(repeat):
        for row, (command, folder) in workers.items():
            for name, value in figures_of(started(own_cores()[0], command, folder)).items():
                found[row][name].append(value)
    return found


def middle(found: Series, row: str, name: str) -> float:
    """Median over the repetitions."""
    return statistics.median(found[row][name])
