"""What a feature of one's own must keep to, seen on the bars of a symbol: one answer, numbers, and no longer memory.

That it does not look ahead is for the audit to see (`outsample.features.audit`), which names the first row.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from outsample.errors import UserFeatureError
from outsample.features.user import Floats, UserFeature

_ROWS = 32  # at which a feature is computed from its last bars alone
_TOLERANCE = 1e-9  # of the feature's standard deviation, as for the streaming form of the built-in ones


def check_values(
    feature: UserFeature, bars: Mapping[str, Floats], values: Floats, symbol: str, dates: NDArray[np.datetime64]
) -> None:
    """Refuse a feature that is not finite, not the same twice, or not the same from its last bars alone.

    Args:
        feature: the feature.
        bars: columns [T] of the symbol.
        values: [T] what `feature.compute` gave for them.
        symbol, dates: whose they are, for errors.
    Raises: UserFeatureError naming the feature and the first such row.
    """
    where = f"{feature.file}: the feature {feature.name}"
    ready = np.arange(len(values)) >= feature.warm_up
    wrong = np.flatnonzero(ready & ~np.isfinite(values))
    if len(wrong):
        row = int(wrong[0])
        raise UserFeatureError(
            f"{where} is {values[row]} for {symbol} on {_day(dates[row])} (row {row}), after its warm-up of "
            f"{feature.warm_up} bars; declare a longer warm_up, or give a number there."
        )
    again = np.flatnonzero(ready & (feature.compute(bars) != values))
    if len(again):
        raise UserFeatureError(
            f"{where} is another for {symbol} on {_day(dates[int(again[0])])} when it is computed once more; make it "
            "a function of its inputs alone."
        )
    used = values[ready]
    near = max(_TOLERANCE * float(used.std()), 1e-12 * float(np.abs(used).max(initial=0.0)))
    for row in np.unique(np.linspace(feature.warm_up, len(values) - 1, _ROWS).astype(int)):
        last = {column: bars[column][row - feature.warm_up : row + 1] for column in feature.inputs}
        if _is(feature, last, values[row], near):
            continue
        # A value that differs without the bars after it as well looks ahead, which the audit says better.
        if _is(feature, {column: bars[column][: row + 1] for column in feature.inputs}, values[row], near):
            raise UserFeatureError(
                f"{where} is another for {symbol} on {_day(dates[row])} (row {row}) when it is computed from the last "
                f"{feature.warm_up + 1} bars alone, so that it remembers more than its warm_up of {feature.warm_up} "
                "says; declare how far back it looks."
            )


def _is(feature: UserFeature, bars: Mapping[str, Floats], value: float, near: float) -> bool:
    return bool(abs(feature.compute(bars)[-1] - value) <= near)


def _day(date: np.datetime64) -> str:
    return str(date.astype("datetime64[s]")).replace("T", " ").removesuffix(" 00:00:00")
