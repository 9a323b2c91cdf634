"""The configuration as Pydantic models: the one source of every key, its type, its unit, its default and its meaning.

`config/base/default.yaml` and `config/schema.json` are generated from here (`outsample config write`); a test fails
when they are stale. Unknown keys are refused at every level.
"""

from __future__ import annotations

import datetime
import difflib
from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from outsample.config.agents import A2c, Agents, Direct, Dqn, Ppo
from outsample.config.block import Block, key, refusal
from outsample.config.control import NullControl, check_changes
from outsample.config.data import Data
from outsample.config.features import FeatureSet
from outsample.config.folds import Folds
from outsample.config.search import Rungs, Sampler, check_rungs, check_sampler
from outsample.config.selection import RECIPES, Selection, arms_of
from outsample.config.selection import MultiMetric as MultiMetric
from outsample.config.validation import BarRules

Horizon = Annotated[int, Field(ge=1)]
_MAX_SEED = 2**32 - 1


class Market(Block):
    """How targets become fills, costs and equity: the same in training, backtest and paper trading."""

    fill: Literal["next_open", "next_close"] = key(
        "next_open", "A target of the close of bar t is filled at the open (or the close) of bar t+1.", "-"
    )
    commission: float = key(3.0, "Commission.", "basis points of traded notional", ge=0, le=1000)
    slippage: float = key(3.0, "Slippage.", "basis points of traded notional", ge=0, le=1000)
    short_selling: bool = key(True, "Whether targets below 0 are allowed.", "-")
    borrow_rate: float = key(0.01, "Cost of borrowing shares that are held short.", "per year", ge=0, le=10)
    risk_free_rate: float = key(0.0, "Rate subtracted from returns in the Sharpe and Sortino ratios.", "per year")
    grid: float = key(0.01, "Targets are rounded to multiples of this.", "fraction of equity", gt=0, le=1)
    rebalance_band: float = key(
        0.0,
        "An unchanged target is traded again when the position has drifted from it by more than this; 0 is never.",
        "fraction of equity",
        ge=0,
        le=1,
    )
    whole_shares: bool = key(False, "Positions are whole shares.", "-")
    starting_equity: float = key(1_000_000.0, "Equity of all sleeves together at the start.", "currency", gt=0)

    @property
    def replayed_equity(self) -> float:
        """Equity with which trials are replayed: only what whole shares lose to rounding depends on it."""
        return self.starting_equity if self.whole_shares else 1.0


class Vault(Block):
    """The last span of the data, opened once by `evaluate`."""

    start: datetime.date | None = key(None, "First date of the vault; null takes the last `fraction`.", "date")
    fraction: float = key(0.25, "Share of the dates that goes to the vault where `start` is null.", "1", gt=0, lt=0.9)


class Gate(Block):
    """The gate: a policy trades only where its validated return is above zero beyond doubt, else it stays flat."""

    level: float = key(
        0.05,
        "Quantile of the bootstrapped mean return that must be above 0; divided by the number of settings tried.",
        "1",
        gt=0,
        lt=1,
    )
    block: int = key(20, "Length of the circular blocks.", "bars", ge=1)
    resamples: int = key(2000, "Bootstrap resamples.", "1", ge=20)


class Dimension(Block):
    """One dimension of a search space, in Optuna's terms."""

    type: Literal["float", "int", "categorical"] = key("float", "Distribution.", "-")
    low: float | None = key(None, "Lower bound (float, int).", "as the parameter")
    high: float | None = key(None, "Upper bound (float, int).", "as the parameter")
    log: bool = key(False, "Draw on a logarithmic scale.", "-")
    step: float | None = key(None, "Step (float, int).", "as the parameter")
    choices: list[float | int | str | bool] | None = key(None, "Choices (categorical).", "as the parameter")

    @model_validator(mode="after")
    def _complete(self) -> Dimension:
        numbers = {name: getattr(self, name) for name in ("low", "high", "step") if getattr(self, name) is not None}
        if self.type == "categorical":
            if not self.choices:
                raise refusal("choices", "must name the choices of a categorical dimension")
            if numbers or self.log:
                raise refusal([*numbers, "log"][0], "has no meaning in a categorical dimension; leave it out")
            return self
        if self.choices is not None:
            raise refusal("choices", "needs `type: categorical`")
        if self.low is None or self.high is None:
            raise refusal(
                "low" if self.low is None else "high", f"is missing; a dimension of type {self.type} needs it"
            )
        self._check_numbers(self.low, self.high, numbers)
        return self

    def _check_numbers(self, low: float, high: float, numbers: dict[str, float]) -> None:
        fraction = [name for name, value in numbers.items() if value != int(value)]
        if self.type == "int" and fraction:
            raise refusal(
                fraction[0], f"must be a whole number in a dimension of type int, but is {numbers[fraction[0]]:g}"
            )
        if low > high:
            raise refusal("low", f"{low:g} is above high {high:g}")
        if self.log and low <= 0:
            raise refusal("low", f"must be above 0 on a logarithmic scale, but is {low:g}")
        if self.step is not None and (self.log or self.step <= 0):
            raise refusal("step", "must be above 0, and left out where log is true")


class Search(Block):
    """Hyper-parameter search: a fixed number of rounds; round r knows the scores of the rounds before it."""

    agents: list[Literal["a2c", "direct", "dqn", "ppo"]] = key(
        ["ppo"], "Agents that are searched, each with all the trials below.", "-", min_length=1
    )
    sampler: Sampler = key("tpe", "Optuna sampler.", "-")
    objective: Literal["multi_metric", "pareto", "sharpe_only"] = key(
        "sharpe_only",
        "Selection arm whose score the sampler maximises; or pareto: the total return is maximised and the maximum "
        "drawdown minimised, both at once.",
        "-",
    )
    rounds: int = key(2, "Rounds R.", "1", ge=1, le=1000)
    trials_per_round: int = key(
        4, "Trials of each round; the very first takes the settings in `agents` as they are.", "1", ge=1
    )
    rungs: Rungs = Field(Rungs(), description="Successive halving.", json_schema_extra={"unit": "-"})
    warm_start: str = key(
        "",
        "Experiment whose trials and scores the sampler is told before its first trial; its search space must be the "
        "same. They are no trials of this experiment, but count where luck among many trials is judged. Empty is none.",
        "-",
    )
    max_failed: float = key(
        1.0, "Share of the trials that may break down before the search is stopped.", "1", ge=0, le=1
    )
    seeds: int = key(2, "Training seeds S of each trial and fold.", "1", ge=1, le=1000)
    seed: int = key(0, "Seed of the study.", "-", ge=0, le=_MAX_SEED)
    space: dict[str, dict[str, Dimension]] = key(
        {
            "a2c": {
                "learning_rate": {"type": "float", "low": 3e-3, "high": 3e-2, "log": True},
                "weight_decay": {"type": "float", "low": 0.3, "high": 3.0, "log": True},
                "discount": {"type": "float", "low": 0.9, "high": 0.99},
                "entropy": {"type": "float", "low": 0.003, "high": 0.1, "log": True},
            },
            "direct": {
                "learning_rate": {"type": "float", "low": 3e-3, "high": 3e-2, "log": True},
                "weight_decay": {"type": "float", "low": 0.3, "high": 3.0, "log": True},
            },
            "dqn": {
                "learning_rate": {"type": "float", "low": 1e-3, "high": 1e-2, "log": True},
                "weight_decay": {"type": "float", "low": 0.03, "high": 1.0, "log": True},
                "discount": {"type": "float", "low": 0.9, "high": 0.99},
                "target_rate": {"type": "float", "low": 0.005, "high": 0.1, "log": True},
            },
            "ppo": {
                "learning_rate": {"type": "float", "low": 1e-3, "high": 1e-2, "log": True},
                "weight_decay": {"type": "float", "low": 0.3, "high": 3.0, "log": True},
                "discount": {"type": "float", "low": 0.9, "high": 0.99},
                "entropy": {"type": "float", "low": 0.003, "high": 0.1, "log": True},
            },
        },
        "Search space of each agent: parameter -> dimension; null takes a dimension out. That of an agent which is not "
        "searched is not used.",
        "-",
    )

    @model_validator(mode="after")
    def _possible(self) -> Search:
        check_rungs(self.rungs, self.trials_per_round)
        check_sampler(self.sampler, self.objective, self.trials_per_round, self.rungs.levels, self.warm_start)
        return self

    @field_validator("agents")
    @classmethod
    def _once(cls, agents: list[str]) -> list[str]:
        if len(set(agents)) != len(agents):
            raise refusal((), "names an agent twice")
        return agents

    @field_validator("space")
    @classmethod
    def _sorted(cls, space: dict[str, dict[str, Dimension]]) -> dict[str, dict[str, Dimension]]:
        """In the order of the names: the order in a file must not change what is drawn."""
        return {agent: dict(sorted(dimensions.items())) for agent, dimensions in sorted(space.items())}


class Final(Block):
    """The final policy."""

    seeds: int = key(4, "Training seeds whose outputs are averaged in the final policy.", "1", ge=1, le=100)


class Evaluation(Block):
    """What is computed on the vault."""

    confidence: float = key(0.95, "Confidence of the intervals.", "1", gt=0.5, lt=1)
    resamples: int = key(1000, "Stationary-bootstrap resamples.", "1", ge=100)
    random_agents: int = key(1000, "Random agents of the same exposure and turnover.", "1", ge=1)
    sma_cross: tuple[Horizon, Horizon] = key((20, 50), "Fast and slow window of the moving-average benchmark.", "bars")
    seed: int = key(0, "Seed of bootstraps and random agents.", "-", ge=0, le=_MAX_SEED)

    @field_validator("sma_cross")
    @classmethod
    def _fast_below_slow(cls, windows: tuple[int, int]) -> tuple[int, int]:
        if windows[0] >= windows[1]:
            raise refusal((), f"has the fast window {windows[0]}, which is not below the slow window {windows[1]}")
        return windows


class Robustness(Block):
    """Further lines of the table of robustness; off as shipped. Nothing of them enters the verdict."""

    hyper_parameters: bool = key(
        False,
        "Whether the chosen settings are trained again out of fold with each searched number 10 % lower and higher.",
        "-",
    )
    crash: float = key(
        0.0,
        "What all prices lose overnight at the middle of the vault, for positions as they were decided without it; 0 "
        "leaves the line out.",
        "fraction of the price",
        ge=0,
        lt=1,
    )


class Report(Block):
    """The report."""

    title: str = key("", "Title; empty takes the experiment's name.", "-")


Level = Literal["none", "weak", "evidence_over_flat", "evidence_over_buy_and_hold"]


class Gates(Block):
    """What a model must show on the vault before it may be deployed; a package records each outcome."""

    verdict: Level = key("none", "Least level of the verdict.", "-")
    sharpe: float = key(0.5, "Least Sharpe ratio.", "per year")
    max_drawdown: float = key(0.2, "Largest drawdown.", "fraction of equity", ge=0, le=1)


class Logging(Block):
    """Logs; changes no result."""

    level: Literal["debug", "info", "warning"] = key("info", "Least severe message that is logged.", "-")


class Settings(Block):
    """All settings of one experiment."""

    data: Data = Field(Data(), description="Which bars are used.")
    validation: BarRules = Field(BarRules(), description="How bars are checked and repaired.")
    market: Market = Field(Market(), description="How targets become equity.")
    features: FeatureSet = Field(FeatureSet(), description="What the policy sees.")
    vault: Vault = Field(Vault(), description="The span that is opened once.")
    folds: Folds = Field(Folds(), description="How the development span is divided.")
    agents: Agents = Field(Agents(), description="Settings of each agent.")
    gate: Gate = Field(Gate(), description="When a policy may trade at all.")
    search: Search = Field(Search(), description="Hyper-parameter search.")
    selection: Selection = Field(Selection(), description="How one strategy is chosen.")
    final: Final = Field(Final(), description="The final policy.")
    evaluation: Evaluation = Field(Evaluation(), description="What is computed on the vault.")
    robustness: Robustness = Field(Robustness(), description="The chosen strategy in other circumstances.")
    null_control: NullControl = Field(NullControl(), description="How often the procedure finds skill in noise.")
    report: Report = Field(Report(), description="The report.")
    gates: Gates = Field(Gates(), description="What is asked of a model before it is deployed.")
    logging: Logging = Field(Logging(), description="Logs.")

    @model_validator(mode="after")
    def _consistent(self) -> Settings:
        start = self.vault.start
        if start and self.data.start and start <= self.data.start:
            raise refusal(("vault", "start"), f"{start} is not after data.start {self.data.start}")
        if start and self.data.end and start > self.data.end:
            raise refusal(("vault", "start"), f"{start} is after data.end {self.data.end}")
        for symbol in self.data.symbols:
            if getattr(self.data.source_of(symbol), "closes_only", False) and self.market.fill != "next_close":
                raise refusal(("market", "fill"), f"must be next_close, for the source of {symbol} has closes alone")
        for symbol in self.validation.splits:
            if symbol not in self.data.read_symbols:
                raise refusal(("validation", "splits", symbol), "is no symbol that is read", self.data.read_symbols)
        known = self.data.read_symbols
        for index, cross in enumerate(self.features.cross):
            if cross.symbol not in known:
                near = difflib.get_close_matches(cross.symbol, known, n=1)
                raise refusal(
                    ("features", "cross", index, "symbol"),
                    f"{cross.symbol} is neither in data.symbols nor in data.references; "
                    f"{f'did you mean {near[0]}, or ' if near else ''}add it to data.references",
                )
        check_changes(self.agents.direct, self.null_control.changes)
        if self.null_control.search and self.search.warm_start:
            raise refusal(
                ("null_control", "search"),
                "must be false where search.warm_start is set: what an earlier study found on the real market would "
                "be no part of a surrogate's procedure",
            )
        self._check_arm()
        recipe = RECIPES[self.selection.arm]
        if self.robustness.hyper_parameters and (recipe.transfer or recipe.ensemble):
            raise refusal(
                ("robustness", "hyper_parameters"),
                f"must be false where selection.arm is {self.selection.arm}: it moves the settings of one trial that "
                "starts from drawn weights",
            )
        for agent, dimensions in self.search.space.items():
            if agent not in Agents.model_fields:
                raise refusal(("search", "space", agent), "is no agent", list(Agents.model_fields))
            for parameter, dimension in dimensions.items():
                _check_dimension(getattr(self.agents, agent), agent, parameter, dimension)
        return self

    def _check_arm(self) -> None:
        """Refuse an arm that cannot be had."""
        arm, where = self.selection.arm, ("selection", "arm")
        if arm not in arms_of(self.data.transfer):
            raise refusal(
                where, f"{arm} needs other symbols to pre-train on; name some in data.transfer, or choose another arm"
            )
        if RECIPES[arm].ensemble:
            for name in self.search.agents:
                settings = getattr(self.agents, name)
                if any(own.get("account_inputs") for own in (settings.model_dump(), *settings.alternatives)):
                    raise refusal(
                        where,
                        f"{arm} takes the mean of several policies, which hold other positions than their mean, and "
                        f"agents.{name}.account_inputs lets each see its account; switch it off, or choose another arm",
                    )


def _check_dimension(settings: A2c | Direct | Dqn | Ppo, agent: str, parameter: str, dimension: Dimension) -> None:
    """Refuse a dimension of a parameter that cannot be searched, or that reaches values which it does not take."""
    where, what = ("search", "space", agent, parameter), f"agents.{agent}.{parameter}"
    free = [name for name in type(settings).model_fields if name not in settings.structural]
    if parameter in settings.structural:
        raise refusal(where, f"shapes the compiled program, so it cannot be searched; set {what} instead")
    if parameter not in free:
        raise refusal(where, f"is no parameter of {agent}", free)
    for value in dimension.choices or (dimension.low, dimension.high):
        try:
            type(settings).model_validate({**settings.model_dump(), parameter: value}, strict=True)
        except ValidationError as error:
            first = error.errors()[0]
            cause = first["msg"] if first["type"] == "refused" else "it " + first["msg"].removeprefix("Input ")
            raise refusal(where, f"reaches {value!r}, which {what} does not take: {cause}") from error
