"""The settings of each agent, as blocks of the configuration."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

from pydantic import Field, ValidationError, model_validator

from outsample.config.block import Block, key, refusal

Torso = Literal["linear", "tanh", "relu", "gru"]

Changes = dict[str, Any]  # values are judged with the other settings, by check_alternatives


def _alternatives(*default: Changes) -> Any:
    return key(
        list(default),
        "Further sets of changes to the settings above and below, each trained as well. The one with the largest "
        "validated return is taken if it leads by more than a standard error, and the gate's level is divided by the "
        "number of all; [] trains the settings alone.",
        "-",
    )


def _units(default: int) -> Any:
    return key(
        default, "Hidden units of a layer, or of the memory of a gru, where torso is not linear.", "1", ge=1, le=1024
    )


class Learner(Block):
    """The settings that all agents have in common: the network, what is tried beside it, and what is off by default."""

    # Shape the compiled program, so no trial may change them.
    structural: ClassVar[frozenset[str]] = frozenset(
        {"torso", "units", "layers", "alternatives", "account_inputs", "learning_rate_schedule", "patience"}
    )
    # A value of 0 takes these out of the compiled program; any other is a number to it, which a trial may change.
    optional: ClassVar[frozenset[str]] = frozenset({"dropout", "gradient_norm"})

    torso: Torso
    units: int = _units(8)
    layers: int = key(1, "Hidden layers where torso is not linear; a gru has one.", "1", ge=1, le=8)
    alternatives: list[Changes] = _alternatives()
    account_inputs: bool = key(
        False, "Whether the policy sees its unrealised result and its holding time beside its position.", "-"
    )
    learning_rate_schedule: Literal["constant", "linear", "cosine"] = key(
        "constant",
        "Whether, and how, the step size falls from learning_rate to 0 over the gradient steps.",
        "-",
    )
    patience: int = key(
        0,
        "Updates without a better return on the validated rows after which a model stops, in whole chunks, and goes "
        "back to its best; 0 trains all updates.",
        "1",
        ge=0,
    )
    gradient_norm: float = key(
        0.0, "A gradient that is longer than this, over all parameters, is cut to it; 0 is never.", "1", ge=0
    )
    dropout: float = key(
        0.0,
        "Share of the hidden units that each gradient step leaves out; needs torso tanh or relu.",
        "1",
        ge=0,
        lt=1,
    )

    @model_validator(mode="after")
    def _one_network(self) -> Self:
        if self.dropout and self.torso not in ("tanh", "relu"):
            raise refusal(
                "dropout", f"must be 0 with `torso: {self.torso}`; only tanh and relu have units that it can drop"
            )
        if self.torso == "gru" and self.layers != 1:
            raise refusal("layers", "must be 1 with `torso: gru`; give the one memory more units")
        return self


class ActorCritic(Learner):
    """The settings that PPO and A2C have in common, off by default."""

    structural: ClassVar[frozenset[str]] = Learner.structural | {"entropy_schedule", "reward"}

    entropy_schedule: Literal["constant", "linear"] = key(
        "constant", "Whether the weight of the entropy bonus falls from entropy to 0 over the updates.", "-"
    )
    reward: Literal["log_return", "differential_sharpe", "mixed"] = key(
        "log_return",
        "What a step is rewarded by: its net log return, the differential Sharpe ratio / 100, or 0.7 of that + 0.3 of "
        "the log return - drawdown_penalty * the increase of drawdown.",
        "-",
    )
    reward_rate: float = key(
        0.02, "Adaptation rate of the differential Sharpe ratio; 1 / it is its memory in bars.", "1", gt=0, lt=1
    )
    drawdown_penalty: float = key(
        0.1, "Weight of the increase of drawdown, a fraction of the peak, where reward is mixed.", "1", ge=0, le=100
    )


class Ppo(ActorCritic):
    """Proximal policy optimisation; the defaults are those that carried over to fresh data (docs/training.md)."""

    structural: ClassVar[frozenset[str]] = ActorCritic.structural | {
        *("updates", "epochs", "minibatches", "passes", "segment")
    }

    torso: Torso = key("linear", "Policy and value network.", "-")
    alternatives: list[Changes] = _alternatives(
        {"torso": "tanh", "units": 8},
        {"torso": "relu", "units": 64, "layers": 2, "updates": 30},
    )
    updates: int = key(60, "Updates; the most where patience is set.", "1", ge=1)
    epochs: int = key(4, "Passes over a rollout in each update.", "1", ge=1)
    minibatches: int = key(4, "Minibatches of each pass; with a gru, of whole segments.", "1", ge=1)
    passes: int = key(4, "How often each update rolls out every training bar.", "1", ge=1)
    segment: int = key(125, "Length of a rollout segment.", "bars", ge=2)
    learning_rate: float = key(3e-3, "Step size of AdamW.", "1", gt=0, le=1)
    weight_decay: float = key(1.0, "Decoupled weight decay of AdamW, times the step size.", "1", ge=0, le=100)
    discount: float = key(0.97, "Discount of rewards, per bar.", "1", ge=0, le=1)
    gae_lambda: float = key(0.9, "Decay of the generalised advantage estimate.", "1", ge=0, le=1)
    clip: float = key(0.2, "Clip of the probability ratio.", "1", gt=0, lt=1)
    entropy: float = key(0.02, "Weight of the entropy bonus.", "1", ge=0, le=10)
    reward_scale: float = key(100.0, "Factor on log returns; 1 makes PPO fail.", "1", gt=0)


class Direct(Learner):
    """Exact gradient of the net return; the defaults are those that carried over to fresh data (docs/training.md)."""

    structural: ClassVar[frozenset[str]] = Learner.structural | {*("updates", "segment", "objective")}

    torso: Torso = key("tanh", "Policy network.", "-")
    units: int = _units(4)
    alternatives: list[Changes] = _alternatives(
        {"torso": "linear", "dropout": 0.0},
        {"torso": "relu", "units": 64, "layers": 2, "weight_decay": 3.0},
    )
    updates: int = key(200, "Gradient steps, each over every training bar; the most where patience is set.", "1", ge=1)
    segment: int = key(125, "Length of a segment, which starts flat and which no gradient leaves.", "bars", ge=2)
    objective: Literal["return", "sharpe"] = key(
        "return",
        "What is maximised: the mean net log return, or its Sharpe ratio (which decided worse, docs/training.md).",
        "-",
    )
    learning_rate: float = key(1e-2, "Step size of AdamW.", "1", gt=0, le=1)
    weight_decay: float = key(1.0, "Decoupled weight decay of AdamW, times the step size.", "1", ge=0, le=100)


class A2c(ActorCritic):
    """Advantage actor-critic; the defaults are those that carried over to fresh data (docs/training.md)."""

    structural: ClassVar[frozenset[str]] = ActorCritic.structural | {*("updates", "passes", "segment")}

    torso: Torso = key("linear", "Policy and value network.", "-")
    alternatives: list[Changes] = _alternatives(
        {"torso": "tanh", "units": 8},
        {"torso": "relu", "units": 64, "layers": 2, "updates": 100},
    )
    updates: int = key(200, "Updates of one step each; the most where patience is set.", "1", ge=1)
    passes: int = key(2, "How often each update rolls out every training bar.", "1", ge=1)
    segment: int = key(125, "Length of a rollout segment.", "bars", ge=2)
    learning_rate: float = key(1e-2, "Step size of AdamW.", "1", gt=0, le=1)
    weight_decay: float = key(1.0, "Decoupled weight decay of AdamW, times the step size.", "1", ge=0, le=100)
    discount: float = key(0.97, "Discount of rewards, per bar.", "1", ge=0, le=1)
    gae_lambda: float = key(0.9, "Decay of the generalised advantage estimate.", "1", ge=0, le=1)
    entropy: float = key(0.02, "Weight of the entropy bonus.", "1", ge=0, le=10)
    reward_scale: float = key(100.0, "Factor on log returns.", "1", gt=0)


class Dqn(Learner):
    """Deep Q-network; the defaults are those that carried over to fresh data (docs/training.md)."""

    structural: ClassVar[frozenset[str]] = Learner.structural | {
        *("updates", "steps", "batch", "segment"),
        *("double", "dueling", "n_step", "pairs", "replay", "prioritised"),
    }

    torso: Torso = key("linear", "Network of the action values.", "-")
    alternatives: list[Changes] = _alternatives(
        {"torso": "tanh", "units": 8},
        {"torso": "relu", "units": 64, "layers": 2, "updates": 40, "weight_decay": 3.0},
    )
    updates: int = key(80, "Updates, each a point of the learning curve; the most where patience is set.", "1", ge=1)
    steps: int = key(10, "Steps of AdamW of each update.", "1", ge=1)
    batch: int = key(256, "Bars of each step; with a gru the whole segments among them, at least one.", "bars", ge=1)
    segment: int = key(125, "Length of the segments into which the training bars are cut.", "bars", ge=2)
    double: bool = key(
        True, "The network that learns chooses the action that its slow copy values (double Q-learning).", "-"
    )
    dueling: bool = key(False, "Action values are the sum of a state's value and centred advantages.", "-")
    n_step: int = key(1, "Steps of reward before the value is taken for the rest.", "bars", ge=1, le=100)
    pairs: Literal["all", "sampled"] = key(
        "all", "Learn from all pairs of position and action of a bar, or from decisions that were tried.", "-"
    )
    replay: int = key(
        10_000,
        "Decisions that are remembered where pairs is sampled, at least those of one update.",
        "1",
        ge=1,
        le=10_000_000,
    )
    epsilon: float = key(0.1, "Probability of a random decision where pairs is sampled.", "1", ge=0, le=1)
    prioritised: bool = key(
        False, "Remembered decisions are drawn in proportion to a power of their error; needs pairs: sampled.", "-"
    )
    priority_exponent: float = key(0.6, "That power; 0 is uniform.", "1", ge=0, le=2)
    priority_correction: float = key(
        0.4, "Exponent of the importance weights at the start of training; it ends at 1.", "1", ge=0, le=1
    )
    learning_rate: float = key(3e-3, "Step size of AdamW.", "1", gt=0, le=1)
    weight_decay: float = key(0.1, "Decoupled weight decay of AdamW, times the step size.", "1", ge=0, le=100)
    discount: float = key(0.97, "Discount of rewards, per bar.", "1", ge=0, le=1)
    target_rate: float = key(0.02, "Part of the way that the slow copy follows in each step.", "1", gt=0, le=1)
    reward_scale: float = key(100.0, "Factor on log returns.", "1", gt=0)

    @model_validator(mode="after")
    def _consistent(self) -> Dqn:
        if self.prioritised and self.pairs == "all":
            raise refusal("prioritised", "needs `pairs: sampled`; all pairs of a bar are learnt from as they are")
        if self.torso == "gru" and self.pairs == "sampled":
            raise refusal("pairs", "must be all with `torso: gru`, which learns from whole segments")
        if self.pairs == "sampled" and self.batch > self.replay:
            raise refusal("batch", f"is {self.batch}, more than the {self.replay} decisions of `replay`")
        if self.account_inputs and (self.pairs == "sampled" or self.n_step > 1):
            raise refusal("account_inputs", "needs `pairs: all` and `n_step: 1`; set it to false, or those two")
        return self


class Agents(Block):
    """Settings of each agent; a trial overrides those that the search names."""

    a2c: A2c = Field(A2c(), description="Advantage actor-critic.", json_schema_extra={"unit": "-"})
    direct: Direct = Field(Direct(), description="Exact gradient through the market.", json_schema_extra={"unit": "-"})
    dqn: Dqn = Field(Dqn(), description="Deep Q-network.", json_schema_extra={"unit": "-"})
    ppo: Ppo = Field(Ppo(), description="Proximal policy optimisation.", json_schema_extra={"unit": "-"})

    @model_validator(mode="after")
    def _possible_alternatives(self) -> Self:
        for agent in type(self).model_fields:
            check_alternatives(agent, getattr(self, agent))
        return self


def check_alternatives(agent: str, settings: Learner) -> None:
    """Refuse an alternative that changes nothing, what is no setting, or to what the agent does not take."""
    free = [name for name in type(settings).model_fields if name != "alternatives"]
    for number, changes in enumerate(settings.alternatives):
        where = (agent, "alternatives", str(number))
        if not changes:
            raise refusal(where, "changes nothing; leave it out")
        unknown = [name for name in changes if name not in free]
        if unknown:
            raise refusal((*where, unknown[0]), f"is no setting of {agent}", free)
        try:
            type(settings).model_validate(settings.model_dump() | changes | {"alternatives": []}, strict=True)
        except ValidationError as error:
            first = error.errors()[0]
            path = tuple(str(part) for part in first["loc"])
            reason = first["msg"].removeprefix("Input ").removeprefix("Value ")
            raise refusal((*where, *path), f"is not taken: {reason}") from error
