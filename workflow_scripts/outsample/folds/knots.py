"""The knots of a scaling that is clipped: their columns in the table `scalers`, and the steps between them.

Apart from what fits them, so that training does not depend on how features are built.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# A step is at least so wide, in standard deviations: where many train values are equal the rank would jump, and a
# value that differs by rounding would be another rank.
_NARROWEST = 1e-3


def knot_columns(columns: Iterable[Any]) -> list[str]:
    """The columns of the knots among those of a table `scalers`, by rank; none of a linear scaling."""
    return sorted(name for name in columns if str(name).startswith("knot_"))


def steps(knots: Floats, scale: Floats) -> tuple[Floats, Floats]:
    """Where each step between two knots begins and how wide it is, both [..., S].

    Equal knots make a step of a thousandth of the scale about their value, so that this value has their middle rank.

    Args:
        knots: [..., S + 1] ascending.
        scale: [...] standard deviation of the train values, > 0.
    >>> start, width = steps(np.array([0.0, 1.0, 1.0]), np.array(2.0))
    >>> start.round(4).tolist(), width.round(4).tolist()
    ([0.0, 0.999], [1.0, 0.002])
    """
    rise = np.diff(knots, axis=-1)
    width = np.maximum(rise, _NARROWEST * scale[..., None])
    return knots[..., :-1] - (width - rise) / 2, width
