"""What every agent learns from 2,000 bars by the shipped procedure and defaults, on markets of known truth.

Usage, in the repository's folder: .venv/bin/python -m benchmarks.learning [--agents direct dqn] [--seeds 100-109]
    [--studies two-state] [--set objective=sharpe "alternatives=[]"]
"""

from __future__ import annotations

import argparse
import tempfile
from typing import Any

import numpy as np
import yaml

from outsample.agents.runtime import configure_jax

SINE, EDGE, WALK, WEAK, POOLED = "sine", "two-state", "random-walk", "weak-edge", "pooled"
NON_LINEAR, PAST = "non-linear", "memory"


def described(values: list[float]) -> str:
    """Mean, standard deviation over the seeds, smallest and largest."""
    spread = np.std(values, ddof=1) if len(values) > 1 else 0.0
    return f"mean {np.mean(values):.3f}, sd {spread:.3f}, {min(values):.3f} to {max(values):.3f}"


def sine(agent: str, seeds: range, changes: dict[str, Any]) -> str:
    from tests.reference import learning_case

    shares = [learning_case.sine_share(agent, seed, **changes) for seed in seeds]
    return f"share of the best in hindsight: {described(shares)}"


def two_state(agent: str, seeds: range, changes: dict[str, Any]) -> str:
    from tests.reference import agents_case, learning_case

    fresh = agents_case.planted(learning_case.FRESH, 998)
    best = learning_case.filter_log_return(fresh)
    found = [learning_case.two_state(agent, seed, fresh, **changes) for seed in seeds]
    scores = [float(learning_case.log_return(of_seed.targets[:, 0], fresh) / best) for of_seed in found]
    gated = np.mean([score * of_seed.gate_open for score, of_seed in zip(scores, found, strict=True)])
    opened = sum(of_seed.gate_open for of_seed in found)
    return f"share of the Bayes filter: {described(scores)}; gated {gated:.3f}, open {opened} of {len(seeds)}"


def no_edge(agent: str, seeds: range, changes: dict[str, Any], drift: float) -> str:
    from tests.reference import agents_case, learning_case

    fresh = agents_case.planted(learning_case.FRESH, 998, drift=drift)
    found = [learning_case.two_state(agent, seed, fresh, drift=drift, **changes) for seed in seeds]
    earned = np.array([1e4 * learning_case.log_return(of_seed.targets[:, 0], fresh) for of_seed in found])
    traded = np.array([(np.diff(of_seed.targets[:, 0]) != 0).mean() for of_seed in found])
    opened = np.array([of_seed.gate_open for of_seed in found])
    gated_earned, gated_traded = (earned * opened).mean(), (traded * opened).mean()
    return (
        f"gate open {opened.sum()} of {len(seeds)}; net log return in 1e-4 a bar {earned.mean():.2f}, gated "
        f"{gated_earned:.2f}; bars traded {100 * traded.mean():.1f} %, gated {100 * gated_traded:.1f} %"
    )


def non_linear(agent: str, seeds: range, changes: dict[str, Any]) -> str:
    from tests.reference import learning_case

    fresh, sign = learning_case.non_linear_market(learning_case.FRESH, 998)
    found = [learning_case.non_linear_share(agent, seed, fresh, sign, **changes) for seed in seeds]
    gated = np.mean([share * is_open for share, is_open in found])
    opened = sum(is_open for _, is_open in found)
    shares = [share for share, _ in found]
    return f"share of following the known sign: {described(shares)}; gated {gated:.3f}, open {opened} of {len(seeds)}"


def pooled(agent: str, seeds: range, changes: dict[str, Any]) -> str:
    from tests.reference import learning_case

    ratios = [learning_case.pooled_sharpe(agent, seed, **changes) for seed in seeds]
    return f"Sharpe ratio a year of a symbol, four of them pooled: {described(ratios)}"


def past(agent: str, seeds: range, changes: dict[str, Any]) -> str:
    from tests.reference import learning_case

    shares = [learning_case.memory_share(agent, seed, **changes) for seed in seeds]
    return f"share of the known sign, which a policy without a memory cannot see: {described(shares)}"


STUDIES = {
    SINE: sine,
    EDGE: two_state,
    WALK: lambda *case: no_edge(*case, drift=0.0),
    WEAK: lambda *case: no_edge(*case, drift=0.0005),
    NON_LINEAR: non_linear,
    POOLED: pooled,
    PAST: past,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agents", nargs="+", help="all where left out")
    parser.add_argument("--seeds", default="100-109", help="first-last")
    parser.add_argument("--studies", nargs="+", choices=STUDIES, default=list(STUDIES))
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="settings of the agent")
    options = parser.parse_args()
    first, _, last = options.seeds.partition("-")
    seeds = range(int(first), int(last or first) + 1)
    with tempfile.TemporaryDirectory() as cache:
        configure_jax(cache)
        from outsample.agents.registry import AGENTS, get_agent

        named = {name: yaml.safe_load(value) for name, _, value in (text.partition("=") for text in options.set)}
        for agent in options.agents or sorted(AGENTS):
            checked = get_agent(agent).SETTINGS.model_validate(named)
            changes = {name: getattr(checked, name) for name in named}
            print(f"{agent}, seeds {options.seeds}, settings {changes or 'as shipped'}", flush=True)
            for name in options.studies:
                print(f"  {name}: {STUDIES[name](agent, seeds, changes)}", flush=True)


if __name__ == "__main__":
    main()
