"""What every block of the configuration is made of: keys with a meaning and a unit, and refusals that name a key."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._=^-]*$")]  # of a symbol


def key(default: Any, description: str, unit: str, **constraints: Any) -> Any:
    """A configuration key: its default, what it means, and its unit ("1" for a pure number, "-" for none)."""
    return Field(default, description=description, json_schema_extra={"unit": unit}, **constraints)


def refusal(path: str | tuple[str | int, ...], text: str, valid: list[str] | None = None) -> PydanticCustomError:
    """What a validator raises: a key within its block (() for the block itself), and what is wrong with it.

    `valid` lists the names that may stand in the place of the last part of the path.
    """
    path = (path,) if isinstance(path, str) else path
    return PydanticCustomError(
        "refused", "{key} {text}", {"key": ".".join(map(str, path)), "text": text, "path": path, "valid": valid}
    )


class Block(BaseModel):
    """A block of keys; refuses unknown ones, infinities and NaN."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)
