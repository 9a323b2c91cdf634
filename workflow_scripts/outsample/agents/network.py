"""The network of an actor or a critic: a torso on the scaled features, and the account entering additively."""

from __future__ import annotations

from functools import reduce
from typing import Any, NamedTuple, cast

import flax.linen as nn
import jax
import jax.numpy as jnp

from outsample.market.holding import Numbers

Params = dict[str, Any]
_GATES = 3


class Dropout(NamedTuple):
    """Which hidden units a gradient step leaves out; both traced."""

    rate: jax.Array  # share of the units, in [0, 1)
    key: jax.Array


def drop(x: jax.Array, dropout: Dropout) -> jax.Array:
    """Each entry of x is 0 with probability `rate`, else x / (1 - rate), so that its mean is x.

    Reference: Srivastava et al. (2014), Dropout: A Simple Way to Prevent Neural Networks from Overfitting, section 10.
    """
    kept = jax.random.uniform(dropout.key, x.shape) >= dropout.rate
    return jnp.where(kept, x / (1 - dropout.rate), 0.0)


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


def _orthogonal_gates(key: jax.Array, shape: tuple[int, int]) -> jax.Array:
    """An orthogonal matrix for each gate, side by side [U, 3 U]."""
    units = shape[0]
    orthogonal = nn.initializers.orthogonal()
    return jnp.concatenate([orthogonal(part, (units, units)) for part in jax.random.split(key, _GATES)], axis=-1)


class Gru(nn.Module):
    """A gated recurrent unit: the memory m_t [U] of the features x_1 .. x_t, from m_0 = 0.

        r = sigmoid(x_t W_r + b_r + m_(t-1) U_r)              how much of the memory the candidate sees
        z = sigmoid(x_t W_z + b_z + m_(t-1) U_z)              how much of the memory stays
        c = tanh(x_t W_c + b_c + r * (m_(t-1) U_c + d))       the candidate
        m_t = (1 - z) * c + z * m_(t-1)

    The three gates stand side by side in that order. As `flax.linen.GRUCell`, written by products that jax2onnx can
    map over models.
    Reference: Cho et al. (2014), Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine
        Translation, eq. 5 to 8, where z and 1 - z change places and r is applied before the product with U_c.
    """

    units: int

    def setup(self) -> None:
        self.read = Affine(_GATES * self.units, nn.initializers.lecun_normal())
        self.recurrent = self.param("recurrent", _orthogonal_gates, (self.units, _GATES * self.units))
        self.offset = self.param("offset", nn.initializers.zeros, (self.units,))

    def __call__(self, features: jax.Array, memory: jax.Array) -> jax.Array:
        """Memory [..., U] after features [..., F], from the memory [..., U] before."""
        return self._next(self.read(features), memory)

    def sequence(self, features: jax.Array, reset: jax.Array | None = None) -> jax.Array:
        """Memories [T, ..., U] of features [T, ..., F]; it is 0 before the first, and before each of `reset` [T]."""

        def advance(memory: jax.Array, row: tuple[jax.Array, jax.Array | None]) -> tuple[jax.Array, jax.Array]:
            read, fresh = row
            memory = self._next(read, memory if fresh is None else jnp.where(fresh, 0.0, memory))
            return memory, memory

        read = self.read(features)
        empty = jnp.zeros((*read.shape[1:-1], self.units), read.dtype)
        return jax.lax.scan(advance, empty, (read, reset))[1]

    def _next(self, read: jax.Array, memory: jax.Array) -> jax.Array:
        read_r, read_z, read_c = jnp.split(read, _GATES, axis=-1)
        held_r, held_z, held_c = jnp.split(memory @ self.recurrent, _GATES, axis=-1)
        candidate = nn.tanh(read_c + nn.sigmoid(read_r + held_r) * (held_c + self.offset))
        stays = nn.sigmoid(read_z + held_z)
        after: jax.Array = (1 - stays) * candidate + stays * memory
        return after


class Head(nn.Module):
    """outputs(x, p, n) = rows(x) + table[p] + n account: a torso on the features plus what the account adds.

    `table` is free over positions. `account` is linear in the two numbers n of `outsample.market.holding.Numbers`, the
    unrealised result and the holding time; it is there where `account_inputs` is true.
    Because the account is only added, `rows` of all bars can be computed at once and a rollout only looks up rows; the
    memory of a recurrent torso is one of features alone for the same reason.
    The last layer, the table and the account's weights start at zero: a fresh policy is uniform, a fresh value is 0.
    """

    outputs: int  # A of an actor, 1 of a critic
    positions: int  # P: positions that can be held, the same list as the actions
    torso: str  # "linear", "tanh", "relu" or "gru"
    units: int  # hidden units of each layer, or of the memory, unless the torso is linear
    layers: int = 1  # hidden layers, unless the torso is linear; 1 of a memory
    account_inputs: bool = False

    @property
    def recurrent(self) -> bool:
        """Whether the torso is a memory, so that rows must come in the order of time."""
        return self.torso == "gru"

    def setup(self) -> None:
        if self.recurrent:
            self.memory = Gru(self.units)
        elif self.torso != "linear":
            self.hidden = Affine(self.units, nn.initializers.lecun_normal())
            self.deeper = [Affine(self.units, nn.initializers.lecun_normal()) for _ in range(self.layers - 1)]
        self.out = Affine(self.outputs, nn.initializers.zeros)
        self.table = self.param("table", nn.initializers.zeros, (self.positions, self.outputs))
        if self.account_inputs:
            self.account = self.param("account", nn.initializers.zeros, (2, self.outputs))

    def rows(self, features: jax.Array, reset: jax.Array | None = None, dropout: Dropout | None = None) -> jax.Array:
        """Outputs [..., outputs] of scaled features [..., F], before the account is added.

        Of a recurrent torso the first axis is time; its memory starts at 0, and again at each of `reset` [T], which
        means nothing to other torsos. Dropout is for gradient steps alone: without it, which is how a policy decides,
        all hidden units count.
        """
        if self.recurrent:
            features = self.memory.sequence(features, reset)
        elif self.torso != "linear":
            activation = nn.tanh if self.torso == "tanh" else nn.relu
            for number, layer in enumerate((self.hidden, *self.deeper)):
                features = activation(layer(features))
                if dropout is not None:
                    features = drop(features, dropout._replace(key=jax.random.fold_in(dropout.key, number)))
        outputs: jax.Array = self.out(features)
        return outputs

    def row(self, features: jax.Array, memory: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Of a recurrent torso, outputs [..., outputs] of one bar, and the memory [..., U] after it."""
        memory = self.memory(features, memory)
        return self.out(memory), memory

    def __call__(self, features: jax.Array, position: jax.Array, numbers: Numbers | None = None) -> jax.Array:
        """Outputs [..., outputs] at scaled features [..., F], position index [...] and numbers [...].

        Without numbers, those of a flat account: both 0.
        """
        outputs: jax.Array = self.rows(features) + self.table[position]
        return outputs if numbers is None else outputs + account_outputs(self.account, numbers)


def initial_params(head: Head, n_features: int, key: jax.Array) -> Params:
    """The first parameters of a network on F features."""
    return cast(Params, head.init(key, jnp.zeros((1, n_features)), jnp.array(0))["params"])


def row_outputs(
    head: Head,
    params: Params,
    features: jax.Array,
    reset: jax.Array | None = None,
    dropout: Dropout | None = None,
) -> jax.Array:
    """`Head.rows` of parameters."""
    return cast(jax.Array, head.apply({"params": params}, features, reset, dropout, method="rows"))


def next_outputs(head: Head, params: Params, features: jax.Array, memory: jax.Array) -> tuple[jax.Array, jax.Array]:
    """`Head.row` of parameters."""
    return cast(tuple[jax.Array, jax.Array], head.apply({"params": params}, features, memory, method="row"))


def account_outputs(weights: jax.Array, numbers: Numbers) -> jax.Array:
    """What weights [2, outputs] make of the account's numbers [...]: [..., outputs]."""
    return numbers.gain[..., None] * weights[0] + numbers.age[..., None] * weights[1]


def with_account(outputs: jax.Array, params: Params, numbers: Numbers | None) -> jax.Array:
    """Outputs [..., outputs] with what the account's numbers [...] add; they are None where they are not read."""
    return outputs if numbers is None else outputs + account_outputs(params["account"], numbers)


def centred(preferences: jax.Array) -> jax.Array:
    """Preferences minus their mean over the actions (last axis).

    The part of the logits that all actions share changes neither the policy nor the argmax, of one model or of the
    mean of several; without it the logits of models can be compared. For the same reason the argmax of the mean of
    the logits is that of the mean of the log-probabilities.
    """
    return preferences - preferences.mean(-1, keepdims=True)


def log_probabilities(logits: jax.Array) -> list[jax.Array]:
    """Log-probabilities [...] of each action by logits [..., A]: `jax.nn.log_softmax`, an array an action.

    Actions are few, and XLA is slow at sums along so short an axis on a CPU.
    """
    each = [logits[..., action] for action in range(logits.shape[-1])]
    largest = jax.lax.stop_gradient(reduce(jnp.maximum, each))
    each = [logit - largest for logit in each]
    total = jnp.log(reduce(jnp.add, [jnp.exp(logit) for logit in each]))
    return [logit - total for logit in each]
