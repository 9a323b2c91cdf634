"""The chosen settings with one searched number a little lower or higher at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from outsample.config.agents import Agents
from outsample.config.models import Dimension

SHARE = 0.1


class Perturbed(NamedTuple):
    """Settings of which one was moved."""

    scenario: str  # "learning_rate 0.0033 (+10 %)"
    params: dict[str, Any]


def perturbed(agent: str, params: Mapping[str, Any], space: Mapping[str, Dimension]) -> list[Perturbed]:
    """Each searched number 10 % lower and 10 % higher, the others as they are.

    A whole number moves by at least 1. Where the agent does not take the value, the bound of its dimension stands for
    it, and nothing where that is the value itself. Choices, and a number that is 0, have no 10 % and are left out. The
    scenario says by how much the number moved in fact.

    Args:
        agent: name of the agent.
        params: every setting of the chosen trial.
        space: its search space.
    """
    found = []
    for name, dimension in sorted(space.items()):
        if dimension.low is None or dimension.high is None or not params[name]:
            continue
        for sign, bound in ((-1, dimension.low), (1, dimension.high)):
            value = _moved(params[name], sign, whole=dimension.type == "int")
            cut = not _taken(agent, {**params, name: value})
            if cut:
                value = int(bound) if dimension.type == "int" else bound
            if sign * (value - params[name]) > 0:
                label = f"{value / params[name] - 1:+.0%}".replace("%", " %") + (", cut to its bound" if cut else "")
                found.append(Perturbed(f"{name} {value:.4g} ({label})", {**params, name: value}))
    return found


def _moved(value: float, sign: int, whole: bool) -> float:
    if whole:
        return int(value) + sign * max(1, round(SHARE * abs(value)))
    return value * (1.0 + sign * SHARE)


def _taken(agent: str, params: Mapping[str, Any]) -> bool:
    try:
        type(getattr(Agents(), agent)).model_validate(dict(params))
    except ValidationError:
        return False
    return True
