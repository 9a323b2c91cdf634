"""The replay of a package's trace: the same bars must give the same features and the same decisions again."""

from __future__ import annotations

import numpy as np

from outsample.errors import DataError, PackageError
from outsample.packaging.contents import Package
from outsample.packaging.decider import StreamDecider, day_text

FEATURE_TOLERANCE = 1e-9  # standard deviations of the feature on the train span
# Preferences are float32 sums, whose last bits differ between kinds of processors; those of two models differ in the
# first. They tell another policy even where the gate is closed and all targets are 0.
PREFERENCE_TOLERANCE = 1e-4


def replay(package: Package, where: str) -> int:
    """Feed the traced bars of every symbol, from flat, and compare.

    Args:
        package: the package.
        where: what errors call it.
    Returns: how many decisions were compared.
    Raises: PackageError at the first feature that is off by more than 1e-9 of its standard deviation, target that is
        not the traced one, or preference that is off by more than 1e-4 of the largest one.
    """
    streams = {symbol: package.stream(package.checkpoints[symbol][0], where) for symbol in package.trace}
    decider = StreamDecider(package.policy, package.symbols, streams)
    longest = max(len(traced.dates) for traced in package.trace.values())
    for k in range(longest):
        bars = {symbol: traced.seen(k) for symbol, traced in package.trace.items() if k < len(traced.dates)}
        when = max(bar.date for bar in bars.values())
        try:
            decided = decider.decide(bars, when)
        except DataError as error:
            raise PackageError(f"{where}: its trace cannot be replayed: {error}") from error
        for symbol, (features, target, preference) in decided.items():
            _compare(package, symbol, k, features, float(target), preference, where)
    return sum(len(traced.dates) for traced in package.trace.values())


def _compare(
    package: Package, symbol: str, k: int, features: np.ndarray, target: float, preference: np.ndarray, where: str
) -> None:
    traced = package.trace[symbol]
    at = f"{symbol} on {day_text(traced.dates[k])}"
    with np.errstate(over="ignore"):  # an infinite difference is one
        off = np.abs(features - traced.features[k]) / package.deviations
    if not (off <= FEATURE_TOLERANCE).all():
        column = int(np.flatnonzero(~(off <= FEATURE_TOLERANCE))[0])
        raise PackageError(
            f"{where}: the feature {package.policy.features[column]} of {at} is {features[column]:.12g}, the trace "
            f"says {traced.features[k, column]:.12g}: the package is for another feature specification; build it again."
        )
    largest = float(np.abs(traced.preferences).max())
    apart = float(np.abs(preference - traced.preferences[k]).max())
    if target != traced.targets[k] or not apart <= PREFERENCE_TOLERANCE * largest:
        raise PackageError(
            f"{where}: the policy decides {target:g} for {at} where the trace says {traced.targets[k]:g} (preferences "
            f"apart by {apart:.2g}): it is not the policy that was traced; build the package again."
        )
