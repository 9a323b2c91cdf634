"""What every agent's training run takes and gives."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import optax

from outsample.agents.inputs import check_actions
from outsample.agents.network import Dropout, Head, Params
from outsample.market.accounting import MarketRules

_APART = 1 << 31  # splitting a key makes the same keys as folding small numbers into it
_COUNTS = ("updates", "epochs", "minibatches", "steps")  # whose product is the number of gradient steps


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

    def __contains__(self, name: str) -> bool:
        return name in dict(self.settings)

    def of_draws(self, updates: int) -> Program:
        """This program as far as chance goes: with the smallest network that reads rows as its own does, one by one or
        with a memory, and with so many updates, if that is more than its own."""
        memory = self["torso"] == "gru"
        least = {"torso": "gru" if memory else "linear", "units": 1, "layers": 1}
        least["updates"] = max(self["updates"], updates)
        return replace(self, settings=tuple((name, least.get(name, value)) for name, value in self.settings))

    @property
    def gradient_steps(self) -> int:
        """Gradient steps of a whole run."""
        return math.prod(int(value) for name, value in self.settings if name in _COUNTS)

    def head(self, outputs: int) -> Head:
        """The network with this number of outputs."""
        positions = len(self.actions)
        shape = {name: self[name] for name in ("torso", "units", "layers", "account_inputs")}
        return Head(outputs, positions, **shape)


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
    center: jax.Array  # [F] or [F, S] (outsample.agents.scaling)
    scale: jax.Array  # as center


class Curve(NamedTuple):
    """What one update reports; over a run, each has a leading axis [U]."""

    reward: jax.Array  # mean net log return per bar of the policy that acts
    entropy: jax.Array  # nats, 0 for a greedy policy
    loss: jax.Array
    finite: jax.Array  # bool, the parameters after the update and its losses


class Trained(NamedTuple):
    """The outcome of a training run; of I models together, leaves have a leading axis [I]."""

    actor: Params  # of a `Head` with an output per action; the greedy policy takes the largest
    curve: Curve  # [U]
    updates: Any = None  # [I] how many of the curve's updates count, where models may stop early; None is all
    weights: Any = None  # all that was learnt (`Agent.weights`), where another run is to start from it


class Agent(Protocol):
    """What a training run is made of: the module of an agent. All three are pure and traced.

    A run is `begin`, U times what `updater` returns, and `finish`. The state holds everything that an update hands to
    the next, so a run that is cut between two updates goes on in the same bits.
    """

    def begin(self, program: Program, market: MarketArrays, numbers: RuleNumbers, hyper: Any, job: Job) -> Any:
        """The first state, and what chance gives to each update: (state, inputs with a leading axis [U], or None).

        The inputs must not depend on the size of the network, and those of an update not on how many come after it, so
        that networks share a program that draws them (`Program.of_draws`).
        """

    def updater(self, program: Program, market: MarketArrays, numbers: RuleNumbers, hyper: Any, job: Job) -> Any:
        """The update: a function (state, input) -> (state, Curve)."""

    def finish(self, program: Program, state: Any) -> Params:
        """The actor of a state."""

    def weights(self, state: Any) -> Any:
        """Everything that has been learnt: of an actor and a critic, both."""

    def with_weights(self, state: Any, weights: Any) -> Any:
        """A first state with weights of another run of the same network."""


def train(agent: Agent, program: Program, market: MarketArrays, numbers: RuleNumbers, hyper: Any, job: Job) -> Trained:
    """A whole run of all updates as one function.

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


def hyper_of(agent: ModuleType, settings: Mapping[str, Any]) -> Any:
    """The traced numbers of an agent's settings; None, which leaves it out of the program, for an optional one of 0."""
    off = {name for name in agent.SETTINGS.optional if settings[name] == 0}
    return agent.Hyper(*(None if name in off else jnp.float32(settings[name]) for name in agent.Hyper._fields))


def optimiser_of(program: Program, hyper: Any) -> optax.GradientTransformation:
    """AdamW (Loshchilov and Hutter 2019) over one flat array, with an agent's step size, decay, schedule and clip.

    Step k = 0 .. n-1 of n has the size learning_rate * f(k / n), and so has its decay:

        constant f(x) = 1,   linear f(x) = 1 - x,   cosine f(x) = (1 + cos(pi x)) / 2

    The count k is in the optimiser's state. Where gradient_norm is a number, a gradient whose Euclidean norm over all
    parameters (of actor and critic together) is larger is scaled down to it before AdamW sees it.

    Reference: Loshchilov and Hutter (2017), SGDR, eq. 5 without restarts (cosine); Pascanu, Mikolov and Bengio (2013),
        On the difficulty of training recurrent neural networks, algorithm 1 (clip).
    """
    adamw = optax.adamw(_step_size(program, hyper.learning_rate), weight_decay=hyper.weight_decay)
    if hyper.gradient_norm is None:
        return optax.flatten(adamw)
    return optax.flatten(optax.chain(optax.clip_by_global_norm(hyper.gradient_norm), adamw))


def _step_size(program: Program, learning_rate: jax.Array) -> Any:
    schedule, steps = program["learning_rate_schedule"], program.gradient_steps
    if schedule == "constant":
        return learning_rate
    if schedule == "linear":
        return lambda count: learning_rate * (1 - count / steps)
    return lambda count: learning_rate * (1 + jnp.cos(jnp.pi * count / steps)) / 2


def all_finite(tree: Any) -> jax.Array:
    """Whether every number of every array is finite."""
    return jnp.array([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]).all()


def market_rules(program: Program, numbers: RuleNumbers) -> MarketRules:
    """MarketRules with traced numbers; training trades fractions of equity, so whole shares are left out of account."""
    return MarketRules(fill=program.fill, short_selling=program.short_selling, **numbers._asdict())  # type: ignore[arg-type]


def job_key(job: Job) -> jax.Array:
    """The random key of a job."""
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(job.seed), job.fold + 1), job.inner)


def dropout_keys(hyper: Any, job: Job, updates: int) -> jax.Array | None:
    """The keys [U] of what the updates of a job leave out, apart from all its other draws; None without dropout."""
    if hyper.dropout is None:
        return None
    return jax.random.split(jax.random.fold_in(job_key(job), _APART), updates)


def dropouts(rate: jax.Array | None, key: jax.Array | None, count: int) -> tuple[Dropout | None, ...]:
    """Dropouts of so many networks by one key; each None where there is none."""
    if rate is None or key is None:
        return (None,) * count
    return tuple(Dropout(rate, of_network) for of_network in jax.random.split(key, count))
