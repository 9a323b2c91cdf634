"""The files that are generated from the models: the base layer with every key explained, and the JSON schema."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from outsample.config.block import Block
from outsample.config.layers import BASE_FILE
from outsample.config.models import Dimension, Settings
from outsample.config.sentences import blocks_of
from outsample.config.yaml_files import scalar
from outsample.errors import ConfigError

SCHEMA_FILE = "config/schema.json"
_WIDTH = 118
_PLAIN_TEXT = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
_HEAD = """\
# The base layer: every key, its meaning, its unit and its default.
# Generated from the models in workflow_scripts/outsample/config/ by `outsample config write`, so change nothing here:
# set a key in config/experiments/NAME.yaml or on the command line (config/README.md).
# In brackets: the unit and the bounds; a key without a unit is a pure number, or no number.
"""


def default_yaml() -> str:
    """Text of the base layer."""
    return _HEAD + "\n".join(_block_lines(Settings, Settings(), "")) + "\n"


def schema_json() -> str:
    """Text of the JSON schema of an experiment file, for editors: every key may be left out, none may be added."""
    schema = Settings.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    space = schema["$defs"]["Search"]["properties"]["space"]["additionalProperties"]
    space["additionalProperties"] = {"anyOf": [space["additionalProperties"], {"type": "null"}]}
    return json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


GENERATED: dict[str, Callable[[], str]] = {BASE_FILE: default_yaml, SCHEMA_FILE: schema_json}


def stale(root: Path = Path()) -> list[str]:
    """The generated files that are missing or differ from the models.

    Args:
        root: folder of the repository.
    """
    return [
        file
        for file, text in GENERATED.items()
        if not (root / file).is_file() or (root / file).read_text(encoding="utf-8") != text()
    ]


def write(root: Path = Path()) -> list[str]:
    """Write the generated files that are stale; returns them.

    Args:
        root: folder of the repository.
    Raises: ConfigError where the folder holds no config/.
    """
    if not (root / "config").is_dir():
        raise ConfigError("There is no folder config/ here; start in the repository's folder.")
    files = stale(root)
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(GENERATED[file](), encoding="utf-8")
    return files


def _block_lines(block: type[Block], values: Block, indent: str) -> Iterator[str]:
    """Lines of a block: each key below the comment that explains it."""
    for name, field in block.model_fields.items():
        value = getattr(values, name)
        if not indent:
            yield ""
        yield from _comment(_explained(field), indent)
        if isinstance(value, Block):
            yield f"{indent}{name}:"
            yield from _block_lines(type(value), value, indent + "  ")
            for other in blocks_of(field.annotation):
                if other is not type(value):
                    yield from _other_kind(other, type(value), indent + "  ")
        elif name == "space":
            yield from _space_lines(name, value, indent)
        else:
            yield f"{indent}{name}: {_yaml(value)}"


def _other_kind(other: type[Block], shown: type[Block], indent: str) -> Iterator[str]:
    """Comment lines on the keys of a kind which is not the default; a kind always states itself."""
    kind, default = other.model_fields["kind"].default, shown.model_fields["kind"].default
    yield from _comment(f"Instead of kind {default}, with kind {kind}:", indent)
    for name, field in other.model_fields.items():
        value = "as above" if isinstance(field.default, Block) else _yaml(field.default)
        yield from _comment(f"{name}: {value} - {_explained(field)}", indent, "    ")


def _space_lines(name: str, space: dict[str, dict[str, Dimension]], indent: str) -> Iterator[str]:
    for key, field in Dimension.model_fields.items():
        yield from _comment(f"{key}: {_explained(field)}", indent, "  ")
    yield f"{indent}{name}:"
    for agent, dimensions in space.items():
        yield f"{indent}  {agent}:"
        for parameter, dimension in dimensions.items():
            set_keys = dimension.model_dump(mode="json", exclude_none=True)
            entries = ", ".join(f"{k}: {_yaml(v)}" for k, v in set_keys.items())
            yield f"{indent}    {parameter}: {{{entries}}}"


def _comment(text: str, indent: str, inner: str = "") -> list[str]:
    first = f"{indent}# {inner}"
    return textwrap.wrap(text, _WIDTH, initial_indent=first, subsequent_indent=first + ("  " if inner else ""))


def _explained(field: FieldInfo) -> str:
    """Description, unit and bounds of a key."""
    extra = field.json_schema_extra
    unit = extra.get("unit", "-") if isinstance(extra, dict) else "-"
    facts = [] if unit in {"-", "1"} else [str(unit)]
    choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    if len(choices) > 1:
        facts.append("one of " + ", ".join(map(str, choices)))
    facts += _bounds(field.metadata)
    for item in get_args(field.annotation)[:1]:  # of a list, all of one type
        if get_origin(item) is Literal:
            each = "each " if get_origin(field.annotation) in (list, tuple) else ""
            marks = [c if str(c).isalnum() else f"'{c}'" for c in get_args(item)]
            facts.append(f"{each}one of " + ", ".join(map(str, marks)))
        facts += [f"each {bound}" for m in getattr(item, "__metadata__", ()) for bound in _bounds(m.metadata)]
    return f"{field.description} [{'; '.join(facts)}]" if facts else str(field.description)


def _bounds(constraints: Sequence[Any]) -> list[str]:
    signs = (("gt", ">"), ("ge", ">="), ("lt", "<"), ("le", "<="))
    return [f"{sign} {getattr(c, name):.12g}" for c in constraints for name, sign in signs if hasattr(c, name)]


def _yaml(value: Any) -> str:
    """A value as YAML on one line."""
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_yaml, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_yaml(name)}: {_yaml(item)}" for name, item in value.items()) + "}"
    if isinstance(value, str) and _PLAIN_TEXT.fullmatch(value) and scalar(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False, default=str)
