"""Start, time and memory of a shard of lanes as the workflow trains it, in one process; prints one line of JSON.

A lane is the four inner models of one (trial, fold, seed), their decisions and the gate. Market, folds and scalers are
those of the agents' tests.

Usage: .venv/bin/python our_shard.py CACHE AGENT BARS FEATURES LANES,LANES,... [NAME=VALUE ...]
    (by lane_cost.py and shard_start.py, pinned)
"""

from __future__ import annotations

import time

_BEGIN = time.perf_counter()  # before the imports, which are a part of the start

# ruff: noqa: E402
import sys

from outsample.agents import runtime

runtime.configure_jax(sys.argv[1])  # before anything imports JAX

import json
import resource
import runpy
import statistics
from pathlib import Path
from types import SimpleNamespace

from outsample.agents.lanes import train_lanes
from outsample.agents.registry import get_agent
from outsample.agents.studio import Lane
from outsample.config.models import Gate
from outsample.market.accounting import MarketRules

CASE = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "tests/reference/agents_case.py")))
TESTED = 250  # bars after the train span


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    agent, bars, features = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    counts = [int(count) for count in sys.argv[5].split(",") if count]
    named = dict(text.split("=") for text in sys.argv[6:])
    changes = {name: json.loads(value) if value.startswith("[") else value for name, value in named.items()}
    params = get_agent(agent).SETTINGS.model_validate(changes).model_dump()
    panel = CASE.panel({"S": CASE.planted(bars + TESTED, 0)}, extra=features - CASE.LAGS)
    folds = CASE.folds(panel, {0: (bars, bars + TESTED)})
    rest = folds, CASE.scalers(panel, folds), MarketRules("next_open", 6e-4, 4e-5, True, 0.01, 0.0), Gate()

    def seconds(count: int) -> float:
        begin = time.perf_counter()
        train_lanes(agent, [Lane(0, 0, seed, params) for seed in range(count)], panel, *rest)
        return time.perf_counter() - begin

    seconds(1)  # compiles
    figures = {"ready_seconds": time.perf_counter() - _BEGIN, "ready_mib": peak_mib()}
    ones = [seconds(1) for _ in range(3)]
    for count in counts:
        figures[f"seconds_of_{count}"] = seconds(count)
        figures[f"mib_after_{count}"] = peak_mib()
        ones += [seconds(1) for _ in range(3)]
    figures["lane_seconds"] = statistics.median(ones)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
