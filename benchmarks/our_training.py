"""Env steps per second of an agent of Outsample, learning included, in one process; prints one line of JSON.

Usage: .venv/bin/python our_training.py AGENT BARS FEATURES STEPS [SEGMENTS LENGTH]   (by training_speed.py, pinned)
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from functools import partial
from typing import Any

import numpy as np
from random_walk import arguments_of

from outsample.agents.runtime import configure_jax

# As peers/peer_training.py sets them for the other libraries.
NETWORK = {"torso": "relu", "units": 64, "layers": 2}
SETTINGS: dict[str, dict[str, Any]] = {
    "ppo": {"epochs": 4, "minibatches": 4, "passes": 1, "learning_rate": 1e-3},
    "a2c": {"passes": 1, "learning_rate": 1e-3},
    "dqn": {"pairs": "sampled", "batch": 64, "steps": 100, "double": True, "dueling": True, "learning_rate": 1e-3},
}


def training(agent: str, bars: int, features: int, steps: int, segments: int, length: int):  # type: ignore[no-untyped-def]
    """A jitted training run on a random walk, its arguments, and the env steps that it takes."""
    import jax
    import jax.numpy as jnp

    from outsample.agents.registry import get_agent
    from outsample.agents.training import Job, train

    module = get_agent(agent)
    settings = module.SETTINGS().model_dump() | NETWORK | SETTINGS[agent] | {"segment": length}
    of_update = segments * (settings["steps"] if agent == "dqn" else length)  # a DQN walks once in each segment
    settings["updates"] = max(steps // of_update, 1)
    taken = settings["updates"] * of_update
    program, market, numbers, hyper = arguments_of(agent, settings, bars, features)
    job = Job(
        seed=jnp.uint32(0),
        fold=jnp.int32(0),
        inner=jnp.int32(0),
        start=jnp.asarray(np.linspace(0, bars - length - 1, segments).astype(np.int32)),
        length=jnp.full(segments, length, jnp.int32),
        center=jnp.zeros(features),
        scale=jnp.ones(features),
    )
    return jax.jit(partial(train, module), static_argnums=0), (program, market, numbers, hyper, job), taken


def main() -> None:
    agent = sys.argv[1]
    bars, features, steps, segments, length = map(int, (*sys.argv[2:5], *(sys.argv[5:7] or (16, 128))))
    with tempfile.TemporaryDirectory() as cache:
        configure_jax(cache)
        import jax

        begin = time.perf_counter()
        train, arguments, taken = training(agent, bars, features, steps, segments, length)
        jax.block_until_ready(train(*arguments))  # compiles
        ready = time.perf_counter() - begin
        begin = time.perf_counter()
        jax.block_until_ready(train(*arguments))
        seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"steps_per_second": taken / seconds, "ready_seconds": ready, "peak_mib": peak}))


if __name__ == "__main__":
    main()
