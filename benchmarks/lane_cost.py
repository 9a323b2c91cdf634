"""Cost of lanes: seconds and memory by number of lanes, bars, features and width of the torso, with shipped defaults.

A lane is the four inner models of one (trial, fold, seed), their decisions and the gate. A figure by size is the median
of interleaved repetitions, each in a fresh process on one core. Many lanes are trained once, because a thousand take
minutes; single lanes are timed in the same process before and after them.

Usage: .venv/bin/python benchmarks/lane_cost.py [--agents ppo a2c dqn direct] [--lanes 10 1000] [--repeat 5]
    [--tables sizes many]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from fresh_process import HERE, interleaved, middle

BARS, FEATURES = 2000, 20
BASE = f"{BARS} bars, {FEATURES} features"
ONE = "alternatives=[]"  # one network; as shipped a lane trains several and chooses
SIZES: dict[str, tuple[int, int, tuple[str, ...]]] = {
    BASE: (BARS, FEATURES, (ONE,)),
    f"{2 * BARS} bars": (2 * BARS, FEATURES, (ONE,)),
    f"{4 * BARS} bars": (4 * BARS, FEATURES, (ONE,)),
    f"{5 * FEATURES} features": (BARS, 5 * FEATURES, (ONE,)),
    f"{10 * FEATURES} features": (BARS, 10 * FEATURES, (ONE,)),
    "a layer of 8": (BARS, FEATURES, (ONE, "torso=tanh", "units=8")),
    "a layer of 64": (BARS, FEATURES, (ONE, "torso=tanh", "units=64")),
    "two layers of 64": (BARS, FEATURES, (ONE, "torso=tanh", "units=64", "layers=2")),
    "as shipped, with its alternatives": (BARS, FEATURES, ()),
}
BY_SIZE, MANY = "sizes", "many"


def worker(cache: str, agent: str, lanes: Sequence[int], size: tuple[int, int, tuple[str, ...]]) -> list[str]:
    bars, features, changes = size
    counts = ",".join(map(str, lanes))
    return [sys.executable, "our_shard.py", cache, agent, str(bars), str(features), counts, *changes]


def sizes_table(cache: str, agents: Sequence[str], repeat: int) -> list[str]:
    """Seconds of a lane of each size, as Markdown."""
    workers = {
        f"{agent} {name}": (worker(cache, agent, [1], size), HERE) for agent in agents for name, size in SIZES.items()
    }
    found = interleaved(workers, repeat)
    lines = [f"| a lane of | {' | '.join(f'{agent}: s | times | MiB' for agent in agents)} |"]
    lines.append("|---" * (1 + 3 * len(agents)) + "|")
    for name in SIZES:
        cells = []
        for agent in agents:
            seconds, base = (middle(found, f"{agent} {size}", "lane_seconds") for size in (name, BASE))
            memory = middle(found, f"{agent} {name}", "mib_after_1")
            cells.append(f"{seconds:.3f} | {seconds / base:.1f} | {memory:.0f}")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def lanes_table(cache: str, agents: Sequence[str], counts: Sequence[int]) -> list[str]:
    """Seconds of many lanes over those of as many single ones, as Markdown."""
    found = interleaved({agent: (worker(cache, agent, [1, *counts], SIZES[BASE]), HERE) for agent in agents}, 1)
    heads = ["agent", "one lane (s)", *(f"{count:,} lanes: times {count:,} x one | MiB" for count in counts)]
    lines = [f"| {' | '.join(heads)} |", "|---" * (2 + 2 * len(counts)) + "|"]
    for agent in agents:
        one = middle(found, agent, "lane_seconds")
        cells = [
            f"{middle(found, agent, f'seconds_of_{count}') / (count * one):.2f} | "
            f"{middle(found, agent, f'mib_after_{count}'):.0f}"
            for count in counts
        ]
        lines.append(f"| {agent} | {one:.3f} | {' | '.join(cells)} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", nargs="+", default=["ppo", "a2c", "dqn", "direct"])
    parser.add_argument("--lanes", nargs="+", type=int, default=[10, 1000])
    parser.add_argument("--repeat", type=int, default=5, help="of the table by size")
    parser.add_argument("--tables", nargs="+", choices=(BY_SIZE, MANY), default=[BY_SIZE, MANY])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cache = str(Path(folder).resolve())
        if BY_SIZE in options.tables:
            print(
                f"Medians of {options.repeat} interleaved repetitions, each in a fresh process on one core; `times` is"
            )
            print(f"the cost over that of {BASE}; memory is the peak of the process. Shipped defaults, but one")
            print("network, where nothing is said.\n")
            print(*sizes_table(cache, options.agents, options.repeat), sep="\n", flush=True)
        if MANY in options.tables:
            print(f"\nMany lanes of {BASE} in one process, shipped defaults with one network: seconds over those of as")
            print("many single lanes, whose median was taken before and after in the same process.\n")
            print(*lanes_table(cache, options.agents, options.lanes), sep="\n")


if __name__ == "__main__":
    main()
