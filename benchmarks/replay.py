"""What prioritised replay costs beside uniform replay: seconds of whole DQN trainings, interleaved.

Usage: .venv/bin/python benchmarks/replay.py [--repeat 9]
"""

from __future__ import annotations

from outsample.agents import runtime

runtime.configure_jax("work/jax_cache")  # before anything imports JAX

# ruff: noqa: E402
import argparse
import runpy
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax

from outsample.agents.loop import train_models
from outsample.agents.studio import Lane, Studio
from outsample.agents.training import hyper_of
from outsample.config.agents import Dqn
from outsample.market.accounting import MarketRules

CASE = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "tests/reference/agents_case.py")))
RULES = MarketRules("next_open", cost_rate=6e-4, borrow_per_bar=0.0, short_selling=True, grid=0.01, band=0.0)
BARS = 2_000 + CASE.LAGS
SIZES: dict[str, tuple[int, dict[str, Any]]] = {
    "10 inputs, linear": (0, {}),
    "200 inputs, 64 units": (190, {"torso": "tanh", "units": 64}),
}


def training(inputs: int, settings: dict[str, Any]) -> Callable[[], object]:
    """The training of one lane: four models on 2,000 bars, in one compiled program."""
    panel = CASE.panel({"S": CASE.planted(BARS, 0)}, extra=inputs)
    folds = CASE.folds(panel, {0: (BARS - 10, BARS)})
    studio = Studio.open("dqn", panel, folds, CASE.scalers(panel, folds), RULES)
    params = Dqn(pairs="sampled", **settings).model_dump()
    hyper = hyper_of(studio.module, params)
    program, jobs = studio.program(params), studio.jobs(Lane(0, 0, 0, params), params["segment"])

    def train() -> object:
        return jax.block_until_ready(train_models(program, studio.market, studio.numbers, hyper, jobs))

    train()  # compiles
    return train


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=9)
    arguments = parser.parse_args()
    print(f"Milliseconds of the training of a lane of 2,000 bars, medians of {arguments.repeat} interleaved runs.\n")
    print("| network | batch | uniform | prioritised | ratio |\n|---|---|---|---|---|")
    for name, (inputs, settings) in SIZES.items():
        for batch in (256, 64):
            sizes = {**settings, "batch": batch}
            both = [training(inputs, {**sizes, "prioritised": prioritised}) for prioritised in (False, True)]
            seconds: list[list[float]] = [[], []]
            for _ in range(arguments.repeat):
                for train, took in zip(both, seconds, strict=True):
                    begin = time.perf_counter()
                    train()
                    took.append(time.perf_counter() - begin)
            uniform, prioritised = (1e3 * statistics.median(took) for took in seconds)
            ratio = prioritised / uniform
            print(f"| {name} | {batch} | {uniform:.0f} | {prioritised:.0f} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
