"""Training speed of the agents beside Stable-Baselines3 and SBX: env steps per second, learning included.

Every figure is the median of interleaved repetitions, each in a fresh process on one core. The other libraries live in
an environment of their own (`make .venv-peers`); without it only Outsample is measured.

Usage: .venv/bin/python benchmarks/training_speed.py [--repeat 5]
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from fresh_process import HERE, PEERS, Series, figures_of, interleaved, middle, own_cores, peers_exist, started

from outsample.config.agents import Agents

BARS, FEATURES = 2500, 200
SHIPPED = {"ppo": Agents().ppo.passes, "a2c": Agents().a2c.passes}
TITLES = {"sb3": "Stable-Baselines3", "sbx": "SBX"}


@dataclass(frozen=True)
class Work:
    """What is asked of an agent, in every library; runs take about a second or more."""

    updates: int  # of Outsample
    their_steps: int  # env steps of the other libraries
    walkers: int  # environments, or sleeves; of a DQN four of Outsample, for a gradient step each fourth env step
    length: int  # env steps of a walker an update; of a DQN the length of a segment
    passes: tuple[int, ...]
    libraries: tuple[str, ...]


WORK = {
    "ppo": Work(128, 32_768, 16, 128, (1, 2, 4), ("sb3", "sbx")),
    "a2c": Work(6_400, 32_768, 16, 5, (1, 2, 4), ("sb3",)),
    "dqn": Work(160, 8_192, 4, 500, (1,), ("sb3", "sbx")),
}
COMPARED = """\
The same in every row of an agent: {bars} bars of {features} features, a cost of 6 bps, positions -1, 0 and 1, networks
of 64 x 64 rectified units (an actor and a critic; one of DQN), Adam with a step of 0.001, one thread. An update of PPO
has 2048 env steps and 16 gradient steps of 512 decisions, one of A2C 80 env steps and one gradient step of all; DQN
takes a gradient step of 64 decisions each fourth env step.

Not the same: in Outsample the position is added behind the network instead of being one of its inputs. One row of the
network therefore serves all decisions at a bar, and `passes` sleeves walk through each bar of an update. With `passes`
1 the network runs a row for each decision, as in the other libraries. With 2, which A2C ships with, and 4, which PPO
ships with, an update has as many env steps and decisions a gradient step, of a half and a quarter as many bars, and the
network runs a half and a quarter as many rows. Further, Outsample has decoupled weight decay and its DQN is double and
dueling (theirs is plain); its market is compiled, theirs is the same market as a Gymnasium environment in Python. A run
of Outsample is the workflow's own loop, in chunks that are checked for numbers that are not finite.
"""


def kiloflop_to_act(agent: str) -> float:
    """Multiply-adds, counted as two operations each, of the matrix products that act on one row of the network.

    A forward pass of two networks. DQN: its walkers' look at all bars before each 100 steps is left out.
    """
    first, second, out = 2 * FEATURES * 64, 2 * 64 * 64, 2 * 64 * 3
    return 0.0 if agent == "dqn" else 2 * (first + second + out) / 1000


def kiloflop_to_learn(agent: str) -> float:
    """The same of learning from one row: forward passes, and backward passes without a gradient of the inputs.

    PPO learns from each row in four epochs; DQN, of one network, from 64 rows each fourth step, where two more forward
    passes value the row after.
    """
    first, second, out = 2 * FEATURES * 64, 2 * 64 * 64, 2 * 64 * 3
    forward = first + second + out
    learn = forward + first + 2 * (second + out)
    if agent == "dqn":
        return 16 * (learn + 2 * forward) / 1000
    return 2 * (4 if agent == "ppo" else 1) * learn / 1000


def row_of(agent: str, passes: int) -> str:
    if agent not in SHIPPED:
        return f"outsample {agent}"
    return f"outsample {agent}, passes {passes}{' (as shipped)' if passes == SHIPPED[agent] else ''}"


def our_command(agent: str, passes: int) -> list[str]:
    work = WORK[agent]
    numbers = (BARS, FEATURES, work.updates, work.walkers // passes, work.length, passes)
    return [sys.executable, "our_training.py", agent, *map(str, numbers)]


def workers(agent: str, libraries: Sequence[str]) -> dict[str, tuple[list[str], Path]]:
    """Name of a row -> the command that measures it, and its folder."""
    work = WORK[agent]
    rows = {row_of(agent, passes): (our_command(agent, passes), HERE) for passes in work.passes}
    numbers = (BARS, FEATURES, work.their_steps, work.walkers, work.length)
    for library in libraries:
        command = [str(PEERS), "peer_training.py", library, agent, *map(str, numbers)]
        rows[f"{library} {agent}"] = (command, HERE / "peers")
    return rows


def roofline(core: int) -> float:
    """GFLOP/s of a float32 product of 512 x 200 by 200 x 64 on one core."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    left, right = np.ones((512, FEATURES), np.float32), np.ones((FEATURES, 64), np.float32)
    result = np.empty((512, 64), np.float32)
    speeds = []
    for _ in range(30):
        begin = time.perf_counter()
        for _ in range(100):
            np.matmul(left, right, out=result)
        speeds.append(100 * 2 * 512 * FEATURES * 64 / (time.perf_counter() - begin) / 1e9)
    os.sched_setaffinity(0, allowed)
    return max(speeds)


def measure(repeat: int, others: bool) -> Series:
    """The rows of the table, and apart from it "roofline" and "two processes"."""
    cores = own_cores()
    rows = {name: row for agent, work in WORK.items() for name, row in workers(agent, work.libraries * others).items()}
    found: Series = {"roofline": {"gflops": []}, "two processes": {"steps_per_second": []}}
    for _ in range(repeat):
        found["roofline"]["gflops"].append(roofline(cores[0]))
        for row, figures in interleaved(rows, 1).items():
            for name, values in figures.items():
                found.setdefault(row, {}).setdefault(name, []).extend(values)
        if len(cores) > 1:
            both = [started(core, our_command("ppo", SHIPPED["ppo"])) for core in cores[:2]]
            speeds = [figures_of(worker)["steps_per_second"] for worker in both]
            found["two processes"]["steps_per_second"].append(sum(speeds))
    return found


def times(found: Series, row: str, theirs: str) -> str:
    """How many times the env steps of another library's row, if that was measured."""
    if theirs not in found:
        return "-"
    return f"{middle(found, row, 'steps_per_second') / middle(found, theirs, 'steps_per_second'):.1f}"


def table(found: Series) -> list[str]:
    """The speeds as a Markdown table."""
    heads = ["training", "env steps/s", *(f"times {title}" for title in TITLES.values())]
    heads += ["of the matmul roofline", "first result after (s)", "peak memory (MiB)"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for agent, work in WORK.items():
        ours = {row_of(agent, passes): passes for passes in work.passes}
        for row in [*ours, *(f"{library} {agent}" for library in work.libraries)]:
            if row not in found:
                continue
            speed, ratios, share = middle(found, row, "steps_per_second"), ["-"] * len(TITLES), "-"
            if row in ours:
                ratios = [times(found, row, f"{library} {agent}") for library in TITLES]
                used = speed / ours[row] * (kiloflop_to_act(agent) + kiloflop_to_learn(agent)) / 1e6
                share = f"{used / middle(found, 'roofline', 'gflops'):.0%}"
            rest = [f"{middle(found, row, 'ready_seconds'):.1f}", f"{middle(found, row, 'peak_mib'):.0f}"]
            lines.append(f"| {' | '.join([row, f'{speed:,.0f}', *ratios, share, *rest])} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    found = measure(options.repeat, peers_exist())
    print(f"One pinned core, medians of {options.repeat} interleaved repetitions in fresh processes.\n")
    print(*table(found), sep="\n")
    print(f"\n{COMPARED.format(bars=BARS, features=FEATURES)}")
    peak = middle(found, "roofline", "gflops")
    print(
        f"The roofline is a product of 512 x {FEATURES} by {FEATURES} x 64: {peak:.0f} GFLOP/s (float32, one core). A"
    )
    print("share counts the matrix products of the rows of the network that are run, and nothing else.")
    if found["two processes"]["steps_per_second"]:
        one = middle(found, row_of("ppo", SHIPPED["ppo"]), "steps_per_second")
        both = middle(found, "two processes", "steps_per_second")
        print(f"\nTwo processes of ppo as shipped on two cores: {both / one:.2f} times one.")


if __name__ == "__main__":
    main()
