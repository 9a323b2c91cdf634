"""Errors of the models as one sentence each: the full key, what it must be, and the nearest key that is valid."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from outsample.config.block import Block
from outsample.config.models import Settings

_PLAIN = re.compile(r"[A-Za-z0-9_.^=-]+")
_LONGEST_VALUE = 60


def shown(value: Any) -> str:
    """A value as it stands in YAML, on one line, cut where it is long."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


def dotted(path: Sequence[str | int]) -> str:
    """A path as one key: `data.symbols[0]`; names that are no plain words stand in quotes."""
    text = ""
    for part in path:
        name = f"[{part}]" if isinstance(part, int) else part if _PLAIN.fullmatch(part) else shown(part)
        text += name if isinstance(part, int) or not text else "." + name
    return text


def nearest(name: str, valid: Sequence[str], likeness: float = 0.6) -> str | None:
    """The valid name that a misspelt one is most like, or None where none is at least as like it (0 to 1)."""
    close = difflib.get_close_matches(name, valid, n=1, cutoff=likeness)
    return close[0] if close else None


def instead(name: str, valid: Sequence[str], prefix: str = "") -> str:
    """What to write instead of a name that is not valid: the nearest valid one, or else the list of all."""
    close = nearest(name, valid)
    if close is not None:
        return f"did you mean {prefix}{close}?"
    return f"valid here: {', '.join(valid)}."


@dataclass(frozen=True)
class Place:
    """Where an error stands: its path without the tags which Pydantic adds, and the types along it."""

    path: list[str | int]
    parent: type[Block] | None  # block that holds, or should hold, the last part of the path
    field: FieldInfo | None  # the last key that is a field of a block
    kinds: Sequence[type[Block]] = ()  # all kinds of the parent, where it has several


def blocks_of(annotation: Any) -> list[type[Block]]:
    """The blocks among the members of an annotation."""
    members = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    return [m for m in members if isinstance(m, type) and issubclass(m, Block)]


def place_of(loc: Sequence[str | int]) -> Place:
    """The place of an error's location in `Settings`."""
    annotation: Any = Settings
    path: list[str | int] = []
    parent: type[Block] | None = None
    field: FieldInfo | None = None
    kinds: Sequence[type[Block]] = ()
    for part in loc[:-1] if loc[-1:] == ("[key]",) else loc:  # pydantic's mark of a key that is itself wrong
        annotation = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
        blocks = blocks_of(annotation)
        origin, members = get_origin(annotation), [m for m in get_args(annotation) if m is not type(None)]
        if len(blocks) > 1:  # the part is the tag of a kind
            annotation, kinds = next(b for b in blocks if b.model_fields["kind"].default == part), blocks
            continue
        if origin in (Union, UnionType) and len(members) == 1:
            annotation = members[0]
            origin, members = get_origin(annotation), list(get_args(annotation))
        if blocks:
            parent = blocks[0]
            field = parent.model_fields.get(str(part))
            annotation = field.annotation if field else None
        elif origin is dict:
            annotation = members[1]
        elif isinstance(part, int):
            annotation = members[0] if members else None
        else:
            continue  # the name of a type in a union of plain values
        path.append(part)
    return Place(path, parent, field, kinds if parent in kinds else ())


def all_keys(block: type[Block] = Settings, prefix: str = "") -> Iterator[str]:
    """Every dotted key of the settings, blocks before what they hold."""
    for name, field in block.model_fields.items():
        yield prefix + name
        for inner in blocks_of(field.annotation):
            yield from all_keys(inner, f"{prefix}{name}.")


def _unknown(place: Place) -> str:
    """The sentence on a key that is none; it may belong elsewhere."""
    *above, name = place.path
    name = str(name)
    siblings = list(place.parent.model_fields) if place.parent else []
    start = f"{dotted(place.path)} is not a key"
    prefix = dotted(above) + "." if above else ""
    for other in place.kinds:
        if name in other.model_fields:
            return f"{start} of this kind of source; it needs {prefix}kind: {other.model_fields['kind'].default}."
    if nearest(name, siblings):
        return f"{start}; {instead(name, siblings, prefix)}"
    everywhere = list(dict.fromkeys(all_keys()))
    if name in everywhere and "." in name:
        nested = "{" + "".join(f"{part}: {{" for part in name.split(".")).removesuffix("{") + "...}"
        return f"{start}; write it as nested blocks, {nested}{'}' * name.count('.')}"
    named = {key.rpartition(".")[2]: key for key in reversed(everywhere)}
    elsewhere = nearest(name, list(named), likeness=0.8)
    if elsewhere and prefix + name != named[elsewhere]:
        return f"{start}; did you mean {named[elsewhere]}?"
    return f"{start}; valid {'in ' + dotted(above) if above else 'here'}: {', '.join(siblings)}."


def _expected(kind: str, context: dict[str, Any], field: FieldInfo | None) -> str | None:
    """What a value must be, by the type of Pydantic's error; None where it has no words here."""
    choices = get_args(field.annotation) if field and get_origin(field.annotation) is Literal else ()
    if kind == "literal_error" and (choices or "expected" in context):
        return "one of " + ", ".join(map(str, choices)) if len(choices) > 1 else context["expected"].replace("'", "")
    words = {
        "int_type": "a whole number",
        "float_type": "a number",
        "finite_number": "a finite number",
        "bool_type": "true or false",
        "string_type": "text",
        "list_type": "a list, in brackets",
        "tuple_type": "a list, in brackets",
        "dict_type": "a block of keys",
        "model_type": "a block of keys",
        "string_pattern_mismatch": "letters, digits and . _ = ^ - only, a letter or digit first",
        "date_type": "a date such as 2020-01-31",
        "date_parsing": "a date such as 2020-01-31",
        "date_from_datetime_parsing": "a date such as 2020-01-31",
        "date_from_datetime_inexact": "a date such as 2020-01-31",
        "greater_than": "above {gt:g}",
        "greater_than_equal": "at least {ge:g}",
        "less_than": "below {lt:g}",
        "less_than_equal": "at most {le:g}",
        "too_short": "a list of {min_length} or more",
        "too_long": "a list of {max_length} or fewer",
        "union_tag_invalid": "one of {expected_tags}",
        "union_tag_not_found": "a block that states its kind",
    }
    return words[kind].format(**context).replace("'", "") if kind in words else None


def _wrong_value(place: Place, kind: str, value: Any, context: dict[str, Any], message: str) -> str:
    """The sentence on a value that does not fit its key."""
    if kind == "missing":
        return f"{dotted(place.path)} is missing; {dotted(place.path[:-1])} needs it."
    path, expected = place.path, _expected(kind, context, place.field)
    if kind == "union_tag_invalid":
        path, value = [*path, "kind"], value["kind"] if isinstance(value, dict) else value
    extra = place.field.json_schema_extra if place.field else None
    unit = extra.get("unit", "-") if isinstance(extra, dict) else "-"
    of = "" if unit in {"-", "1"} or expected is None else f" ({unit})"
    must = f"must be {expected}" if expected else message[0].lower() + message[1:]
    hint = ""
    if kind == "string_type" and isinstance(value, (bool, int, float)):
        hint = "; put it in quotes to make it text"
    elif kind in {"dict_type", "model_type"} and isinstance(value, str):
        hint = "; write {key: value}, with quotes around a value that holds braces itself"
    elif value is None and path[:2] == ["search", "space"]:
        hint = "; null takes out a dimension of a layer below, and none of this name is there"
    elif value is None:
        hint = "; leave the key out to keep its default"
    return f"{dotted(path)}{of} {must}, but is {shown(value)}{hint}."


def explain(error: ValidationError) -> str:
    """The first error as a sentence, unknown keys before wrong values: a misspelt key is the likelier slip."""
    first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    place, context = place_of(first["loc"]), first.get("ctx", {})
    if first["type"] == "extra_forbidden":
        return _unknown(place)
    if first["type"] == "refused":
        path = [*place.path, *context["path"]]
        start, valid = f"{dotted(path)} {context['text']}", context["valid"]
        return f"{start}; {instead(str(path[-1]), valid, dotted(path[:-1]) + '.')}" if valid else start + "."
    return _wrong_value(place, first["type"], first["input"], context, first["msg"])


def text_paths(error: ValidationError) -> list[list[str | int]]:
    """Paths of all values that had to be text and were not."""
    return [place_of(e["loc"]).path for e in error.errors() if e["type"] == "string_type"]
