"""Features of one's own: functions of bars in one Python file, which the config names and a package carries along.

    import numpy as np
    from outsample.features.user import feature

    @feature(name="gap", formula="log(open[t] / close[t-1])", inputs=("open", "close"), warm_up=1)
    def gap(open, close):
        return np.append(np.nan, np.log(open[1:] / close[:-1]))

NumPy and the standard library only: a package is traded where there is neither pandas nor Pydantic.
"""

from __future__ import annotations

import difflib
import hashlib
import re
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from outsample.errors import UserFeatureError

Floats = NDArray[np.float64]
Function = TypeVar("Function", bound=Callable[..., Any])

USER = "user"  # the indicator and the group of such a feature in a feature specification
BAR_COLUMNS = ("open", "high", "low", "close", "volume")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_MARK = "_outsample_features"


@dataclass(frozen=True)
class UserFeature:
    """A feature as its file declares it; `file` and `sha256` are those of the file."""

    name: str
    formula: str
    inputs: tuple[str, ...]
    warm_up: int
    parameters: Mapping[str, float]
    reference: str
    function: Callable[..., Any] = field(repr=False)
    file: str = ""
    sha256: str = ""

    def compute(self, bars: Mapping[str, Floats]) -> Floats:
        """The feature [T] from one symbol's columns [T], oldest bar first; NaN in its warm-up.

        Raises: UserFeatureError where the function raises, or does not give one number for each bar.
        """
        given = [np.array(bars[column], dtype=np.float64) for column in self.inputs]
        for column in given:
            column.flags.writeable = False
        with _users_code(f"{self.file}: the feature {self.name} raises"), np.errstate(all="ignore"):
            values = np.array(self.function(*given, **self.parameters), dtype=np.float64)
        if values.shape != given[0].shape:
            raise UserFeatureError(
                f"{self.file}: the feature {self.name} gives values of shape {values.shape} for {len(given[0])} bars; "
                "return one value for each bar."
            )
        values[: self.warm_up] = np.nan
        return values


def feature(
    *,
    name: str,
    formula: str,
    inputs: Sequence[str],
    warm_up: int,
    parameters: Mapping[str, float] | None = None,
    reference: str = "",
) -> Callable[[Function], Function]:
    """Declare a function as a feature; a function may be declared several times, with other names and parameters.

    The function takes the columns `inputs`, float64 [T] of one symbol, oldest bar first and read-only, and then the
    parameters by name. It returns [T]: the value of bar t may use the bars t - warm_up .. t and no others.

    Args:
        name: of the column: small letters, digits and underscores.
        formula: in words for the report.
        inputs: of open, high, low, close (adjusted, currency) and volume.
        warm_up: bars before the first value, which is also how far back a value looks.
        parameters: numbers, which the report and the package state.
        reference: author and year.
    """

    def declare(function: Function) -> Function:
        declared = UserFeature(name, formula, tuple(inputs), warm_up, dict(parameters or {}), reference, function)
        setattr(function, _MARK, (declared, *getattr(function, _MARK, ())))
        return function

    return declare


@contextmanager
def _users_code(doing: str) -> Iterator[None]:
    """Turn whatever the user's code raises into a named error that says where it happened."""
    try:
        yield
    except Exception as error:
        raise UserFeatureError(f"{doing} {type(error).__name__} ({_place(error)}); correct that function.") from error


def _place(error: Exception) -> str:
    """What an exception says, on one line."""
    return " ".join(str(error).split()) or "without a message"


def load_user_features(source: bytes, file: str, use: Sequence[str]) -> tuple[UserFeature, ...]:
    """Run a file of features and take those that are asked for. This runs the code of the file.

    Args:
        source: bytes of the file.
        file: what it is called in errors and documents.
        use: names of features, in the order of the policy's inputs.
    Raises: UserFeatureError where the file cannot be run, a declaration is unsound or double, or it has no feature of
        a name.
    """
    module = types.ModuleType("outsample_user_features")
    module.__file__ = file
    with _users_code(f"{file}: reading it raises"):
        exec(compile(source, file, "exec", dont_inherit=True), module.__dict__)
    sha256 = hashlib.sha256(source).hexdigest()
    found: dict[str, UserFeature] = {}
    for function in {id(value): value for value in vars(module).values() if callable(value)}.values():
        for declared in getattr(function, _MARK, ()):
            _check_declaration(declared, file)
            if declared.name in found:
                raise UserFeatureError(f"{file} declares the feature {declared.name} twice; rename one of them.")
            found[declared.name] = UserFeature(**{**vars(declared), "file": file, "sha256": sha256})
    for name in use:
        if name not in found:
            near = difflib.get_close_matches(name, found, n=1)
            known = f"did you mean {near[0]}?" if near else f"it declares {', '.join(found) or 'none'}."
            raise UserFeatureError(f"{file} declares no feature {name}, which features.user.use names; {known}")
    return tuple(found[name] for name in use)


def _check_declaration(declared: UserFeature, file: str) -> None:
    def whole(value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and value >= 0

    numbers = (int, float)
    wrong = None
    if not (isinstance(declared.name, str) and _NAME.fullmatch(declared.name)):
        wrong = "a name of small letters, digits and underscores that begins with a letter"
    elif not declared.inputs or not set(declared.inputs) <= set(BAR_COLUMNS):
        wrong = f"inputs out of {', '.join(BAR_COLUMNS)}"
    elif not whole(declared.warm_up):
        wrong = "a warm_up that is a whole number of bars from 0 on"
    elif not all(isinstance(value, numbers) and np.isfinite(value) for value in declared.parameters.values()):
        wrong = "parameters that are finite numbers"
    elif not all(isinstance(text, str) for text in (declared.formula, declared.reference)):
        wrong = "a formula and a reference that are text"
    if wrong:
        raise UserFeatureError(f"{file}: the feature {declared.name!r} needs {wrong}; correct its declaration.")


def streaming_push(declared: UserFeature) -> Callable[..., tuple[dict[str, Any], float]]:
    """The feature one bar at a time: computed from the last `warm_up` + 1 bars, which are its state."""

    def push(state: Mapping[str, Any], *bar: float, **_: float) -> tuple[dict[str, Any], float]:
        after = _remember(state, bar, declared.warm_up)
        if len(after["bars"]) <= declared.warm_up:
            return after, float("nan")
        columns = dict(zip(declared.inputs, np.array(after["bars"]).T, strict=True))
        return after, float(declared.compute(columns)[-1])

    return push


def dry_push(warm_up: int) -> Callable[..., tuple[dict[str, Any], float]]:
    """As `streaming_push`, but runs no code: 0 from the end of the warm-up on."""

    def push(state: Mapping[str, Any], *bar: float, **_: float) -> tuple[dict[str, Any], float]:
        after = _remember(state, bar, warm_up)
        return after, 0.0 if len(after["bars"]) > warm_up else float("nan")

    return push


def _remember(state: Mapping[str, Any], bar: Sequence[float], warm_up: int) -> dict[str, Any]:
    """The state with one more bar, of which the last `warm_up` + 1 are kept."""
    return {"bars": [*state.get("bars", []), list(bar)][-(warm_up + 1) :]}
