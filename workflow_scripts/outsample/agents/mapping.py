"""How the models of one program are computed: in turn, or a fixed number of them at once.

On a CPU they take turns (`lax.map`), which is as fast there as `vmap` and gives a model the same bits in any company.
On an accelerator a fixed number is computed at once (`vmap`), so that no other number is ever compiled; where fewer
are left, the last one is repeated and what the repetitions give is dropped.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from outsample.errors import ConfigError

_WIDTH = 64


def width_of_machine() -> int | None:
    """How many models are computed at once; None where they take turns.

    The environment variable OUTSAMPLE_LANES, "map" or "vmap", overrides what the backend of JAX asks for, and
    OUTSAMPLE_LANE_WIDTH the width, 64.

    Raises: ConfigError where one of them has another value.
    """
    how = os.environ.get("OUTSAMPLE_LANES") or ("map" if jax.default_backend() == "cpu" else "vmap")
    if how not in ("map", "vmap"):
        raise ConfigError(f"The environment variable OUTSAMPLE_LANES is {how}: set it to map or vmap, or unset it.")
    width = os.environ.get("OUTSAMPLE_LANE_WIDTH") or str(_WIDTH)
    if not width.isdecimal() or int(width) < 1:
        raise ConfigError(
            f"The environment variable OUTSAMPLE_LANE_WIDTH is {width}: set it to a number of models, at least 1, or "
            "unset it."
        )
    return None if how == "map" else int(width)


def over_models(function: Callable[[Any, Any], Any], models: Any, hyper: Any, width: int | None) -> Any:
    """function(model, hyper) of each model; leaves of the result have a leading axis [M].

    Args:
        function: pure and traced.
        models: leaves with a leading axis [M], a multiple of the width (`at_width`).
        hyper: where `width` is None of all models together; else of each, leaves with a leading axis [M].
        width: how many are computed at once; None takes them in turn.
    """
    if width is None:
        return jax.lax.map(lambda model: function(model, hyper), models)
    batches = jax.tree.map(lambda x: x.reshape(-1, width, *x.shape[1:]), (models, hyper))
    found = jax.lax.map(lambda batch: jax.vmap(function)(*batch), batches)
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), found)


def at_width(compiled: Callable[..., Any], models: tuple[Any, ...], hyper: Any, width: int | None) -> Any:
    """compiled(hyper, *models), called with as many models as fill the width: the last one is repeated, and dropped.

    Args:
        compiled: a compiled function of any number of models.
        models: leaves with a leading axis [M].
        hyper, width: as in `over_models`.
    """
    count = len(jax.tree.leaves(models)[0])
    if width is None or count % width == 0:
        return compiled(hyper, *models)
    rows = np.minimum(np.arange(count + -count % width), count - 1)
    found = compiled(*jax.tree.map(lambda x: x[rows], (hyper, *models)))
    return jax.tree.map(lambda x: x[:count], found)
