"""Speed of the agent `direct` on one pinned core: full-series gradient steps a second, and the time to compile.

Usage: .venv/bin/python benchmarks/direct_speed.py [--bars 2000] [--features 20] [--repeat 5]
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from functools import partial
from typing import Any

from random_walk import arguments_of

from outsample.agents.runtime import configure_jax


def training(bars: int, features: int, settings: dict[str, Any]) -> tuple[Any, tuple[Any, ...]]:
    """A jitted training run of `direct` on a random walk, and its arguments: rows 0 .. bars, of which all but the last
    take a decision."""
    import jax
    import jax.numpy as jnp

    from outsample.agents import direct
    from outsample.agents.segments import segments_needed, tile
    from outsample.agents.training import Job, train

    program, market, numbers, hyper = arguments_of("direct", settings, bars + 1, features)
    blocks, segment = [(0, bars + 1)], settings["segment"]
    tiles = tile(blocks, segment, segments_needed(blocks, segment))
    job = Job(
        seed=jnp.uint32(0),
        fold=jnp.int32(0),
        inner=jnp.int32(0),
        start=jnp.asarray(tiles.start),
        length=jnp.asarray(tiles.length),
        center=jnp.zeros(features),
        scale=jnp.ones(features),
    )
    return jax.jit(partial(train, direct), static_argnums=0), (program, market, numbers, hyper, job)


def compiled_in(train: Any, arguments: tuple[Any, ...]) -> tuple[Any, float]:
    """The compiled training, and the seconds which tracing and compiling took."""
    begin = time.perf_counter()
    program = train.lower(*arguments).compile()
    return program, time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bars", type=int, default=2000)
    parser.add_argument("--features", type=int, default=20)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    core = min(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    with tempfile.TemporaryDirectory() as cache:
        configure_jax(cache)
        import jax

        from outsample.config.agents import Direct

        settings = Direct().model_dump()
        train, arguments = training(options.bars, options.features, settings)
        program, cold = compiled_in(train, arguments)
        jax.clear_caches()
        _, cached = compiled_in(train, arguments)
        speeds = []
        for _ in range(options.repeat + 1):  # the first run warms up and is left out
            begin = time.perf_counter()
            jax.block_until_ready(program(*arguments[1:]))
            speeds.append(settings["updates"] / (time.perf_counter() - begin))
    rates = ", ".join(f"{speed:,.0f}" for speed in speeds[1:])
    print(
        f"Shipped defaults, {options.bars} bars x {options.features} features, {settings['updates']} steps, one core.\n"
    )
    print(f"- full-series gradient steps a second: median {statistics.median(speeds[1:]):,.0f} of {rates}")
    print(f"- tracing and compiling: {cold:.1f} s cold, {cached:.1f} s from the cache")


if __name__ == "__main__":
    main()
