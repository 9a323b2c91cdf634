"""YAML as plain values: text, numbers, true/false, null, lists and blocks, and nothing else.

Scalars follow YAML 1.2: `1e-3` is a number and `ON` is text, unlike in YAML 1.1 as PyYAML reads it. Dates stay text;
the models read them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from outsample.errors import ConfigError

_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9_]*)$")
_NUMBER = re.compile(
    r"(?:[-+]?(?:[0-9][0-9_]*\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+|[-+]?\.inf|\.nan)$"
)


class _Loader(yaml.SafeLoader):
    """Safe loader of plain values, which refuses keys that stand twice or are no text."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own name
    yaml_constructors = {  # noqa: RUF012
        tag: constructor
        for tag, constructor in yaml.SafeLoader.yaml_constructors.items()
        if tag is None or tag.rpartition(":")[2] in {"null", "bool", "int", "float", "str", "seq", "map"}
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        lines: dict[str, int] = {}
        for key_node, _ in node.value:
            key, mark = self.construct_object(key_node, deep=True), key_node.start_mark
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} must be text", mark)
            if key in lines:
                problem = f"the key {key} stands here again, after line {lines[key]}; keep one of them"
                raise yaml.constructor.ConstructorError(None, None, problem, mark)
            lines[key] = mark.line + 1
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", _INTEGER, list("-+0123456789"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _NUMBER, list("-+.0123456789"))


def scalar(text: str) -> Any:
    """What a plain word stands for in YAML: `"3"` is 3, `"1e-3"` is 0.001, `"null"` is None, `"ON"` is itself.

    >>> [scalar(word) for word in ("3", "1e-3", "null", "true", "ON", "2020-01-31", "007")]
    [3, 0.001, None, True, 'ON', '2020-01-31', '007']
    """
    loader = _Loader("")
    tag = loader.resolve(yaml.ScalarNode, text, (True, False))
    return loader.construct_object(yaml.ScalarNode(tag, text))


def read_block(path: Path, name: str) -> dict[str, Any]:
    """The block of keys in a YAML file; an empty file is an empty block.

    Args:
        path: file to read.
        name: how an error calls the file.
    Raises: ConfigError where the file cannot be read, is no YAML, or is no block of keys.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - a safe loader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{name}{line}: {error.problem or error.context}.") from error
    except (yaml.YAMLError, ValueError) as error:  # characters that are no YAML or no UTF-8
        raise ConfigError(f"{name}: not readable as YAML in UTF-8 ({str(error).splitlines()[0]}).") from error
    except OSError as error:
        raise ConfigError(f"{name}: not readable ({error.strerror}).") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"{name}: must hold keys such as `data:`, but holds {type(content).__name__}.")
    return content
