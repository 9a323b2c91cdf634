"""One answer of a service, as it came."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Answer:
    """Bytes as they came, and what `origin.json` says of them beside their hash (`facts`)."""

    body: bytes
    facts: dict[str, Any] = field(default_factory=dict)
