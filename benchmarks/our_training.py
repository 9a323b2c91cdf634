"""Env steps per second of an agent of Outsample, learning included, in one process; prints one line of JSON.

It is the training loop of the workflow (`loop.train_models`) on one model.

Usage: .venv/bin/python our_training.py AGENT BARS FEATURES UPDATES SEGMENTS LENGTH PASSES   (by training_speed.py)
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from random_walk import arguments_of

from outsample.agents.runtime import configure_jax

# As peers/peer_training.py sets them for the other libraries.
NETWORK = {"torso": "relu", "units": 64, "layers": 2}
SETTINGS: dict[str, dict[str, Any]] = {
    "ppo": {"epochs": 4, "minibatches": 4, "learning_rate": 1e-3},
    "a2c": {"learning_rate": 1e-3},
    "dqn": {"pairs": "sampled", "batch": 64, "steps": 100, "double": True, "dueling": True, "learning_rate": 1e-3},
}


def settings_of(agent: str, updates: int, length: int, passes: int) -> dict[str, Any]:
    """The agent's settings; what the other libraries do not have stays as shipped."""
    from outsample.agents.registry import get_agent

    changes = NETWORK | SETTINGS[agent] | {"updates": updates, "segment": length}
    return get_agent(agent).SETTINGS().model_dump() | changes | ({} if agent == "dqn" else {"passes": passes})


def job_of(bars: int, features: int, segments: int, length: int) -> Any:
    """A run on evenly spaced segments."""
    import jax.numpy as jnp

    from outsample.agents.training import Job

    return Job(
        seed=jnp.uint32(0),
        fold=jnp.int32(0),
        inner=jnp.int32(0),
        start=jnp.asarray(np.linspace(0, bars - length - 1, segments).astype(np.int32)),
        length=jnp.full(segments, length, jnp.int32),
        center=jnp.zeros(features),
        scale=jnp.ones(features),
    )


def training(
    agent: str, bars: int, features: int, updates: int, segments: int, length: int, passes: int
) -> tuple[Callable[[], object], int]:
    """A training run on a random walk, and the env steps that it takes."""
    import jax

    from outsample.agents.loop import train_models

    settings = settings_of(agent, updates, length, passes)
    of_update = segments * (settings["steps"] if agent == "dqn" else length * passes)  # a DQN walks once in a segment
    shared = arguments_of(agent, settings, bars, features)
    jobs = jax.tree.map(lambda x: x[None], job_of(bars, features, segments, length))
    return lambda: jax.block_until_ready(train_models(*shared, jobs)), updates * of_update


def main() -> None:
    agent, numbers = sys.argv[1], map(int, sys.argv[2:])
    with tempfile.TemporaryDirectory() as cache:
        configure_jax(cache)
        begin = time.perf_counter()
        train, taken = training(agent, *numbers)
        train()  # compiles
        ready = time.perf_counter() - begin
        begin = time.perf_counter()
        train()
        seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"steps_per_second": taken / seconds, "ready_seconds": ready, "peak_mib": peak}))


if __name__ == "__main__":
    main()
