"""Cost of lanes: seconds by number of lanes, bars, features and width, with the shipped defaults, on one pinned core.

Usage: .venv/bin/python benchmarks/lane_cost.py [--agents ppo a2c dqn direct] [--lanes 1 10 100] [--repeat 5]
A lane is the four inner models of one (trial, fold, seed); the first lane, which compiles, is shown apart.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from typing import Any

import numpy as np
from random_walk import arguments_of

from outsample.agents.runtime import claim_core, configure_jax

BARS, FEATURES = 2000, 20
INNER = 4


def lane_of(agent: str, bars: int, features: int, changes: dict[str, Any]) -> Any:
    """A function that trains lane number `seed` on a random walk and waits for its end."""
    import jax
    import jax.numpy as jnp

    from outsample.agents.loop import train_models
    from outsample.agents.registry import get_agent
    from outsample.agents.segments import segments_needed, tile
    from outsample.agents.training import Job

    settings = get_agent(agent).SETTINGS().model_dump() | changes
    program, market, numbers, hyper = arguments_of(agent, settings, bars + 1, features)
    quarter = bars // INNER
    blocks = [[(0, i * quarter + 1), ((i + 1) * quarter, bars + 1)] for i in range(INNER)]
    count = max(segments_needed(block, settings["segment"]) for block in blocks)
    tiles = [tile(block, settings["segment"], count) for block in blocks]

    def train(seed: int) -> None:
        jobs = Job(
            seed=jnp.full(INNER, seed, jnp.uint32),
            fold=jnp.zeros(INNER, jnp.int32),
            inner=jnp.arange(INNER, dtype=jnp.int32),
            start=jnp.asarray(np.stack([t.start for t in tiles])),
            length=jnp.asarray(np.stack([t.length for t in tiles])),
            center=jnp.zeros((INNER, features)),
            scale=jnp.ones((INNER, features)),
        )
        jax.block_until_ready(train_models(program, market, numbers, hyper, jobs))

    return train


def seconds(train: Any, seeds: range) -> float:
    begin = time.perf_counter()
    for seed in seeds:
        train(seed)
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", nargs="+", default=["ppo", "a2c", "dqn", "direct"])
    parser.add_argument("--lanes", nargs="+", type=int, default=[1, 10, 100])
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    claim_core()
    cases: dict[str, tuple[int, int, dict[str, Any]]] = {
        f"{BARS} bars, {FEATURES} features": (BARS, FEATURES, {}),
        f"{2 * BARS} bars": (2 * BARS, FEATURES, {}),
        f"{10 * FEATURES} features": (BARS, 10 * FEATURES, {}),
        "two layers of 64": (BARS, FEATURES, {"torso": "relu", "units": 64, "layers": 2}),
    }
    with tempfile.TemporaryDirectory() as cache:
        configure_jax(cache)
        print(f"Core {sorted(os.sched_getaffinity(0))}, medians of {options.repeat} repetitions, seconds a lane.")
        for agent in options.agents:
            for name, (bars, features, changes) in cases.items():
                train = lane_of(agent, bars, features, changes)
                first = seconds(train, range(1))
                base = statistics.median(seconds(train, range(1)) for _ in range(options.repeat))
                line = f"{agent:7} {name:24} first {first:6.2f}  then {base:7.3f}"
                if not changes and (bars, features) == (BARS, FEATURES):
                    for lanes in options.lanes:
                        line += f"  x{lanes}: {seconds(train, range(lanes)) / (lanes * base):.2f} of that each"
                print(line, flush=True)


if __name__ == "__main__":
    main()
