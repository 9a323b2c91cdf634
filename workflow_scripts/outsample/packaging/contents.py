"""What a package says, read from its bytes: policy, features, market, calendar, checkpoints and trace.

A checkpoint is the state of one symbol's streaming features at the close of a bar: paper trading goes on from there,
and no bar before the first one can be traded, for the features would not be warm.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from outsample.agents.onnx import OnnxPolicy
from outsample.errors import OutsampleError, PackageError
from outsample.features.streaming import FeatureStream
from outsample.market.accounting import MarketRules
from outsample.packaging.archive import unpack
from outsample.packaging.manifest import check_manifest

POLICY, POLICY_DOCUMENT, FEATURES, SCALERS = "policy.onnx", "policy.json", "features.spec.json", "scalers.json"
MARKET, CALENDAR, CHECKPOINTS, TRACE = "market.json", "calendar.json", "checkpoints.json", "trace.json"
CONFIG, LOCK, VERDICT, METRICS, GATES = "config.json", "requirements.lock", "verdict.json", "metrics.json", "gates.json"
CARD = "MODEL_CARD.md"
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
    features: Floats  # [T, F] as the policy was trained on
    targets: Floats  # [T]
    preferences: Floats  # [T, A]


@dataclass(frozen=True)
class Package:
    """A package whose files are those of its manifest, and whose documents fit each other."""

    model: str
    version: str
    files: Mapping[str, bytes]
    policy: OnnxPolicy
    features: tuple[Mapping[str, Any], ...]  # streaming specification, in the order of the policy's inputs
    deviations: Floats  # [F] standard deviation of each feature on the train spans, the smallest
    rules: MarketRules
    periods_per_year: float
    starting_equity: float  # of all sleeves together, currency
    symbols: tuple[str, ...]
    calendar: Calendar
    checkpoints: Mapping[str, tuple[Checkpoint, ...]]  # by symbol, by date
    trace: Mapping[str, TracedSymbol]

    def stream(self, checkpoint: Checkpoint, where: str) -> FeatureStream:
        """The streaming features of a symbol as they stood at a checkpoint.

        Raises: PackageError where the state is not one of these features.
        """
        return _parse(where, CHECKPOINTS, lambda: FeatureStream.from_state(list(self.features), checkpoint.state))


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
    further = sorted(set(manifest["files"]) - set(FILES))
    if missing or further:
        what = f"lacks {missing[0]}" if missing else f"holds {further[0]}, which no package does"
        raise PackageError(f"{where} {what}; build the package again.")
    features = _parse(where, FEATURES, lambda: _features(json.loads(files[FEATURES])))
    policy = _parse(where, POLICY_DOCUMENT, lambda: OnnxPolicy(files[POLICY], json.loads(files[POLICY_DOCUMENT])))
    names = tuple(feature["name"] for feature in features)
    if names != policy.features:
        raise PackageError(
            f"{where}: the policy reads {len(policy.features)} features and {FEATURES} describes {len(names)}, or in "
            "another order: they are of two models; build the package again."
        )
    market = _parse(where, MARKET, lambda: _market(json.loads(files[MARKET])))
    return Package(
        model=manifest["model"],
        version=manifest["version"],
        files=files,
        policy=policy,
        features=features,
        deviations=_parse(where, SCALERS, lambda: _deviations(json.loads(files[SCALERS]), names)),
        **market,
        calendar=_parse(where, CALENDAR, lambda: _calendar(json.loads(files[CALENDAR]))),
        checkpoints=_parse(where, CHECKPOINTS, lambda: _checkpoints(json.loads(files[CHECKPOINTS]), market["symbols"])),
        trace=_parse(where, TRACE, lambda: _trace(json.loads(files[TRACE]), market["symbols"], policy)),
    )


def _parse(where: str, name: str, read: Callable[[], Parsed]) -> Parsed:
    """What `read` makes of a document; its shape is checked by use."""
    try:
        return read()
    except (KeyError, TypeError, ValueError, IndexError, OutsampleError) as error:
        said = str(error).rstrip(".") if isinstance(error, OutsampleError) else f"{type(error).__name__}: {error}"
        raise PackageError(
            f"{where}: {name} is not what this Outsample reads ({said}); use the Outsample that built the package, or "
            "build it again."
        ) from error


def _features(document: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    features = tuple(document["features"])
    FeatureStream.from_spec(list(features))  # refuses indicators and parameters that it does not know
    return features


def _deviations(document: Mapping[str, Any], names: tuple[str, ...]) -> Floats:
    smallest = {name: min(row["scale"] for row in document["rows"] if row["feature"] == name) for name in names}
    return np.array([smallest[name] for name in names], dtype=np.float64)


def _market(document: Mapping[str, Any]) -> dict[str, Any]:
    wanted, given = {field.name for field in fields(MarketRules)}, set(document["rules"])
    if wanted != given:
        raise ValueError(f"the rules {', '.join(sorted(wanted ^ given))} are missing or unknown")
    symbols = tuple(document["symbols"])
    if not symbols or list(symbols) != sorted(set(symbols)) or not all(isinstance(s, str) for s in symbols):
        raise ValueError("the symbols are not sorted names")
    return {
        "rules": MarketRules(**document["rules"]),
        "periods_per_year": float(document["periods_per_year"]),
        "starting_equity": float(document["starting_equity"]),
        "symbols": symbols,
    }


def _calendar(document: Mapping[str, Any]) -> Calendar:
    mask = document["weekmask"]
    if mask is not None and (len(mask) != 7 or not any(mask)):
        raise ValueError("the weekmask has not 7 days, or none with a session")
    return Calendar(
        name=document["name"],
        weekmask=None if mask is None else tuple(bool(day) for day in mask),
        closed=np.array(document["closed"], dtype="datetime64[D]"),
        gaps={symbol: np.array(days, dtype="datetime64[D]") for symbol, days in document["gaps"].items()},
    )


def _checkpoints(document: Mapping[str, Any], symbols: tuple[str, ...]) -> dict[str, tuple[Checkpoint, ...]]:
    found = {
        symbol: tuple(
            Checkpoint(
                span=entry["span"],
                date=np.datetime64(entry["date"], "us"),
                close=float(entry["close"]),
                factor=float(entry["factor"]),
                state=entry["state"],
            )
            for entry in document["symbols"][symbol]
        )
        for symbol in symbols
    }
    for symbol, checkpoints in found.items():
        dates = [checkpoint.date for checkpoint in checkpoints]
        if not dates or dates != sorted(set(dates)) or any(c.span not in SPANS for c in checkpoints):
            raise ValueError(f"the checkpoints of {symbol} are none, or not in the order of their dates")
    return found


def _trace(document: Mapping[str, Any], symbols: tuple[str, ...], policy: OnnxPolicy) -> dict[str, TracedSymbol]:
    traced = {}
    for symbol, entry in document["symbols"].items():
        bars = np.array([entry[column] for column in BAR], dtype=np.float64).T
        traced[symbol] = TracedSymbol(
            bars=np.ascontiguousarray(bars),
            dates=np.array(entry["date"], dtype="datetime64[us]"),
            features=np.array(entry["features"], dtype=np.float64),
            targets=np.array(entry["target"], dtype=np.float64),
            preferences=np.array(entry["preference"], dtype=np.float64),
        )
        rows = len(bars)
        shapes = {
            "date": (traced[symbol].dates.shape, (rows,)),
            "features": (traced[symbol].features.shape, (rows, len(policy.features))),
            "target": (traced[symbol].targets.shape, (rows,)),
            "preference": (traced[symbol].preferences.shape, (rows, len(policy.actions))),
        }
        wrong = [name for name, (shape, wanted) in shapes.items() if shape != wanted]
        if symbol not in symbols or wrong:
            raise ValueError(f"{wrong[0] if wrong else 'the symbol'} of {symbol} does not fit the policy")
    if not traced:
        raise ValueError("it holds no bars")
    return traced
