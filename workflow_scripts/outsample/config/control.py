"""The block `null_control` of the configuration: how often the procedure finds skill where there is none."""

from __future__ import annotations

from typing import Any, Literal, get_args

from pydantic import ValidationError, field_validator

from outsample.config.agents import Direct
from outsample.config.block import Block, key, refusal

Kind = Literal["volatility", "blocks", "gaussian", "gaussian_drift"]
KINDS = get_args(Kind)
PLANTED = "planted"  # what stands in the place of a kind where there is an edge
_MAX_SEED = 2**32 - 1


class NullControl(Block):
    """The procedure on surrogate markets without predictability, and on some with a planted edge."""

    surrogates: int = key(
        100, "Surrogate markets without predictability; 0 makes no control, and the report says so.", "1", ge=0
    )
    kinds: list[Kind] = key(
        ["volatility", "blocks"],
        "What the surrogates are, in turn: volatility (a random walk with the market's own swings), blocks (its "
        "returns in another order), gaussian and gaussian_drift (Gaussian walks).",
        "-",
        min_length=1,
    )
    block: int = key(10, "Length of the blocks of returns that are put in another order.", "bars", ge=1)
    positives: int = key(20, "Surrogate markets with a planted edge.", "1", ge=0)
    edge: Literal["two_state", "sine"] = key(
        "two_state", "The planted edge: a drift of two hidden states, or one that follows a sine.", "-"
    )
    oracle_sharpe: float = key(
        2.0, "Sharpe ratio of who knows the planted edge, after costs, over all symbols together.", "per year", gt=0
    )
    shifts: int = key(
        100,
        "How often the targets of all trials are shifted in time against the bars and tested anew.",
        "1",
        ge=0,
    )
    search: bool = key(
        False,
        "Whether each surrogate gets the experiment's own agents and search, which takes as long.",
        "-",
    )
    changes: dict[str, Any] = key(
        {"alternatives": [], "updates": 40, "learning_rate": 0.05},
        "Where search is false, one trial of direct with one seed is trained, with these changes to agents.direct: one "
        "network, and fewer and larger steps.",
        "-",
    )
    seed: int = key(0, "Seed of the surrogates.", "-", ge=0, le=_MAX_SEED)

    @field_validator("kinds")
    @classmethod
    def _once(cls, kinds: list[str]) -> list[str]:
        if len(set(kinds)) != len(kinds):
            raise refusal((), "names a kind twice")
        return kinds


def check_changes(settings: Direct, changes: dict[str, Any]) -> None:
    """Refuse changes to what is no setting of direct, or to what it does not take."""
    where = ("null_control", "changes")
    unknown = [name for name in changes if name not in type(settings).model_fields]
    if unknown:
        raise refusal((*where, unknown[0]), "is no setting of direct", list(type(settings).model_fields))
    try:
        type(settings).model_validate(settings.model_dump() | changes, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        path = tuple(str(part) for part in first["loc"])
        reason = first["msg"].removeprefix("Input ").removeprefix("Value ")
        raise refusal((*where, *path), f"is not taken: {reason}") from error
