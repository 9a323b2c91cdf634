"""A search that starts from what an earlier study found: when that is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from outsample.config.models import Dimension
from outsample.errors import ConfigError


def check_warm_start(
    name: str,
    experiment: str,
    agent: str,
    space: Mapping[str, Dimension],
    documents: Sequence[Mapping[str, Any]],
    suggestions: int,
    scores: int,
    vault: str = "",
    known: Mapping[str, str] | None = None,
) -> None:
    """Refuse a warm start from a study that is not there, is unfinished, or searched another space.

    Args:
        name: `search.warm_start`; empty asks for nothing.
        experiment: the one that is searched now.
        agent: whose trials are wanted.
        space: its search space now.
        documents: document "config" of the earlier study, or none.
        suggestions, scores: how many rounds of the agent it has suggested and scored.
        vault: first date of the vault of the experiment that is searched now, ISO.
        known: last date, ISO, that each study which leads here has trained on or scored.
    Raises: ConfigError naming the study and what is wrong with it.
    """
    if not name:
        return
    if name == experiment:
        raise ConfigError(f"search.warm_start of {name} is that experiment itself: name another, or leave it out.")
    if not documents or not scores:
        raise ConfigError(
            f"search.warm_start is {name}, but results/{name} holds no scored trials of {agent}; run that experiment "
            "first, or leave search.warm_start out."
        )
    if suggestions != scores:
        raise ConfigError(
            f"search.warm_start is {name}, of which {scores} rounds of {agent} are scored and {suggestions} suggested; "
            "let that experiment end first."
        )
    theirs = documents[0]["settings"]["search"]["space"].get(agent, {})
    there = {parameter: Dimension(**dimension) for parameter, dimension in theirs.items()}
    differ = sorted(p for p in {*there, *space} if there.get(p) != space.get(p))
    if differ:
        raise ConfigError(
            f"search.warm_start is {name}, whose search.space.{agent} differs in {', '.join(differ)}: set the same "
            "space, or leave search.warm_start out."
        )
    late = [other for other, last in (known or {}).items() if last >= vault]
    if late:
        raise ConfigError(
            f"search.warm_start is {name}, but {late[0]} has scored bars up to {(known or {})[late[0]]}, and the vault "
            f"of {experiment} begins on {vault}: what is told would come out of the vault, so begin it later, or end "
            f"{late[0]} earlier."
        )
