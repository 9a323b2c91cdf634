"""Train shards of small lanes of an agent and hash the final parameters of each, in this process or as a command.

    python tests/reference/train_shard.py AGENT THREADS CACHE

trains seven lanes as a job does where THREADS is 1 (a claimed core, `outsample.agents.runtime`), or with as many
threads as XLA is allowed, and prints the hashes as JSON.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import sys
from pathlib import Path


def lanes_of(agent: str, count: int) -> list:
    """The first `count` lanes: each has a seed, a fold and settings of its own."""
    from outsample.agents.studio import Lane
    from outsample.config.agents import Agents

    params = {**getattr(Agents(), agent).model_dump(), "alternatives": [], "updates": 4, "segment": 20}
    if agent == "dqn":
        params["batch"] = 64  # of the 160 bars of a rollout
    return [Lane(i, i % 2, i // 3, params | {"learning_rate": 0.002 * (1 + i)}) for i in range(count)]


def hashes_of(agent: str, lanes: list) -> dict[str, str]:
    """SHA-256 of the final parameters and of the curve of each lane of a shard, by its name."""
    import jax
    import numpy as np

    from outsample.agents.lanes import Watch, train_lanes
    from outsample.agents.loop import Callback
    from outsample.config.models import Gate
    from outsample.market.accounting import MarketRules

    found = {}

    class Hash(Callback):
        def on_end(self, lane, trained):
            leaves = [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(trained)]
            found[lane] = hashlib.sha256(b"".join(leaves)).hexdigest()

    case = _case()
    panel = case.panel({"A": case.planted(150, 1), "B": case.planted(140, 2)})
    folds = case.folds(panel, {0: (100, 120), 1: (120, 140)})
    rules = MarketRules("next_open", cost_rate=6e-4, borrow_per_bar=4e-5, short_selling=True, grid=0.01, band=0.0)
    gate = Gate(resamples=100)
    train_lanes(agent, lanes, panel, folds, case.scalers(panel, folds), rules, gate, Watch(callbacks=[Hash()]))
    return found


def _case():
    spec = importlib.util.spec_from_file_location("agents_case", Path(__file__).with_name("agents_case.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _main(agent: str, threads: int, cache: str) -> None:
    from outsample.agents import runtime

    if threads == 1:
        runtime.claim_core(f"train-shard-{os.getpid()}")
        runtime.configure_jax(cache)
    else:
        os.environ["NPROC"] = str(threads)  # as outsample.agents.runtime, which allows one
        os.environ["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen=true {runtime.LOOPS}"
    print(json.dumps(hashes_of(agent, lanes_of(agent, 7))))


if __name__ == "__main__":
    _main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
