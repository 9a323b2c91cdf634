"""`outsample fetch`: bring the answers of an experiment's source into the store; no other command uses the network."""

from __future__ import annotations

import datetime
import os
from collections.abc import Sequence
from pathlib import Path

from outsample.config.layers import load
from outsample.config.sentences import instead
from outsample.errors import DataError
from outsample.fetch.run import fetch as fetch_answers


def fetch(experiment: str, symbols: Sequence[str], retrieved: str | None, note: str | None, force: bool) -> None:
    """Fetch and say what was done.

    Args:
        experiment: name of an experiment.
        symbols: some of its symbols; none is all.
        retrieved: ISO date for `origin.json`; no clock is read for it.
        note: text for `origin.json`.
        force: whether bars that are stored may be lost.
    Raises: ConfigError, DataError; nothing was stored then.
    """
    data = load(experiment, {"experiment": experiment}).settings.data
    for symbol in symbols:
        if symbol not in data.read_symbols:
            raise DataError(f"{symbol} is no symbol of {experiment}; {instead(symbol, data.read_symbols)}")
    if retrieved is not None:
        try:
            datetime.date.fromisoformat(retrieved)
        except ValueError as error:
            raise DataError(f"--retrieved {retrieved} is no date; write it as YYYY-MM-DD.") from error
    for line in fetch_answers(data, Path(), os.environ, symbols=symbols, retrieved=retrieved, note=note, force=force):
        print(line)
