"""The ledger of looks at the vault: how often it was opened, since every further look makes luck likelier."""

from __future__ import annotations

import json
from collections.abc import Sequence

from outsample.errors import DataError


def record_look(lines: Sequence[str], vault: str, model: str, experiment: str) -> tuple[list[str], int]:
    """Record that a model was evaluated on a vault, once, and say which look at that vault it is.

    The look is the place of the model among the distinct models that have seen this vault, in the order of the ledger,
    from 1. The same model on the same vault is the same look, whatever the experiment is called, and adds no line.

    Args:
        lines: lines of the ledger, one JSON object each, without line ends; empty lines are kept and mean nothing.
        vault: sha256 of the vault's data.
        model: sha256 of the policy.
        experiment: name of the experiment, noted beside them.
    Returns: the ledger's lines, and the look.
    Raises: DataError naming the line that is no entry of a ledger.
    >>> ledger, look = record_look([], "v", "a", "x")
    >>> ledger, look = record_look(ledger, "v", "b", "y")
    >>> look, record_look(ledger, "v", "a", "z")[1], len(record_look(ledger, "v", "a", "z")[0])
    (2, 1, 2)
    """
    lines = list(lines)
    entries = [_entry(line, number) for number, line in enumerate(lines, 1) if line.strip()]
    models = list(dict.fromkeys(seen for at, seen in entries if at == vault))
    if model in models:
        return lines, models.index(model) + 1
    entry = {"vault": vault, "model": model, "experiment": experiment}
    return [*lines, json.dumps(entry)], len(models) + 1


def _entry(line: str, number: int) -> tuple[str, str]:
    try:
        entry = json.loads(line)
        return str(entry["vault"]), str(entry["model"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"Line {number} of the vault ledger is no entry with vault and model: take it back from git, for without "
            "it the looks cannot be counted."
        ) from error
