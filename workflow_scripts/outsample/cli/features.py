"""`outsample features`: what each feature is, as a table; and the same table in the documentation."""

from __future__ import annotations

from pathlib import Path

from outsample.config.layers import load
from outsample.errors import ConfigError
from outsample.features.listing import EVERY, as_text, feature_rows, with_table

PAGE = Path("docs/features.md")


def show(experiment: str | None) -> None:
    """Print every feature at its usual parameters, or those of an experiment.

    Raises: ConfigError where the experiment does not load.
    """
    settings = EVERY if experiment is None else load(experiment, {"experiment": experiment}).settings.features
    print(as_text(feature_rows(settings)))


def write() -> None:
    """Write the table of every feature into docs/features.md of the current folder.

    Raises: ConfigError where there is no such page, or it lacks the marks between which the table stands.
    """
    page = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else ""
    written = with_table(page)
    if written is None:
        raise ConfigError(f"{PAGE} is not there, or lacks the two marks of the table; run in the repository's root.")
    PAGE.write_text(written, encoding="utf-8")
    print(f"{PAGE} is {'as it was' if written == page else 'written'}.")
