"""The layers of the configuration: base, environment, experiment, command line; each is merged and validated in turn.

A block is merged key by key, a list is replaced. Where `kind` of a source or `type` of a dimension changes, the block
below it is replaced, because its keys mean nothing to the other kind.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from outsample.config.models import Settings
from outsample.config.sentences import dotted, explain, instead, nearest, shown, text_paths
from outsample.config.yaml_files import read_block, scalar
from outsample.errors import ConfigError
from outsample.hashing import sha256_of

DEFAULT_EXPERIMENT = "quickstart"
DEFAULT_ENVIRONMENT = "development"
BASE_FILE = "config/base/default.yaml"
# Blocks that an environment may set: they change no result, so they need no experiment of their own.
ENVIRONMENT_BLOCKS = ("gates", "logging")

_CHOICES = ("experiment", "environment")
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_KIND_KEYS = ("kind", "type")
_DEEPEST = 20
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Loaded:
    """The merged settings of one experiment, and the hash of all of them."""

    experiment: str
    environment: str
    settings: Settings
    sha256: str


def experiments(root: Path = Path()) -> list[str]:
    """Names of all experiments: the files config/experiments/NAME.yaml, sorted.

    Args:
        root: folder of the repository.
    """
    return _names(root, "experiments")


def chosen(overrides: Mapping[str, Any] = _NOTHING) -> str:
    """The experiment that the command line chooses, which alone takes the science keys given there."""
    return str(overrides.get("experiment", DEFAULT_EXPERIMENT))


def load(experiment: str, overrides: Mapping[str, Any] = _NOTHING, root: Path = Path()) -> Loaded:
    """Merge and validate all layers of one experiment.

    Args:
        experiment: name of the experiment.
        overrides: the command line as Snakemake's `--config` gives it: blocks, and words that YAML would read as
            numbers; `experiment` and `environment` choose, the other keys apply to the experiment chosen. Blocks that
            an environment may set apply to every experiment.
        root: folder of the repository.
    Raises: ConfigError with one sentence that names the layer, its file, and the full key.
    """
    environment = str(overrides.get("environment", DEFAULT_ENVIRONMENT))
    if not (root / BASE_FILE).is_file():
        raise ConfigError(
            f"{BASE_FILE} is not here; start in the repository's folder, or run `outsample config write`."
        )
    words = {k: v for k, v in overrides.items() if k not in _CHOICES}
    for word in words:
        if (
            word not in Settings.model_fields
            and (meant := nearest(word, [*Settings.model_fields, *_CHOICES])) in _CHOICES
        ):
            raise ConfigError(f"command line: {dotted([word])} is not a key; did you mean {meant}?")
    if experiment != chosen(overrides):
        _file(root, "experiment", chosen(overrides))
        words = {k: v for k, v in words.items() if k in ENVIRONMENT_BLOCKS}

    tree = Settings().model_dump(mode="json")
    tree = _add(tree, read_block(root / BASE_FILE, BASE_FILE), f"{BASE_FILE} (base layer)")
    file = _file(root, "environment", environment)
    content, where = read_block(root / file, file), f"{file} (environment layer)"
    _check_environment(content, where, experiment)
    tree = _add(tree, content, where)
    file = _file(root, "experiment", experiment)
    tree = _add(tree, read_block(root / file, file), f"{file} (experiment layer)")
    tree = _add(tree, _read_words(words, tree), "command line")
    return Loaded(experiment, environment, Settings.model_validate(tree), sha256_of(tree))


def document(loaded: Loaded) -> dict[str, Any]:
    """The document `config` of `outsample.io.schemas`: every key of the experiment, and their hash."""
    return {
        "experiment": loaded.experiment,
        "environment": loaded.environment,
        "settings": loaded.settings.model_dump(mode="json"),
        "sha256": loaded.sha256,
    }


def block(loaded: Loaded, *keys: str) -> dict[str, Any]:
    """Just these keys as plain values, nested as in the settings, in the order of the settings; dates are ISO text.

    Args:
        keys: dotted keys, of blocks or of values; `search.space.AGENT` is empty where the agent has no space.
    Raises: KeyError where a key is none, which is a mistake in a rule.
    >>> loaded = Loaded("x", "development", Settings(), "")
    >>> block(loaded, "market.fill", "folds.n_folds", "market.grid")
    {'market': {'fill': 'next_open', 'grid': 0.01}, 'folds': {'n_folds': 5}}
    """
    tree = loaded.settings.model_dump(mode="json")
    for agent in loaded.settings.search.agents:
        tree["search"]["space"].setdefault(agent, {})
    wanted = [key.split(".") for key in keys]
    for path in wanted:
        below: Any = tree
        for part in path:
            below = below[part]
    return _only(tree, wanted)


def agent_params(settings: Settings, agent: str) -> dict[str, Any]:
    """Every setting of an agent as plain values: what a trial starts from."""
    params: dict[str, Any] = getattr(settings.agents, agent).model_dump(mode="json")
    return params


def _only(tree: dict[str, Any], wanted: Sequence[Sequence[str]]) -> dict[str, Any]:
    kept = {}
    for key, value in tree.items():
        inner = [path[1:] for path in wanted if path[0] == key]
        if inner:
            kept[key] = value if [] in inner else _only(value, inner)
    return kept


def _names(root: Path, folder: str) -> list[str]:
    return sorted(p.stem for p in (root / "config" / folder).glob("*.yaml") if _NAME.fullmatch(p.stem))


def _file(root: Path, layer: str, name: str) -> str:
    """File of an experiment or an environment, relative to the repository.

    Raises: ConfigError where the name is none, with the nearest that is.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{shown(name)} is no name of an {layer}: letters, digits, _ and - only.")
    file = f"config/{layer}s/{name}.yaml"
    if not (root / file).is_file():
        raise ConfigError(
            f"The {layer} {name} is unknown, for {file} is not there; {instead(name, _names(root, f'{layer}s'))}"
        )
    return file


def _check_environment(content: dict[str, Any], where: str, experiment: str) -> None:
    for key, value in content.items():
        if key in Settings.model_fields and key not in ENVIRONMENT_BLOCKS:
            path = [key]
            while isinstance(value, dict) and value:
                inner, value = next(iter(value.items()))
                path.append(inner)
            raise ConfigError(
                f"{where}: {dotted(path)} may not be set by an environment, which sets {', '.join(ENVIRONMENT_BLOCKS)} "
                f"only; set it in config/experiments/{experiment}.yaml or on the command line."
            )


def _plain(value: Any, where: str, leaf: Callable[[Any], Any], depth: int = 0) -> Any:
    """The value as dicts, lists and plain leaves.

    Raises: ConfigError where it holds anything else, or blocks without end (a YAML alias within its own anchor).
    """
    if depth > _DEEPEST:
        raise ConfigError(f"{where}: blocks stand more than {_DEEPEST} deep in each other; no key is that deep.")
    if isinstance(value, Mapping):
        return {str(k): _plain(v, where, leaf, depth + 1) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v, where, leaf, depth + 1) for v in value]
    if isinstance(value, datetime.date):
        return value.isoformat()
    if value is None or isinstance(value, (str, bool, int, float)):
        return leaf(value)
    raise ConfigError(f"{where}: {shown(value)} is {type(value).__name__}, which no key takes.")


def _merge(below: Any, above: Any, path: tuple[str, ...] = ()) -> Any:
    """The tree below with all that stands above; an empty block changes nothing, a null dimension goes."""
    if not isinstance(below, dict):
        return above
    if above is None:
        return below
    if not isinstance(above, dict) or any(k in above and above[k] != below.get(k, above[k]) for k in _KIND_KEYS):
        return above
    merged = dict(below)
    for key, value in above.items():
        if value is None and key in below and len(path) == 3 and path[:2] == ("search", "space"):
            del merged[key]
        else:
            merged[key] = _merge(below.get(key), value, (*path, key))
    return merged


def _validate(tree: Any) -> Settings:
    """Settings of a plain tree; as JSON, so that lists become tuples and ISO text dates, but true is no number."""
    return Settings.model_validate_json(json.dumps(tree), strict=True)


def _add(tree: dict[str, Any], content: dict[str, Any], where: str) -> dict[str, Any]:
    """The tree with one more layer, validated, every key filled in.

    Raises: ConfigError that names the layer.
    """
    content = _plain(content, where, lambda leaf: leaf)
    try:
        return _validate(_merge(tree, content)).model_dump(mode="json")
    except ValidationError as error:
        raise ConfigError(f"{where}: {explain(error)}") from error


def _read_words(words: Mapping[str, Any], tree: dict[str, Any]) -> dict[str, Any]:
    """The command line with its words read as YAML reads them, except where a key takes text.

    Snakemake hands on every value inside a block as text: `--config 'folds={n_folds: 3}'` arrives as "3".
    """
    where = "command line"
    texts = _plain(words, where, lambda leaf: leaf)
    content: dict[str, Any] = _plain(words, where, lambda leaf: scalar(leaf) if isinstance(leaf, str) else leaf)
    try:
        _validate(_merge(tree, content))
    except ValidationError as error:
        for path in text_paths(error):
            _put_back(content, texts, path)
    return content


def _put_back(content: Any, texts: Any, path: Sequence[str | int]) -> None:
    """Put the text at a path, where the command line gave one there, in the place of what was read from it."""
    for part in path[:-1]:
        if isinstance(texts, dict) and part not in texts:
            return
        content, texts = content[part], texts[part]
    if not isinstance(texts, dict) or path[-1] in texts:
        content[path[-1]] = texts[path[-1]]
