"""The one file of Python code that a user adds: its bytes, and their hash for the rules that depend on it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from outsample.config.features import FeatureSet
from outsample.errors import UserFeatureError


def read_user_code(settings: FeatureSet) -> bytes | None:
    """The bytes of the file that `features.user.file` names; None where the settings name none.

    Raises: UserFeatureError where it cannot be read.
    """
    if settings.user.file is None:
        return None
    try:
        return Path(settings.user.file).read_bytes()
    except OSError as error:
        raise UserFeatureError(
            f"The file of your own features, {settings.user.file}, cannot be read ({error.strerror}); correct "
            "features.user.file, or set it to null and features.user.use to []."
        ) from error


def user_code_hash(settings: FeatureSet) -> str:
    """The sha256 of that file; empty where there is none to read, which the rule's script then says."""
    if settings.user.file is None or not Path(settings.user.file).is_file():
        return ""
    return hashlib.sha256(Path(settings.user.file).read_bytes()).hexdigest()
