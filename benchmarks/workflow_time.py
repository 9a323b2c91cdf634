"""Time and memory of a whole experiment from scratch, with several numbers of cores, in fresh clones.

Usage: .venv/bin/python benchmarks/workflow_time.py [--experiment quickstart] [--cores 2 16] [--repeat 1]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]


def tree_memory(process: psutil.Process) -> float:
    """GiB of memory that a process and its descendants hold (unique set size, so that shared pages count once)."""
    total = 0
    for member in [process, *process.children(recursive=True)]:
        try:
            total += member.memory_full_info().uss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue  # it has ended since it was listed
    return total / 2**30


def run(folder: Path, experiment: str, cores: int) -> tuple[float, float]:
    """Seconds and peak GiB of one run in a folder."""
    command = [sys.executable, "-m", "snakemake", "--cores", str(cores), "--config", f"experiment={experiment}"]
    environment = os.environ | {"PYTHONPATH": str(folder / "workflow_scripts")}
    begin, peak = time.perf_counter(), 0.0
    with (folder / "benchmark.log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--", "results/report.html"], cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            peak = max(peak, tree_memory(watched))
            time.sleep(0.25)
    if process.returncode:
        sys.exit((folder / "benchmark.log").read_text()[-4000:])
    return time.perf_counter() - begin, peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiment", default="quickstart")
    parser.add_argument("--cores", type=int, nargs="+", default=[2, 16])
    parser.add_argument("--repeat", type=int, default=1)
    arguments = parser.parse_args()
    seconds: dict[int, list[float]] = {cores: [] for cores in arguments.cores}
    memory: dict[int, list[float]] = {cores: [] for cores in arguments.cores}
    idle = []
    for _ in range(arguments.repeat):
        for cores in arguments.cores:
            with tempfile.TemporaryDirectory() as folder:
                clone = Path(folder) / "clone"
                subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
                took, peak = run(clone, arguments.experiment, cores)
                seconds[cores].append(took)
                memory[cores].append(peak)
                idle.append(run(clone, arguments.experiment, cores)[0])
    print(f"`{arguments.experiment}` on {os.cpu_count()} cores, medians of {arguments.repeat} runs in fresh clones;")
    print("memory is the peak of all processes together.\n")
    print("| --cores | from scratch (s) | times | peak memory (GiB) |\n|---|---|---|---|")
    base = statistics.median(seconds[arguments.cores[0]])
    for cores in arguments.cores:
        took = statistics.median(seconds[cores])
        print(f"| {cores} | {took:.1f} | {took / base:.2f} | {max(memory[cores]):.2f} |")
    print(f"\nA run with nothing to do: {statistics.median(idle):.1f} s.")


if __name__ == "__main__":
    main()
