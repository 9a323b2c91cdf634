"""What every agent's training run takes and gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax

from outsample.agents.network import Head, Params
from outsample.market.accounting import MarketRules


@dataclass(frozen=True)
class Program:
    """What is compiled in: everything that changes shapes or the program itself."""

    agent: str
    settings: tuple[tuple[str, int | str], ...]  # the agent's static hyper-parameters, sorted by name
    actions: tuple[int, ...]  # targets, ascending; the positions are the same list
    fill: str
    short_selling: bool

    def __getitem__(self, name: str) -> Any:
        return dict(self.settings)[name]

    def head(self, outputs: int) -> Head:
        """The network with this number of outputs."""
        positions = len(self.actions)
        return Head(outputs, positions, torso=self["torso"], units=self["units"], layers=self["layers"])


class MarketArrays(NamedTuple):
    """Bars and raw features of all rows of a panel, float32."""

    features: jax.Array  # [N, F]
    open: jax.Array  # [N]
    close: jax.Array  # [N]


class RuleNumbers(NamedTuple):
    """The numbers of MarketRules, traced."""

    cost_rate: jax.Array
    borrow_per_bar: jax.Array
    grid: jax.Array | None  # None takes targets as they are (accounting.to_grid)
    band: jax.Array


class Job(NamedTuple):
    """One training run; all traced. The key is drawn from seed, fold and inner only, so trials share their luck."""

    seed: jax.Array  # uint32
    fold: jax.Array  # int32
    inner: jax.Array  # int32
    start: jax.Array  # [G] int32, first row of each segment
    length: jax.Array  # [G] int32, decisions of each segment
    center: jax.Array  # [F]
    scale: jax.Array  # [F]


class Trained(NamedTuple):
    """The outcome of a training run: parameters and, for each of U updates, the learning curve."""

    actor: Params  # of a `Head` with an output per action; the greedy policy takes the largest
    critic: Params  # empty for an agent without one
    reward: jax.Array  # [U] mean net log return per bar of the policy that acts
    entropy: jax.Array  # [U] nats, 0 for a greedy policy
    loss: jax.Array  # [U]
    finite: jax.Array  # [U] bool, the parameters after the update and its losses


def market_rules(program: Program, numbers: RuleNumbers) -> MarketRules:
    """MarketRules with traced numbers; training trades fractions of equity, so whole shares are left out of account."""
    return MarketRules(fill=program.fill, short_selling=program.short_selling, **numbers._asdict())  # type: ignore[arg-type]


def job_key(job: Job) -> jax.Array:
    """The random key of a job."""
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(job.seed), job.fold + 1), job.inner)
