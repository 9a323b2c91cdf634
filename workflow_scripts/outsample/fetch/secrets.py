"""Secrets from the environment: put in when a request is made, taken out of every word that is said of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import quote, quote_plus

from outsample.config.remote import PLACEHOLDER, VARIABLE
from outsample.errors import DataError

_SHORTEST = 4


class Secrets:
    """Values of the variables that a configuration names as `${VAR}`."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._found: dict[str, str] = {}

    def value(self, name: str) -> str:
        """Value of a variable.

        Raises: DataError that names the variable where it is not set, or holds what can be no secret.
        """
        value = self._environment.get(name, "")
        if not value:
            raise DataError(
                f"The environment variable {name} is not set; set it to the secret that ${{{name}}} stands for."
            )
        if not (value.isascii() and value.isprintable()) or value != value.strip():
            raise DataError(
                f"The environment variable {name} holds blanks at an end, a line break or letters beyond ASCII; set it "
                "to the secret alone."
            )
        if len(value) < _SHORTEST:
            raise DataError(
                f"The environment variable {name} holds fewer than {_SHORTEST} letters; ${{VAR}} is for secrets, so "
                "write anything else into the configuration as it is."
            )
        self._found[name] = value
        return value

    def fill(self, template: str, values: Mapping[str, str], *, quoted: bool = False) -> str:
        """A template with its placeholders and secrets put in.

        Args:
            template: text of the configuration.
            values: placeholder -> text.
            quoted: whether what is put in is part of an address.
        """

        def put(text: str) -> str:
            return quote(text, safe="") if quoted else text

        parts, end = [], 0
        for match in VARIABLE.finditer(template):
            parts.append(PLACEHOLDER.sub(lambda m: put(values[m[1]]), template[end : match.start()]))
            parts.append(put(self.value(match[1])))
            end = match.end()
        parts.append(PLACEHOLDER.sub(lambda m: put(values[m[1]]), template[end:]))
        return "".join(parts)

    def hide(self, text: str) -> str:
        """A text with each secret, however it is encoded there, as `${VAR}` again."""
        for form, name in self._forms():
            text = text.replace(form, f"${{{name}}}")
        return text

    def held_in(self, body: bytes) -> str | None:
        """Name of a variable whose value stands in a body, or None."""
        return next((name for form, name in self._forms() if form.encode() in body), None)

    def _forms(self) -> list[tuple[str, str]]:
        """Each way in which a value may be written, the longest first."""
        forms = {
            (form, name)
            for name, value in self._found.items()
            for form in (value, quote(value, safe=""), quote(value), quote_plus(value), json.dumps(value)[1:-1])
        }
        return sorted(forms, key=lambda pair: (-len(pair[0]), pair))
