"""Training speed of the agents beside Stable-Baselines3 and SBX: env steps per second, learning included.

Every figure is the median of interleaved repetitions, each in a fresh process on one core: the same bars, features,
network (two networks of 64 x 64 rectified units), batch and number of gradient steps. The other libraries live in an
environment of their own:

    python3 -m venv .venv-peers && .venv-peers/bin/pip install --requirement benchmarks/peers/requirements.txt
    .venv/bin/python benchmarks/training_speed.py [--repeat 5] [--write docs/benchmarks.md]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
PEERS = HERE.parent / ".venv-peers/bin/python"
BARS, FEATURES = 2500, 200
# agent -> our steps, their steps (each about a second or more), segments (environments; of a DQN four, for a gradient
# step each fourth env step) and their length
WORK = {"ppo": (262144, 32768, 16, 128), "a2c": (524288, 32768, 16, 5), "dqn": (65536, 8192, 4, 500)}
LIBRARIES = {"ppo": ("sb3", "sbx"), "a2c": ("sb3",), "dqn": ("sb3", "sbx")}
MEGAFLOP = 1e6


def kiloflop_per_step(agent: str, features: int) -> float:
    """Multiply-adds of the matrix products of one env step, counted as two operations each.

    Two networks (one for DQN), one forward pass to act; learning takes a forward pass, and a backward pass that needs
    no gradient of the inputs. PPO learns from each step in four epochs; DQN from 64 each fourth step, where two more
    forward passes value the row after (its walkers' look at all bars before each 100 steps is left out).
    """
    first, second, out = 2 * features * 64, 2 * 64 * 64, 2 * 64 * 3
    forward = first + second + out
    learn = forward + first + 2 * (second + out)
    if agent == "dqn":
        return 16 * (learn + 2 * forward) / 1000
    return 2 * (forward + (4 if agent == "ppo" else 1) * learn) / 1000


def pinned(core: int, command: list[str], folder: Path) -> dict[str, float]:
    """Run a worker on one core and read its line of JSON."""
    environment = os.environ | dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    done = subprocess.run(
        ["taskset", "--cpu-list", str(core), *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def our_command(agent: str) -> list[str]:
    steps, _, segments, length = WORK[agent]
    return [sys.executable, "our_training.py", agent, *map(str, (BARS, FEATURES, steps, segments, length))]


def theirs(core: int, library: str, agent: str) -> dict[str, float]:
    _, steps, segments, length = WORK[agent]
    numbers = map(str, (BARS, FEATURES, steps, segments, length))
    return pinned(core, [str(PEERS), "peer_training.py", library, agent, *numbers], HERE / "peers")


def roofline(core: int) -> float:
    """GFLOP/s of a float32 product of 512 x 200 by 200 x 64 on one core."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    left, right = np.ones((512, FEATURES), np.float32), np.ones((FEATURES, 64), np.float32)
    result = np.empty((512, 64), np.float32)
    speeds = []
    for _ in range(30):
        begin = time.perf_counter()
        for _ in range(100):
            np.matmul(left, right, out=result)
        speeds.append(100 * 2 * 512 * FEATURES * 64 / (time.perf_counter() - begin) / 1e9)
    os.sched_setaffinity(0, allowed)
    return max(speeds)


def measure(repeat: int, libraries: bool) -> dict[str, dict[str, list[float]]]:
    """Series of figures: name of a row -> name of a figure -> one value a repetition."""
    cores = sorted(os.sched_getaffinity(0))
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))

    def note(row: str, figures: dict[str, float]) -> None:
        for name, value in figures.items():
            found[row][name].append(value)

    for _ in range(repeat):
        note("roofline", {"gflops": roofline(cores[0])})
        for agent in WORK:
            note(f"outsample {agent}", pinned(cores[0], our_command(agent), HERE))
            for library in LIBRARIES[agent] if libraries else ():
                note(f"{library} {agent}", theirs(cores[0], library, agent))
        if len(cores) > 1:
            both = [
                subprocess.Popen(
                    ["taskset", "--cpu-list", str(core), *our_command("ppo")],
                    cwd=HERE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
                for core in cores[:2]
            ]
            speeds = [json.loads(process.communicate()[0].strip().splitlines()[-1]) for process in both]
            note("two processes", {"steps_per_second": sum(s["steps_per_second"] for s in speeds)})
    return found


def table(found: dict[str, dict[str, list[float]]], repeat: int) -> str:
    """The figures as Markdown."""

    def middle(row: str, name: str) -> float:
        return statistics.median(found[row][name])

    lines = [
        f"One pinned core, {BARS} bars, {FEATURES} features, medians of {repeat} interleaved repetitions.",
        "",
        "| training | env steps/s | ratio to Outsample | first result after (s) | peak memory (MiB) |",
        "|---|---|---|---|---|",
    ]
    for row in found:
        if "peak_mib" not in found[row]:
            continue
        speed = middle(row, "steps_per_second")
        ratio = middle(f"outsample {row.split()[-1]}", "steps_per_second") / speed
        lines.append(
            f"| {row} | {speed:,.0f} | {'1' if row.startswith('outsample') else f'{ratio:.1f} times slower'} | "
            f"{middle(row, 'ready_seconds'):.1f} | {middle(row, 'peak_mib'):.0f} |"
        )
    peak = middle("roofline", "gflops")
    lines += ["", f"A product of 512 x {FEATURES} by {FEATURES} x 64 runs at {peak:.0f} GFLOP/s (float32, one core)."]
    for agent in WORK:
        used = middle(f"outsample {agent}", "steps_per_second") * kiloflop_per_step(agent, FEATURES) / MEGAFLOP
        lines.append(f"Matrix products of {agent}: {used:.0f} GFLOP/s, {used / peak:.0%} of that.")
    if "two processes" in found:
        ratio = middle("two processes", "steps_per_second") / middle("outsample ppo", "steps_per_second")
        lines.append(f"Two processes of ppo on two cores: {ratio:.2f} times one.")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--write", type=Path, help="Markdown file to write the table to")
    options = parser.parse_args()
    if not PEERS.exists():
        print("The other libraries are left out: .venv-peers is not there (see --help).", file=sys.stderr)
    text = table(measure(options.repeat, PEERS.exists()), options.repeat)
    print(text)
    if options.write:
        options.write.write_text(f"# Training speed\n\nWritten by `benchmarks/training_speed.py`.\n\n{text}")


if __name__ == "__main__":
    main()
