"""Start of a shard: seconds from the first line of a fresh process to its first trained lane, and its memory.

Cold is with an empty compilation cache, cached with the cache that the cold start left. Both hold the imports, tracing,
compilation or loading, and the lane itself, with its decisions and gate.

Usage: .venv/bin/python benchmarks/shard_start.py [--agents ppo a2c dqn direct] [--repeat 5]
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict

from fresh_process import HERE, Series, interleaved, middle
from lane_cost import BARS, BASE, FEATURES, ONE, worker

SIZES: dict[str, tuple[int, int, tuple[str, ...]]] = {
    f"one network as shipped, {BASE}": (BARS, FEATURES, (ONE,)),
    f"as shipped with its alternatives, {BASE}": (BARS, FEATURES, ()),
    f"two layers of 64, {10 * FEATURES} features": (
        *(BARS, 10 * FEATURES),
        (ONE, "torso=tanh", "units=64", "layers=2"),
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", nargs="+", default=["ppo", "a2c", "dqn", "direct"])
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    found: Series = defaultdict(lambda: defaultdict(list))
    cases = [(agent, name) for name in SIZES for agent in options.agents]
    for _ in range(options.repeat):
        for agent, name in cases:
            with tempfile.TemporaryDirectory() as cache:
                command = worker(cache, agent, [], SIZES[name])
                for start in ("cold", "cached"):
                    figures = interleaved({start: (command, HERE)}, 1)[start]
                    for figure in ("ready_seconds", "ready_mib", "lane_seconds"):
                        found[f"{agent} {name}"][f"{start} {figure}"] += figures[figure]
    print(f"Medians of {options.repeat} interleaved repetitions, each in a fresh process on one core.\n")
    print("| a shard of | cold (s) | cached (s) | of that a lane (s) | peak memory cold (MiB) | cached (MiB) |")
    print("|---|---|---|---|---|---|")
    for agent, name in cases:
        cold, cached, lane, memory, cached_memory = (
            middle(found, f"{agent} {name}", figure)
            for figure in (
                "cold ready_seconds",
                "cached ready_seconds",
                "cached lane_seconds",
                "cold ready_mib",
                "cached ready_mib",
            )
        )
        print(f"| {agent}, {name} | {cold:.1f} | {cached:.1f} | {lane:.2f} | {memory:.0f} | {cached_memory:.0f} |")


if __name__ == "__main__":
    main()
