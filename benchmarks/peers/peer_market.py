"""Env steps per second of other libraries' environments under a random policy, in one process; prints a line of JSON.

Usage: PYTHON peer_market.py gymnax|gym-anytrading|gymnasium ENVIRONMENTS STEPS [FLAGS_OF_XLA]
    (by ../market_speed.py, pinned)
"""

from __future__ import annotations

import json
import os
import sys
import time

import numpy as np


def compiled(count, steps, flags):
    """CartPole of gymnax in a `lax.scan` over `vmap`; keys and actions are drawn in one call each, as ours are."""
    # As outsample.agents.runtime.configure_jax, but for the flags of compilation: those are given, or XLA's own.
    os.environ["NPROC"] = "1"
    os.environ["XLA_FLAGS"] = " ".join(["--xla_cpu_multi_thread_eigen=false", *flags])
    import gymnax
    import jax

    env, params = gymnax.make("CartPole-v1")

    @jax.jit
    def walk(key):
        key_start, key_steps, key_action = jax.random.split(key, 3)
        actions = jax.random.randint(key_action, (steps, count), 0, 2)
        _, state = jax.vmap(env.reset, (0, None))(jax.random.split(key_start, count), params)

        def advance(state, inputs):
            keys, action = inputs
            _, state, reward, terminated, truncated, _ = jax.vmap(env.step, (0, 0, 0, None))(
                keys, state, action, params
            )
            return state, (action, reward, terminated, truncated)

        return jax.lax.scan(advance, state, (jax.random.split(key_steps, (steps, count)), actions))

    return lambda call: jax.block_until_ready(walk(jax.random.key(call)))


def interpreted(env, actions, steps):
    """One Gymnasium environment; what the policy costs is left out, for the actions are drawn before."""
    draw = np.random.default_rng(0)
    chosen = draw.integers(0, actions, steps).tolist()
    env.reset(seed=0)

    def walk(_):
        for action in chosen:
            _, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                env.reset()

    return walk


def anytrading(steps):
    import pandas as pd
    from gym_anytrading.envs import StocksEnv

    close = 100 * np.exp(np.cumsum(0.01 * np.random.default_rng(0).standard_normal(2500)))
    return interpreted(StocksEnv(pd.DataFrame({"Close": close}), 10, (10, 2500)), 2, steps)


def ours_in_python(steps):
    from trading_env import TradingEnv

    draw = np.random.default_rng(0)
    table, returns = draw.standard_normal((2500, 200)), 0.01 * draw.standard_normal(2500)
    return interpreted(TradingEnv(table, returns, 6e-4, 1000), 3, steps)


def main():
    kind, count, steps = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    walk = {
        "gymnax": lambda: compiled(count, steps, sys.argv[4:]),
        "gym-anytrading": lambda: anytrading(steps),
        "gymnasium": lambda: ours_in_python(steps),
    }[kind]()
    walk(0)  # compiles
    begin, calls = time.perf_counter(), 0
    while time.perf_counter() - begin < 1.0:
        calls += 1
        walk(calls)
    print(json.dumps({"steps_per_second": calls * count * steps / (time.perf_counter() - begin)}))


if __name__ == "__main__":
    main()
