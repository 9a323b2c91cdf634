"""Raw features as a network reads them, by center and scale or by steps; what trains is what is exported."""

from __future__ import annotations

import jax
import jax.numpy as jnp


def scaled(features: jax.Array, center: jax.Array, scale: jax.Array) -> jax.Array:
    """Features [..., F] scaled, of the same shape.

    With `center` and `scale` [F] (standard, robust) it is (x - center) / scale, whatever x is. With S steps a feature,
    both [F, S] (min_max, quantile_rank), it is piecewise linear from -1 to 1,

        2 / S * sum over s of clip((x - center[s]) / scale[s], 0, 1) - 1,

    where step s rises from `center[s]` over a width of `scale[s]`: what lies beyond the train span is -1 or 1.
    """
    if center.ndim == 1:
        return (features - center) / scale
    risen = jnp.clip((features[..., None] - center) / scale, 0.0, 1.0)
    return risen.sum(-1) * (2.0 / center.shape[-1]) - 1.0
