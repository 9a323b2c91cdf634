"""The policy bar by bar: streaming features in, targets out, all symbols in one batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from outsample.agents.onnx import OnnxPolicy, chosen_rows
from outsample.errors import DataError
from outsample.features.streaming import FeatureStream

Floats = NDArray[np.float64]


def day_text(moment: np.datetime64) -> str:
    """A date, with the time of day where that is not midnight.

    >>> day_text(np.datetime64("2024-01-02T00:00", "us")), day_text(np.datetime64("2024-01-02T09:30", "us"))
    ('2024-01-02', '2024-01-02 09:30:00')
    """
    return str(moment.astype("datetime64[s]")).replace("T", " ").removesuffix(" 00:00:00")


class SeenBar(NamedTuple):
    """A bar that has just closed, and what its symbol's features take beside it."""

    values: Floats  # [5] adjusted open, high, low, close and volume
    date: np.datetime64
    others: Mapping[str, float]  # other symbol -> adjusted close of its last bar at or before the date


class StreamDecider:
    """The decisions of a policy on bars that arrive one at a time, each symbol from flat.

    The batch always has a row for each of the policy's symbols, as in `outsample.agents.onnx.decide`, so that a
    decision depends neither on which symbols have a bar nor on which are traded at all.
    """

    def __init__(self, policy: OnnxPolicy, symbols: tuple[str, ...], streams: Mapping[str, FeatureStream]) -> None:
        """Start flat.

        Args:
            policy: the decider.
            symbols: all symbols of the policy's experiment, in the order of its batch.
            streams: symbol -> its features as they stand at the close before its first bar.
        """
        self._policy = policy
        self._rows = {symbol: row for row, symbol in enumerate(symbols)}
        self._streams = streams
        self._carried = policy.start(len(symbols))

    def decide(
        self, bars: Mapping[str, SeenBar], when: np.datetime64
    ) -> dict[str, tuple[Floats, np.float32, NDArray[np.float32]]]:
        """Features [F], target and preferences [A] of each symbol that has a bar.

        Args:
            bars: symbol -> the bar that has just closed.
            when: the latest of their dates, for errors.
        Raises: DataError where a bar is none, or a feature is not finite.
        """
        features = np.zeros((len(self._rows), len(self._policy.features)))
        prices = np.ones((len(self._rows), 5))
        for symbol, bar in bars.items():
            row = self._rows[symbol]
            prices[row] = bar.values
            open_, high, low, close, volume = bar.values.tolist()
            try:
                features[row] = self._streams[symbol].push(open_, high, low, close, volume, bar.date, bar.others)
            except DataError as error:
                raise DataError(f"{symbol} on {day_text(when)}: {error}") from error
            if np.isnan(features[row]).any():
                raise DataError(f"{symbol} on {day_text(when)}: its features have not warmed up; give the bars before.")
            # The policy reads float32, for which a finite feature may be too large.
            beyond = np.abs(features[row]) > np.finfo(np.float32).max
            if beyond.any():
                name = self._policy.features[int(beyond.argmax())]
                raise DataError(
                    f"{symbol} on {day_text(when)}: the feature {name} is too large for the policy; correct the bars "
                    "up to that one."
                )
        try:
            target, preference, carried = self._policy.act(self._carried, features, prices[:, 0], prices[:, 3])
        except DataError as error:
            raise DataError(f"{day_text(when)}: {error}") from error
        live = np.isin(np.arange(len(self._rows)), [self._rows[symbol] for symbol in bars])
        self._carried = chosen_rows(live, carried, self._carried)
        return {s: (features[self._rows[s]], target[self._rows[s]], preference[self._rows[s]]) for s in bars}
