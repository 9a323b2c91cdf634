"""Env steps per second of Outsample's market under a random policy, in one process; prints one line of JSON.

Usage: .venv/bin/python our_market.py jax|numpy SLEEVES BARS   (by market_speed.py, pinned)
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from our_training import job_of
from random_walk import arguments_of

from outsample.agents.runtime import configure_jax
from outsample.market.accounting import MarketRules, simulate


def compiled(sleeves: int, bars: int) -> Callable[[int], Any]:
    """The rollout of training, float32: uniform targets out of -1, 0 and 1, a sleeve for each start."""
    import jax
    import jax.numpy as jnp

    from outsample.agents.rollout import roll_out, rollout_draws, segment_bars
    from outsample.config.agents import A2c

    program, market, numbers, _ = arguments_of("a2c", A2c().model_dump(), 2 * bars, 1)
    job = job_of(2 * bars, 1, sleeves, bars)
    log_policy = jnp.full((bars, sleeves, 3, 3), -jnp.log(3.0))

    @jax.jit
    def walk(key: jax.Array, market: Any, numbers: Any, job: Any, log_policy: jax.Array) -> Any:
        draws = rollout_draws(key, sleeves, 1, 3)
        return roll_out(program, numbers, segment_bars(program, market, job, bars), log_policy, draws)

    return lambda call: jax.block_until_ready(walk(jax.random.key(call), market, numbers, job, log_policy))


def plain(sleeves: int, bars: int) -> Callable[[int], Any]:
    """`simulate`, float64, with all its books: the account behind every number that is reported."""
    draw = np.random.Generator(np.random.PCG64(0))
    close = np.exp(np.cumsum(0.01 * draw.standard_normal(bars)))
    rules = MarketRules("next_open", 6e-4, 4e-5, short_selling=True, grid=0.01, band=0.0)
    return lambda _: simulate(draw.integers(-1, 2, (bars, sleeves)), np.r_[1.0, close[:-1]], close, rules)


def main() -> None:
    kind, sleeves, bars = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    with tempfile.TemporaryDirectory() as cache:
        configure_jax(cache)
        walk = (compiled if kind == "jax" else plain)(sleeves, bars)
        walk(0)  # compiles
        begin, calls = time.perf_counter(), 0
        while time.perf_counter() - begin < 1.0:
            calls += 1
            walk(calls)
        seconds = time.perf_counter() - begin
    print(json.dumps({"steps_per_second": calls * sleeves * bars / seconds}))


if __name__ == "__main__":
    main()
