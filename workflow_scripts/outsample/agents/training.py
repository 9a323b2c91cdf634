"""What every agent's training run takes and gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import optax

from outsample.agents.inputs import check_actions
from outsample.agents.network import Head, Params
from outsample.market.accounting import MarketRules


@dataclass(frozen=True)
class Program:
    """What is compiled in: everything that changes shapes or the program itself.

    Raises: TrainingError where the actions do not ascend, lack flat, or are short though short selling is off.
    """

    agent: str
    settings: tuple[tuple[str, int | str], ...]  # the agent's static hyper-parameters, sorted by name
    actions: tuple[int, ...]  # targets, ascending; the positions are the same list
    fill: str
    short_selling: bool

    def __post_init__(self) -> None:
        check_actions(self.actions, self.short_selling)

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


class Curve(NamedTuple):
    """What one update reports; over a run, each has a leading axis [U]."""

    reward: jax.Array  # mean net log return per bar of the policy that acts
    entropy: jax.Array  # nats, 0 for a greedy policy
    loss: jax.Array
    finite: jax.Array  # bool, the parameters after the update and its losses


class Trained(NamedTuple):
    """The outcome of a training run."""

    actor: Params  # of a `Head` with an output per action; the greedy policy takes the largest
    curve: Curve  # [U]


class Agent(Protocol):
    """What a training run is made of: the module of an agent. All three are pure and traced.

    A run is `begin`, U times what `updater` returns, and `finish`. The state holds everything that an update hands to
    the next, so a run that is cut between two updates goes on in the same bits.
    """

    def begin(self, program: Program, market: MarketArrays, numbers: RuleNumbers, hyper: Any, job: Job) -> Any:
        """The first state, and what chance gives to each update: (state, inputs with a leading axis [U], or None)."""

    def updater(self, program: Program, market: MarketArrays, numbers: RuleNumbers, hyper: Any, job: Job) -> Any:
        """The update: a function (state, input) -> (state, Curve)."""

    def finish(self, program: Program, state: Any) -> Params:
        """The actor of a state."""


def train(agent: Agent, program: Program, market: MarketArrays, numbers: RuleNumbers, hyper: Any, job: Job) -> Trained:
    """A whole run as one function.

    Args:
        agent: the module of the agent.
        program: static settings.
        market: all bars of the panel; only the rows of the job's segments are read.
        numbers: costs, traced.
        hyper: the agent's `Hyper`, traced.
        job: seed, segments and scaler, traced.
    """
    state, inputs = agent.begin(program, market, numbers, hyper, job)
    update = agent.updater(program, market, numbers, hyper, job)
    state, curve = jax.lax.scan(update, state, inputs, length=program["updates"])
    return Trained(agent.finish(program, state), curve)


def optimiser_of(hyper: Any) -> optax.GradientTransformation:
    """AdamW (Loshchilov and Hutter 2019) with an agent's learning_rate and weight_decay, over one flat array."""
    return optax.flatten(optax.adamw(hyper.learning_rate, weight_decay=hyper.weight_decay))


def all_finite(tree: Any) -> jax.Array:
    """Whether every number of every array is finite."""
    return jnp.array([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]).all()


def market_rules(program: Program, numbers: RuleNumbers) -> MarketRules:
    """MarketRules with traced numbers; training trades fractions of equity, so whole shares are left out of account."""
    return MarketRules(fill=program.fill, short_selling=program.short_selling, **numbers._asdict())  # type: ignore[arg-type]


def job_key(job: Job) -> jax.Array:
    """The random key of a job."""
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(job.seed), job.fold + 1), job.inner)
