"""What a package says, read from its bytes: policy, features, market, calendar, checkpoints and trace.

A checkpoint is the state of one symbol's streaming features at the close of a bar: paper trading goes on from there,
and no bar before the first one can be traded, for the features would not be warm.
"""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from outsample.agents.onnx import OnnxPolicy
from outsample.errors import OutsampleError, PackageError
from outsample.features.streaming import FeatureStream
from outsample.features.user import UserFeature, load_user_features
from outsample.market.accounting import MarketRules
from outsample.packaging.archive import unpack
from outsample.packaging.decider import SeenBar
from outsample.packaging.manifest import check_manifest, parse

POLICY, POLICY_DOCUMENT, FEATURES, SCALERS = "policy.onnx", "policy.json", "features.spec.json", "scalers.json"
MARKET, CALENDAR, CHECKPOINTS, TRACE = "market.json", "calendar.json", "checkpoints.json", "trace.json"
CONFIG, LOCK, VERDICT, METRICS, GATES = "config.json", "requirements.lock", "verdict.json", "metrics.json", "gates.json"
CARD = "MODEL_CARD.md"
USER_CODE = "user_features.py"  # only where the features have some of a user's file
FILES = (
    *(POLICY, POLICY_DOCUMENT, FEATURES, SCALERS, MARKET, CALENDAR, CHECKPOINTS, TRACE),
    *(CONFIG, LOCK, VERDICT, METRICS, GATES, CARD),
)
# Where a checkpoint stands: before the traced bars, before the vault, and at the end of the data.
SPANS = {
    "trace": "the development span, on which the policy was trained",
    "vault": "the vault, on which it was evaluated",
    "end": "bars that came after the data of the package",
}
BAR = ("open", "high", "low", "close", "volume")
_LARGEST_RATE = 10.0  # the configuration allows no rate above it

_LOG = logging.getLogger(__name__)

Floats = NDArray[np.float64]
Parsed = TypeVar("Parsed")


@dataclass(frozen=True)
class Checkpoint:
    """The state of a symbol's features at the close of a bar."""

    span: str  # key of SPANS: what the next bar belongs to
    date: np.datetime64  # of the last bar seen, datetime64[us]
    close: float  # adjusted close of that bar
    factor: float  # raw price = adjusted price / factor
    state: Any  # of FeatureStream


@dataclass(frozen=True)
class Calendar:
    """Days with a session: `weekmask` of Monday to Sunday without the days `closed`; None where no calendar is known.

    `gaps`: symbol -> sessions on which the data of the package have no bar of it.
    """

    name: str
    weekmask: tuple[bool, ...] | None
    closed: NDArray[np.datetime64]  # datetime64[D], sorted
    gaps: Mapping[str, NDArray[np.datetime64]]


@dataclass(frozen=True)
class TracedSymbol:
    """The last development bars of one symbol, and what the policy decided there from flat."""

    bars: Floats  # [T, 5] adjusted open, high, low, close and volume
    dates: NDArray[np.datetime64]  # [T]
    others: Mapping[str, Floats]  # other symbol -> [T] its close at or before each date
    features: Floats  # [T, F] as the policy was trained on
    targets: Floats  # [T]
    preferences: Floats  # [T, A]

    def seen(self, row: int) -> SeenBar:
        """A bar as the decider sees it."""
        others = {symbol: float(closes[row]) for symbol, closes in self.others.items()}
        return SeenBar(self.bars[row], self.dates[row], others)


@dataclass(frozen=True)
class Package:
    """A package whose files are those of its manifest, and whose documents fit each other."""

    model: str
    version: str
    files: Mapping[str, bytes]
    policy: OnnxPolicy
    own: tuple[UserFeature, ...]  # features of a user's file, whose code the package holds
    features: tuple[Mapping[str, Any], ...]  # streaming specification, in the order of the policy's inputs
    deviations: Floats  # [F] standard deviation of each feature on the train spans, the smallest
    rules: MarketRules
    periods_per_year: float
    starting_equity: float  # of all sleeves together, currency
    symbols: tuple[str, ...]
    others: tuple[str, ...]  # symbols, traded or not, whose closes the features take
    max_age: int  # days at which such a close is too old
    calendar: Calendar
    checkpoints: Mapping[str, tuple[Checkpoint, ...]]  # by symbol, by date
    references: Mapping[str, tuple[Checkpoint, ...]]  # of the others that are not traded; without a state
    trace: Mapping[str, TracedSymbol]

    def stream(self, checkpoint: Checkpoint, where: str) -> FeatureStream:
        """The streaming features of a symbol as they stood at a checkpoint.

        Raises: PackageError where the state is not one of these features.
        """
        return _parse(
            where, CHECKPOINTS, lambda: FeatureStream.from_state(list(self.features), checkpoint.state, self.own)
        )


def load(data: bytes, where: str) -> Package:
    """A package from its bytes: every file against the manifest, every document against the others.

    Args:
        data: bytes of the archive.
        where: what errors call it.
    Raises: PackageError where the archive, the manifest, a hash, or the shape of a document is wrong.
    """
    folder, files = unpack(data, where)
    manifest = check_manifest(folder, files, where)
    missing = [name for name in FILES if name not in files]
    further = sorted(set(manifest["files"]) - {*FILES, USER_CODE})
    if missing or further:
        what = f"lacks {missing[0]}" if missing else f"holds {further[0]}, which no package does"
        raise PackageError(f"{where} {what}; build the package again.")
    own = _own(files, where)
    features = _parse(where, FEATURES, lambda: _features(parse(files[FEATURES]), own))
    policy = _parse(where, POLICY_DOCUMENT, lambda: OnnxPolicy(files[POLICY], parse(files[POLICY_DOCUMENT])))
    names = tuple(feature["name"] for feature in features)
    if names != policy.features:
        raise PackageError(
            f"{where}: the policy reads {len(policy.features)} features and {FEATURES} describes {len(names)}, or in "
            "another order: they are of two models; build the package again."
        )
    market = _parse(where, MARKET, lambda: _market(parse(files[MARKET])))
    others, max_age = _parse(where, FEATURES, lambda: _others(parse(files[FEATURES]), own))
    untraded = [symbol for symbol in others if symbol not in market["symbols"]]
    checkpoints = _parse(where, CHECKPOINTS, lambda: parse(files[CHECKPOINTS]))
    package = Package(
        model=manifest["model"],
        version=manifest["version"],
        files=files,
        policy=policy,
        own=own,
        features=features,
        deviations=_parse(where, SCALERS, lambda: _deviations(parse(files[SCALERS]), names)),
        **market,
        calendar=_parse(where, CALENDAR, lambda: _calendar(parse(files[CALENDAR]))),
        others=others,
        max_age=max_age,
        checkpoints=_parse(where, CHECKPOINTS, lambda: _checkpoints(checkpoints["symbols"], market["symbols"])),
        references=_parse(where, CHECKPOINTS, lambda: _checkpoints(checkpoints["references"], untraded)),
        trace=_parse(where, TRACE, lambda: _trace(parse(files[TRACE]), market["symbols"], policy, others)),
    )
    for checkpoints in package.checkpoints.values():
        for checkpoint in checkpoints:
            package.stream(checkpoint, where)  # refuses the state of other features
    return package


def _parse(where: str, name: str, read: Callable[[], Parsed]) -> Parsed:
    """What `read` makes of a document; its shape is checked by use."""
    try:
        return read()
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError, OutsampleError) as error:
        said = str(error).rstrip(".") if isinstance(error, OutsampleError) else f"{type(error).__name__}: {error}"
        raise PackageError(
            f"{where}: {name} is not what this Outsample reads ({said}); use the Outsample that built the package, or "
            "build it again."
        ) from error


def _own(files: Mapping[str, bytes], where: str) -> tuple[UserFeature, ...]:
    """The features of the user's file, once it is the one that the feature spec names. This runs the code of the file.

    Raises: PackageError where the spec has such features and the package no such file, or the other way round.
    """
    listed = _parse(where, FEATURES, lambda: [f for f in parse(files[FEATURES])["features"] if "code" in f])
    stated = _parse(where, FEATURES, lambda: {str(feature["code"]["sha256"]) for feature in listed})
    held = {hashlib.sha256(files[USER_CODE]).hexdigest()} if USER_CODE in files else set()
    if stated != held:
        raise PackageError(
            f"{where}: the code of the user's features is not the one that {FEATURES} names; build the package again."
        )
    if not listed:
        return ()
    _LOG.warning("%s runs the code of its user's features: %s, sha256 %s.", where, USER_CODE, *held)
    names = [str(feature.get("name")) for feature in listed]
    return _parse(where, USER_CODE, lambda: load_user_features(files[USER_CODE], USER_CODE, names))


def _features(document: Mapping[str, Any], own: tuple[UserFeature, ...]) -> tuple[Mapping[str, Any], ...]:
    features = tuple(document["features"])
    FeatureStream.from_spec(list(features), own)  # refuses indicators and parameters that it does not know
    return features


def _others(document: Mapping[str, Any], own: tuple[UserFeature, ...]) -> tuple[tuple[str, ...], int]:
    """The other symbols whose closes the features take, and the days at which one is too old."""
    stated, max_age = tuple(document["others"]["symbols"]), document["others"]["max_age"]
    if stated != FeatureStream.from_spec(document["features"], own).others:
        raise ValueError("the other symbols are not those of the features")
    if not isinstance(max_age, int) or isinstance(max_age, bool) or max_age < 0:
        raise ValueError(f"max_age is {max_age!r}")
    return stated, max_age


def _deviations(document: Mapping[str, Any], names: tuple[str, ...]) -> Floats:
    scales = [min(_number(row, "scale") for row in document["rows"] if row["feature"] == name) for name in names]
    return np.array(scales, dtype=np.float64)


def _market(document: Mapping[str, Any]) -> dict[str, Any]:
    rules = document["rules"]
    wanted, given = {field.name for field in fields(MarketRules)}, set(rules)
    if wanted != given:
        raise ValueError(f"the rules {', '.join(sorted(wanted ^ given))} are missing or unknown")
    if rules["fill"] not in ("next_open", "next_close"):
        raise ValueError(f"fill is {rules['fill']!r}")
    for name in ("short_selling", "whole_shares"):
        if not isinstance(rules[name], bool):
            raise ValueError(f"{name} is {rules[name]!r}")
    for name in ("cost_rate", "borrow_per_bar", "band", "grid"):
        if _number(rules, name, zero=name != "grid") > _LARGEST_RATE:
            raise ValueError(f"{name} is {rules[name]!r}")
    symbols = tuple(document["symbols"])
    if not symbols or list(symbols) != sorted(set(symbols)) or not all(isinstance(s, str) for s in symbols):
        raise ValueError("the symbols are not sorted names")
    return {
        "rules": MarketRules(**rules),
        "periods_per_year": _number(document, "periods_per_year"),
        "starting_equity": _number(document, "starting_equity"),
        "symbols": symbols,
    }


def _number(document: Mapping[str, Any], name: str, zero: bool = False) -> float:
    """A finite number above 0, or from 0 on."""
    value = document[name]
    sound = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if not sound or value < 0 or (value == 0 and not zero):
        raise ValueError(f"{name} is {value!r}")
    return float(value)


def _finite(values: Any) -> Floats:
    """An array of finite numbers."""
    array = np.array(values, dtype=np.float64)
    if not np.isfinite(array).all():
        raise ValueError("a number is missing or not finite")
    return array


def _moments(texts: Any) -> NDArray[np.datetime64]:
    """Dates [N], datetime64[us], of a list of ISO texts."""
    moments = np.array([np.datetime64(str(text), "us") for text in texts], dtype="datetime64[us]")
    if np.isnat(moments).any():
        raise ValueError("a date is missing")
    return moments


def _calendar(document: Mapping[str, Any]) -> Calendar:
    name, mask = document["name"], document["weekmask"]
    if not isinstance(name, str):
        raise ValueError(f"the name is {name!r}")
    if mask is not None and (len(mask) != 7 or not any(mask) or not all(isinstance(day, bool) for day in mask)):
        raise ValueError("the weekmask has not 7 days, or none with a session")
    return Calendar(
        name=name,
        weekmask=None if mask is None else tuple(mask),
        closed=_moments(document["closed"]).astype("datetime64[D]"),
        gaps={symbol: _moments(days).astype("datetime64[D]") for symbol, days in document["gaps"].items()},
    )


def _checkpoints(document: Mapping[str, Any], symbols: Sequence[str]) -> dict[str, tuple[Checkpoint, ...]]:
    found = {
        symbol: tuple(
            Checkpoint(
                span=entry["span"],
                date=_moments([entry["date"]])[0],
                close=_number(entry, "close"),
                factor=_number(entry, "factor"),
                state=entry["state"],
            )
            for entry in document[symbol]
        )
        for symbol in symbols
    }
    for symbol, checkpoints in found.items():
        dates = [checkpoint.date for checkpoint in checkpoints]
        if not dates or dates != sorted(set(dates)) or any(c.span not in SPANS for c in checkpoints):
            raise ValueError(f"the checkpoints of {symbol} are none, or not in the order of their dates")
    return found


def _trace(
    document: Mapping[str, Any], symbols: tuple[str, ...], policy: OnnxPolicy, others: tuple[str, ...]
) -> dict[str, TracedSymbol]:
    traced = {}
    for symbol, entry in document["symbols"].items():
        bars = _finite([entry[column] for column in BAR]).T
        traced[symbol] = TracedSymbol(
            bars=np.ascontiguousarray(bars),
            dates=_moments(entry["date"]),
            others={other: _finite(entry["others"][other]) for other in others},
            features=_finite(entry["features"]),
            targets=_finite(entry["target"]),
            preferences=_finite(entry["preference"]),
        )
        rows = len(bars)
        shapes = {
            "date": (traced[symbol].dates.shape, (rows,)),
            "features": (traced[symbol].features.shape, (rows, len(policy.features))),
            "target": (traced[symbol].targets.shape, (rows,)),
            "preference": (traced[symbol].preferences.shape, (rows, len(policy.actions))),
        }
        shapes |= {f"close of {other}": (closes.shape, (rows,)) for other, closes in traced[symbol].others.items()}
        wrong = [name for name, (shape, wanted) in shapes.items() if shape != wanted]
        if symbol not in symbols or wrong:
            raise ValueError(f"{wrong[0] if wrong else 'the symbol'} of {symbol} does not fit the policy")
    if not traced:
        raise ValueError("it holds no bars")
    return traced
