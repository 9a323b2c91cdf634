"""Features of one's own, as a worked example: copy this file, change it, and name it in an experiment.

features:
  user:
    file: config/features/example.py
    use: [gap, close_in_range, range_rank_20]

What the rules are stands in docs/own_features.md.
"""

import numpy as np

from outsample.features.user import feature


@feature(
    name="gap",
    formula="log(open[t] / close[t-1])",
    inputs=("open", "close"),
    warm_up=1,
    reference="Lou, Polk and Skouras (2019)",
)
def gap(open, close):
    """The move from one close to the next open, which a price series of closes does not show."""
    return np.append(np.nan, np.log(open[1:] / close[:-1]))


@feature(
    name="close_in_range",
    formula="(close - low) / (high - low), 0.5 without a range",
    inputs=("high", "low", "close"),
    warm_up=0,
)
def close_in_range(high, low, close):
    """Where the bar closed within its own range, from 0 at the low to 1 at the high."""
    span = high - low
    return np.where(span > 0, (close - low) / np.where(span > 0, span, 1.0), 0.5)


# One function serves two features: the parameters are given by name.
@feature(
    name="range_rank_5",
    formula="share of the last 5 bars whose range over close is below that of the last",
    inputs=("high", "low", "close"),
    warm_up=4,
    parameters={"window": 5},
)
@feature(
    name="range_rank_20",
    formula="share of the last 20 bars whose range over close is below that of the last",
    inputs=("high", "low", "close"),
    warm_up=19,
    parameters={"window": 20},
)
def range_rank(high, low, close, window):
    """How wide the bar is among the last ones, from 0 to below 1; NaN until there are enough of them."""
    span = (high - low) / close
    ranks = np.full(len(span), np.nan)
    if len(span) >= window:
        windows = np.lib.stride_tricks.sliding_window_view(span, window)
        ranks[window - 1 :] = (windows < windows[:, -1:]).mean(axis=1)
    return ranks
