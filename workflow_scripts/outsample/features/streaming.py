"""A stream of one symbol's bars in, its features out: what a deployed policy sees, bar by bar.

NumPy and the standard library only: it runs beside ONNX Runtime where there is neither pandas nor Pydantic. What each
feature is comes from its entry in the document `feature_spec` (`outsample.features.registry.Feature.document`).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeGuard

import numpy as np
from numpy.typing import NDArray

from outsample.errors import DataError, SchemaError
from outsample.features.references import close_column, other_symbol
from outsample.features.streaming_context import CONTEXT_FORMS, OTHER
from outsample.features.streaming_indicators import STREAMING_FORMS, Push, State
from outsample.features.user import USER, UserFeature, dry_push, streaming_push

PRICES = ("open", "high", "low", "close")
FORMS = {**STREAMING_FORMS, **CONTEXT_FORMS}
_SECOND = np.timedelta64(1, "s")


def seconds_of(dates: NDArray[np.datetime64]) -> NDArray[np.float64]:
    """The input column `date`: seconds since 1970-01-01.

    >>> seconds_of(np.array(["1970-01-02T00:00:01.5"], "datetime64[us]"))
    array([86401.5])
    """
    return (dates.astype("datetime64[us]") - np.datetime64(0, "us")) / _SECOND


class _Feature(NamedTuple):
    name: str
    indicator: str
    inputs: tuple[str, ...]
    parameters: dict[str, Any]  # numbers of bars; of a user's feature any numbers
    warm_up: int
    push: Push
    dry: Push  # as push, without the code of a user, which need not take plain bars

    def identity(self) -> dict[str, Any]:
        """What a saved state must agree with."""
        return {"name": self.name, "indicator": self.indicator, "parameters": dict(self.parameters)}


class FeatureStream:
    """The features of one symbol, one bar at a time; equal to those of the vectorised form from its first bar on.

    Attributes:
        names: of the features, in the order of the policy's inputs.
        others: symbols whose closes the features take beside the bars, sorted.
        warm_up: bars before every feature has a value.
        bars_seen: bars pushed since the first.
    """

    def __init__(self, features: Sequence[_Feature]) -> None:
        """Use `from_spec` or `from_state`."""
        self._features = tuple(features)
        self._states: list[State] = [{} for _ in features]
        self.names = tuple(feature.name for feature in features)
        inputs = {column for feature in features for column in feature.inputs}
        self.others = tuple(sorted(filter(None, map(other_symbol, inputs))))
        self._dated = "date" in inputs
        self.warm_up = max(feature.warm_up for feature in features)
        self.bars_seen = 0

    @classmethod
    def from_spec(cls, features: Sequence[Mapping[str, Any]], own: Sequence[UserFeature] = ()) -> FeatureStream:
        """A stream before its first bar.

        Args:
            features: entry `features` of the document `feature_spec`.
            own: those of the user's file that are among them.
        Raises: SchemaError where it names an indicator, inputs, parameters or a warm-up which this version of
            Outsample does not compute.
        """
        if not features:
            raise SchemaError("The feature spec lists no feature; take the one that came with the policy.")
        parsed = [_parse(entry, own) for entry in features]
        probe = cls.probe(parsed)
        for bar in range(probe.warm_up + 1):
            known = np.isfinite(probe._push_bar(probe._plain_bar()))
            for feature, value_known in zip(parsed, known, strict=True):
                if value_known != (bar >= feature.warm_up):
                    raise SchemaError(
                        f"The feature spec says that {feature.name} warms up in {feature.warm_up} bars, which "
                        f"{feature.indicator} of {_in_words(feature.parameters)} does not; build the features again."
                    )
        return cls(parsed)

    @classmethod
    def probe(cls, features: Sequence[_Feature]) -> FeatureStream:
        """A stream whose state takes the same shapes, and which runs no code of a user."""
        return cls([feature._replace(push=feature.dry) for feature in features])

    @classmethod
    def from_state(
        cls, features: Sequence[Mapping[str, Any]], state: Mapping[str, Any], own: Sequence[UserFeature] = ()
    ) -> FeatureStream:
        """A stream that goes on where the one that gave the state stopped, with the same bits.

        Args:
            features, own: as for `from_spec`.
            state: what `state` gave, possibly after a round trip through JSON.
        Raises: SchemaError where the state is not one of these features, or is damaged.
        """
        stream = cls.from_spec(features, own)
        damaged = SchemaError("The state of the feature stream is damaged; start from bars again, or from a backup.")
        bars_seen, entries = state.get("bars_seen"), state.get("features")
        if not _is_whole(bars_seen, 0) or not isinstance(entries, list):
            raise damaged
        if not all(isinstance(entry, Mapping) and isinstance(entry.get("state"), Mapping) for entry in entries):
            raise damaged
        identities = [{key: value for key, value in entry.items() if key != "state"} for entry in entries]
        if identities != [feature.identity() for feature in stream._features]:
            raise SchemaError(
                "The state of the feature stream is one of other features than the feature spec's; start from bars."
            )
        like = cls.probe(stream._features)
        for _ in range(min(bars_seen, like.warm_up + 1)):  # from then on a state keeps its shape
            like._push_bar(like._plain_bar())
        if not all(_fits(entry["state"], shape) for entry, shape in zip(entries, like._states, strict=True)):
            raise damaged
        stream._states = [copy.deepcopy(dict(entry["state"])) for entry in entries]
        stream.bars_seen = bars_seen
        return stream

    def state(self) -> dict[str, Any]:
        """All that the stream remembers, as plain data; JSON keeps its floats exactly."""
        return {
            "bars_seen": self.bars_seen,
            "features": [
                {**feature.identity(), "state": copy.deepcopy(state)}
                for feature, state in zip(self._features, self._states, strict=True)
            ],
        }

    def push(
        self,
        open: float,
        high: float,
        low: float,
        close: float,
        volume: float,
        date: np.datetime64 | None = None,
        others: Mapping[str, float] | None = None,
    ) -> NDArray[np.float64]:
        """Take the symbol's next bar and give its features [F], known at its close; NaN while a feature warms up.

        Args:
            open, high, low, close: adjusted prices, currency, > 0.
            volume: of the bar, >= 0.
            date: of the bar; None where no feature takes it.
            others: each of `others` -> adjusted close of its last bar at or before the date.
        Raises: DataError where a price is not positive and finite, high is below low, volume is negative or not
            finite, the date or a close is missing, or a feature is not finite after its warm-up; the stream is then as
            it was before.
        """
        bar = {name: float(v) for name, v in zip((*PRICES, "volume"), (open, high, low, close, volume), strict=True)}
        where = f"Bar {self.bars_seen + 1} of the stream"
        for name in PRICES:
            if not (math.isfinite(bar[name]) and bar[name] > 0):
                raise DataError(f"{where} has the {name} {bar[name]}, which is no price above 0; correct that bar.")
        if bar["high"] < bar["low"]:
            raise DataError(f"{where} has its high {bar['high']} below its low {bar['low']}; correct that bar.")
        if not (math.isfinite(bar["volume"]) and bar["volume"] >= 0):
            raise DataError(f"{where} has the volume {bar['volume']}, which is no number from 0 on; correct that bar.")
        bar |= self._beside(date, others or {}, where)
        before = self._states
        values = self._push_bar(bar)
        for feature, value in zip(self._features, values, strict=True):
            if self.bars_seen > feature.warm_up and not math.isfinite(value):
                self._states, self.bars_seen = before, self.bars_seen - 1
                raise DataError(
                    f"{where} makes the feature {feature.name} {value}; "
                    f"correct the {feature.warm_up + 1} bars up to that one."
                )
        return values

    def _beside(self, date: np.datetime64 | None, others: Mapping[str, float], where: str) -> dict[str, float]:
        """The inputs that stand beside the bar."""
        found = {}
        if self._dated:
            if date is None or np.isnat(date):
                raise DataError(f"{where} has no date, which its features take; give it.")
            found["date"] = float(seconds_of(np.asarray(date)))
        for symbol in self.others:
            close = float(others.get(symbol, math.nan))
            if not (math.isfinite(close) and close > 0):
                raise DataError(f"{where} has no close of {symbol} above 0 beside it; give the bars of {symbol}.")
            found[close_column(symbol)] = close
        return found

    def _plain_bar(self) -> dict[str, float]:
        return dict.fromkeys((*PRICES, "volume", "date", *map(close_column, self.others)), 1.0)

    def _push_bar(self, bar: Mapping[str, float]) -> NDArray[np.float64]:
        with np.errstate(all="ignore"):  # what is not finite is an error of `push`
            pushed = [
                feature.push(state, *(bar[name] for name in feature.inputs), **feature.parameters)
                for feature, state in zip(self._features, self._states, strict=True)
            ]
        self._states = [state for state, _ in pushed]
        self.bars_seen += 1
        return np.array([value for _, value in pushed], dtype=np.float64)


def _is_whole(value: Any, least: int) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _in_words(parameters: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {value}" for name, value in parameters.items())


def _parse(entry: Mapping[str, Any], own: Sequence[UserFeature]) -> _Feature:
    """The feature of one entry of the spec."""
    lacking = {"name", "indicator", "parameters", "inputs", "warm_up"} - set(entry)
    if lacking:
        raise SchemaError(
            f"The feature {entry.get('name', 'without a name')} of the feature spec lacks "
            f"{', '.join(sorted(lacking))}; build the features again."
        )
    name, indicator = entry["name"], entry["indicator"]
    if indicator == USER:
        return _parse_own(entry, own)
    form = FORMS.get(indicator)
    if form is None:
        raise SchemaError(
            f"The feature {name} is the indicator {indicator}, which this version of Outsample does not know; "
            "install the version that built the features."
        )
    parameters = dict(entry["parameters"])
    # A lag may be 0; a window, span or horizon has at least one bar, and a slow span more than the fast one.
    sound = set(parameters) == set(form.parameters) and all(
        _is_whole(value, 0 if parameter == "lag" else 1) for parameter, value in parameters.items()
    )
    sound = sound and parameters.get("fast", 0) < parameters.get("slow", 1)
    inputs = tuple(map(str, entry["inputs"]))
    others = [other_symbol(column) for column, wanted in zip(inputs, form.inputs, strict=False) if wanted == OTHER]
    sound = sound and None not in others
    sound = sound and inputs == tuple(column.format(symbol=(*others, None)[0]) for column in form.inputs)
    if not sound or not _is_whole(entry["warm_up"], 0):
        raise SchemaError(
            f"The feature {name} has inputs, parameters or a warm-up that {indicator} does not take; "
            "build the features again."
        )
    ordered = {parameter: parameters[parameter] for parameter in form.parameters}
    return _Feature(name, indicator, inputs, ordered, entry["warm_up"], form.push, form.push)


def _parse_own(entry: Mapping[str, Any], own: Sequence[UserFeature]) -> _Feature:
    """The feature of one entry that is of the user's file."""
    declared = next((feature for feature in own if feature.name == entry["name"]), None)
    if declared is None:
        raise SchemaError(
            f"The feature {entry['name']} is one of a user's file, which is not at hand; give the file with the spec."
        )
    stated = (tuple(entry["inputs"]), dict(entry["parameters"]), entry["warm_up"])
    if stated != (declared.inputs, dict(declared.parameters), declared.warm_up):
        raise SchemaError(
            f"The feature {declared.name} has inputs, parameters or a warm-up in the feature spec that {declared.file} "
            "does not declare; build the features again."
        )
    push, dry = streaming_push(declared), dry_push(declared.warm_up)
    return _Feature(declared.name, USER, declared.inputs, dict(declared.parameters), declared.warm_up, push, dry)


def _fits(found: Any, like: Any) -> bool:
    """Whether plain data has the same keys, lengths and kinds as other plain data, and finite numbers only."""
    if isinstance(like, dict):
        return isinstance(found, Mapping) and set(found) == set(like) and all(_fits(found[k], like[k]) for k in like)
    if isinstance(like, list):
        return isinstance(found, list) and len(found) == len(like) and all(map(_fits, found, like))
    return found is None if like is None else isinstance(found, float) and math.isfinite(found)
