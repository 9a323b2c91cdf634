"""Speed of the market without learning: env steps per second under a random policy, beside gymnax and gym-anytrading.

Every figure is the median of interleaved repetitions of a second or more, each in a fresh process on one core. The
other libraries live in an environment of their own (`make .venv-peers`); without it only Outsample is measured.

Usage: .venv/bin/python benchmarks/market_speed.py [--repeat 5]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from fresh_process import HERE, PEERS, interleaved, middle, peers_exist

from outsample.agents.runtime import LOOPS

BARS = 1000  # steps of a call
SLEEVES = (1, 16, 256, 2048)
OURS = {"outsample, JAX float32": "jax", "outsample, NumPy float64 with all books": "numpy"}
GYMNAX: dict[str, list[str]] = {"gymnax, CartPole-v1": [], "the same, its loop compiled as ours is": [LOOPS]}
SINGLE = {"gym-anytrading, stocks": "gym-anytrading", "the env of the training benchmark": "gymnasium"}

MEANING = f"""\
A call takes {BARS} steps of all sleeves; the drawing of the actions is in it but for the last two rows. Outsample
accounts for cash, shares, fees, borrow costs, drift and ruin; features are looked up where the network runs, not at
each step. CartPole of gymnax (`vmap`, `lax.scan`) is no market, but the customary measure of a compiled environment;
it resets itself. gym-anytrading is long or short, charges no cost in its reward, and cannot run many at once; nor can
the Gymnasium environment with which the other libraries are trained."""


def workers(others: bool) -> dict[str, tuple[list[str], Path]]:
    """Name and number of sleeves of a row -> the command that measures it, and its folder."""
    rows = {}
    for name, kind in OURS.items():
        for sleeves in SLEEVES:
            rows[f"{name} {sleeves}"] = ([sys.executable, "our_market.py", kind, str(sleeves), str(BARS)], HERE)
    for name, flags in GYMNAX.items() if others else ():
        for sleeves in SLEEVES:
            command = [str(PEERS), "peer_market.py", "gymnax", str(sleeves), str(BARS), *flags]
            rows[f"{name} {sleeves}"] = (command, HERE / "peers")
    for name, kind in SINGLE.items() if others else ():
        rows[f"{name} 1"] = ([str(PEERS), "peer_market.py", kind, "1", str(BARS)], HERE / "peers")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    found = interleaved(workers(peers_exist()), options.repeat)
    print(
        f"Env steps per second, random policy, one pinned core, medians of {options.repeat} interleaved repetitions.\n"
    )
    print(f"| sleeves or environments at once | {' | '.join(map(str, SLEEVES))} |\n|---{'|---' * len(SLEEVES)}|")
    for name in (*OURS, *GYMNAX, *SINGLE):
        speeds = [
            f"{middle(found, row, 'steps_per_second'):,.0f}" if (row := f"{name} {sleeves}") in found else "-"
            for sleeves in SLEEVES
        ]
        if set(speeds) != {"-"}:
            print(f"| {name} | {' | '.join(speeds)} |")
    print(f"\n{MEANING}")


if __name__ == "__main__":
    main()
