"""Env steps per second of Stable-Baselines3 or SBX, learning included, in one process; prints one line of JSON.

Usage: PYTHON peer_training.py LIBRARY AGENT BARS FEATURES STEPS ENVIRONMENTS LENGTH   (by ../training_speed.py, pinned)
"""

from __future__ import annotations

import json
import resource
import sys
import time

import numpy as np
from trading_env import TradingEnv

# As our_training.py sets them for Outsample.
SETTINGS = {
    "ppo": {"batch_size": 512, "n_epochs": 4, "learning_rate": 1e-3, "gamma": 0.9, "gae_lambda": 0.9},
    "a2c": {"learning_rate": 1e-3, "gamma": 0.9, "gae_lambda": 0.9, "use_rms_prop": False},
    "dqn": {"batch_size": 64, "train_freq": 4, "learning_rate": 1e-3, "gamma": 0.9, "learning_starts": 1000},
}


def model_of(library, agent, bars, features, count, length):
    generator = np.random.default_rng(0)
    table = generator.standard_normal((bars, features))
    returns = 0.01 * generator.standard_normal(bars)
    settings = dict(SETTINGS[agent])
    if agent == "dqn":
        count = 1
    else:
        settings["n_steps"] = length
    if library == "sb3":
        import stable_baselines3 as agents
        import torch
        from stable_baselines3.common.env_util import make_vec_env

        torch.set_num_threads(1)
        policy = {"net_arch": [64, 64], "activation_fn": torch.nn.ReLU}
        settings["device"] = "cpu"
    else:
        import flax.linen as nn
        import sbx as agents
        from stable_baselines3.common.env_util import make_vec_env

        policy = {"net_arch": [64, 64], "activation_fn": nn.relu}
    environments = make_vec_env(lambda: TradingEnv(table, returns, 6e-4, max(length, 128)), n_envs=count, seed=0)
    return getattr(agents, agent.upper())("MlpPolicy", environments, policy_kwargs=policy, seed=0, **settings)


def main():
    library, agent, bars, features, steps, count, length = *sys.argv[1:3], *map(int, sys.argv[3:])
    begin = time.perf_counter()
    model = model_of(library, agent, bars, features, count, length)
    model.learn(4096)
    ready = time.perf_counter() - begin
    begin = time.perf_counter()
    model.learn(steps, reset_num_timesteps=False)
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"steps_per_second": steps / seconds, "ready_seconds": ready, "peak_mib": peak}))


if __name__ == "__main__":
    main()
