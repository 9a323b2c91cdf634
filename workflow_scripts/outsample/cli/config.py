"""`outsample config`: write, check and show the configuration of the repository in the current folder."""

from __future__ import annotations

import yaml

from outsample.config import generate
from outsample.config.layers import document, experiments, load
from outsample.errors import ConfigError


def write() -> None:
    """Write the generated files that are stale.

    Raises: ConfigError outside a repository.
    """
    written = generate.write()
    print(f"Written: {', '.join(written)}." if written else "Nothing to write: the generated files are up to date.")


def check() -> None:
    """Check that the generated files are up to date and every experiment loads.

    Raises: ConfigError where one is not.
    """
    files = generate.stale()
    if files:
        raise ConfigError(f"{' and '.join(files)} differ from the models; run `outsample config write`.")
    names = experiments()
    for name in names:
        load(name, {"experiment": name})
    print(f"Up to date; experiments: {', '.join(names)}.")


def show(experiment: str) -> None:
    """Print all settings of an experiment as YAML, with their hash.

    Raises: ConfigError where it does not load.
    """
    text = yaml.safe_dump(document(load(experiment, {"experiment": experiment})), sort_keys=False, allow_unicode=True)
    print(text, end="")
