"""The network of an actor or a critic: a torso on the scaled features, and the position entering additively."""

from __future__ import annotations

from typing import Any, cast

import flax.linen as nn
import jax

Params = dict[str, Any]


class Affine(nn.Module):
    """x W + b; as `flax.linen.Dense`, whose converter in jax2onnx cannot be mapped over models."""

    outputs: int
    initial: nn.initializers.Initializer

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        kernel = self.param("kernel", self.initial, (x.shape[-1], self.outputs))
        bias = self.param("bias", nn.initializers.zeros, (self.outputs,))
        outputs: jax.Array = x @ kernel + bias
        return outputs


class Head(nn.Module):
    """outputs(x, p) = rows(x) + table[p]: a torso on the features plus a free table over positions.

    Because the position is only added, `rows` of all bars can be computed at once and a rollout only looks up rows.
    The last layer and the table start at zero: a fresh policy is uniform, a fresh value is 0.
    """

    outputs: int  # A of an actor, 1 of a critic
    positions: int  # P: positions that can be held, the same list as the actions
    torso: str  # "linear", "tanh" or "relu"
    units: int  # hidden units of each layer, unless the torso is linear
    layers: int = 1  # hidden layers, unless the torso is linear

    def setup(self) -> None:
        if self.torso != "linear":
            self.hidden = Affine(self.units, nn.initializers.lecun_normal())
            self.deeper = [Affine(self.units, nn.initializers.lecun_normal()) for _ in range(self.layers - 1)]
        self.out = Affine(self.outputs, nn.initializers.zeros)
        self.table = self.param("table", nn.initializers.zeros, (self.positions, self.outputs))

    def rows(self, features: jax.Array) -> jax.Array:
        """Outputs [..., outputs] of scaled features [..., F], before the position is added."""
        if self.torso != "linear":
            activation = nn.tanh if self.torso == "tanh" else nn.relu
            for layer in (self.hidden, *self.deeper):
                features = activation(layer(features))
        outputs: jax.Array = self.out(features)
        return outputs

    def __call__(self, features: jax.Array, position: jax.Array) -> jax.Array:
        """Outputs [..., outputs] at scaled features [..., F] and position index [...]."""
        table: jax.Array = self.table[position]
        return self.rows(features) + table


def row_outputs(head: Head, params: Params, features: jax.Array) -> jax.Array:
    """`Head.rows` of parameters."""
    return cast(jax.Array, head.apply({"params": params}, features, method="rows"))


def centred(preferences: jax.Array) -> jax.Array:
    """Preferences minus their mean over the actions (last axis).

    The part of the logits that all actions share changes neither the policy nor the argmax, of one model or of the
    mean of several; without it the logits of models can be compared. For the same reason the argmax of the mean of
    the logits is that of the mean of the log-probabilities.
    """
    return preferences - preferences.mean(-1, keepdims=True)
