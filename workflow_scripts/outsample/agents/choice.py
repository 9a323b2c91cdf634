"""Several sets of settings for one lane: each is trained, and the validated returns say which one is taken.

Which network fits a market cannot be known beforehand: a linear one cannot see a non-linear edge, and a wide one learns
the noise of a linear edge as well. The rows on which the gate judges decide between them, so the gate asks for more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from outsample.agents.gate import gate_bound
from outsample.config.models import Gate


class Choice(NamedTuple):
    """What was taken, and its gate."""

    taken: int  # number of the variant
    bound: float  # return per bar; the gate opens above 0


def variants(settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The settings themselves and each of their alternatives, each once, all without the key `alternatives`.

    >>> variants({"torso": "linear", "units": 4, "alternatives": [{"torso": "tanh"}]})
    [{'torso': 'linear', 'units': 4}, {'torso': 'tanh', 'units': 4}]
    """
    own = {name: value for name, value in settings.items() if name != "alternatives"}
    every = [own, *(own | change for change in settings["alternatives"])]
    return [one for place, one in enumerate(every) if one not in every[:place]]


def network_name(torso: str, units: int, layers: int) -> str:
    """What a network is called in tables and reports.

    >>> network_name("linear", 8, 1), network_name("tanh", 8, 1), network_name("relu", 64, 2)
    ('linear', 'tanh 8', 'relu 64x64')
    """
    return torso if torso == "linear" else f"{torso} {'x'.join([str(units)] * layers)}"


def choose(returns: NDArray[np.float64], gate: Gate, tried: int) -> Choice:
    """What is taken of the variants, and its gate at the level of `gate` over their number.

    The variant with the largest mean validated return is taken if it earned more than the first by over one standard
    error of their difference; else the first, for a lead within the noise is no reason to leave it. The best of V
    skill-less variants tried would open a gate of the full level up to V times as often (Bonferroni 1936).

    Args:
        returns: [bars, V] validated net returns per bar of each variant (`gate.validated_returns`).
        gate: settings of the gate.
        tried: how many variants were tried, those that broke down included.
    Reference: Breiman, Friedman, Olshen and Stone (1984), Classification and Regression Trees, section 3.4.3, for the
        rule of one standard error.
    """
    best = int(np.argmax(returns.mean(axis=0)))
    lead = returns[:, best] - returns[:, 0]
    taken = best if lead.mean() > lead.std() / np.sqrt(len(lead)) else 0
    return Choice(taken, gate_bound(np.ascontiguousarray(returns[:, taken]), level_of(gate, tried)))


def level_of(gate: Gate, variants: int) -> Gate:
    """The gate where the best of so many variants is judged."""
    return gate.model_copy(update={"level": gate.level / variants})
