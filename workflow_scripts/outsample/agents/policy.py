"""The final policy as arrays, as it leaves training: of one trial, or of several whose targets are averaged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from outsample.agents.choice import network_name


@dataclass(frozen=True)
class FinalPolicy:
    """The mean of B models (seeds x inner folds): numbers and what is needed to read them."""

    agent: str
    features: tuple[str, ...]  # names of the F inputs, in order
    actions: tuple[int, ...]  # targets, ascending; also the positions
    torso: str
    units: int
    layers: int
    fill: str
    seeds: int
    actor: dict[str, Any]  # nested; leaves [B, ...] float32
    center: NDArray[np.float32]  # [B, F] or [B, F, S] (outsample.agents.scaling)
    scale: NDArray[np.float32]  # as center
    networks: tuple[str, ...]  # the networks that were tried, this one among them
    gate_level: float  # of the gate's quantile, after its division by their number
    gate_bound: float  # return per bar
    gate_open: bool
    curves: pd.DataFrame  # learning curves, trial 0, fold -1

    @property
    def network(self) -> str:
        """What the network is called."""
        return network_name(self.torso, self.units, self.layers)

    @property
    def inputs(self) -> dict[str, list[str | int]]:
        """Names and shapes of what the policy reads, in the order of its ONNX inputs."""
        account = ("unrealised", "holding") if "account" in self.actor else ()
        read: dict[str, list[str | int]] = {"features": ["batch", len(self.features)]}
        read |= {name: ["batch"] for name in ("position", *account)}
        return read | ({"memory": ["batch", self.memory]} if self.memory else {})

    @property
    def outputs(self) -> dict[str, list[str | int]]:
        """Names and shapes of what the policy answers, in the order of its ONNX outputs."""
        answers: dict[str, list[str | int]] = {"target": ["batch"], "preference": ["batch", len(self.actions)]}
        return answers | ({"memory_next": ["batch", self.memory]} if self.memory else {})

    @property
    def memory(self) -> int:
        """How many numbers all models together remember of the bars before; 0 without a recurrent torso."""
        return self.models * self.units if self.torso == "gru" else 0

    @property
    def models(self) -> int:
        """How many models are averaged."""
        return len(self.center)

    def arrays(self) -> dict[str, Any]:
        """Every array of the policy as one tree, for a checkpoint."""
        return {"actor": self.actor, "center": self.center, "scale": self.scale}


@dataclass(frozen=True)
class EnsemblePolicy:
    """The mean of the targets of M policies, each of which holds a position of its own.

    What each would hold alone is part of its memory: M positions first, then what each policy remembers itself. None of
    them reads its account, for the account is that of the mean.
    """

    members: tuple[FinalPolicy, ...]  # of the same features, actions, fill and seeds
    grid: float | None  # the mean is rounded to multiples of it, fraction of equity
    gate_level: float
    gate_bound: float  # return per bar of the mean
    gate_open: bool

    @property
    def agent(self) -> str:
        """The agents, each once."""
        return ", ".join(sorted({member.agent for member in self.members}))

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the inputs, in order."""
        return self.members[0].features

    @property
    def actions(self) -> tuple[int, ...]:
        """Targets of each member, ascending."""
        return self.members[0].actions

    @property
    def fill(self) -> str:
        """Where targets are filled."""
        return self.members[0].fill

    @property
    def seeds(self) -> int:
        """Seeds of each member."""
        return self.members[0].seeds

    @property
    def models(self) -> int:
        """Models of all members together."""
        return sum(member.models for member in self.members)

    @property
    def network(self) -> str:
        """The network of each member."""
        return " + ".join(member.network for member in self.members)

    @property
    def networks(self) -> tuple[str, ...]:
        """All networks that were tried, each once."""
        return tuple(dict.fromkeys(network for member in self.members for network in member.networks))

    @property
    def memory(self) -> int:
        """How many numbers are remembered of the bars before."""
        return len(self.members) + sum(member.memory for member in self.members)

    @property
    def inputs(self) -> dict[str, list[str | int]]:
        """Names and shapes of what the policy reads, in the order of its ONNX inputs."""
        return {"features": ["batch", len(self.features)], "position": ["batch"], "memory": ["batch", self.memory]}

    @property
    def outputs(self) -> dict[str, list[str | int]]:
        """Names and shapes of what the policy answers, in the order of its ONNX outputs."""
        preference: list[str | int] = ["batch", len(self.actions)]
        return {"target": ["batch"], "preference": preference, "memory_next": ["batch", self.memory]}

    def arrays(self) -> dict[str, Any]:
        """Every array of all members as one tree, for a checkpoint."""
        return {f"member_{number:02}": member.arrays() for number, member in enumerate(self.members)}


Policy = FinalPolicy | EnsemblePolicy


def of_seed(policy: Policy, seed: int) -> Policy:
    """The same policy from one of its seeds alone, behind the same gate: how much luck there is in the seeds."""
    if isinstance(policy, EnsemblePolicy):
        return replace(policy, members=tuple(_one_seed(member, seed) for member in policy.members))
    return _one_seed(policy, seed)


def _one_seed(policy: FinalPolicy, seed: int) -> FinalPolicy:
    each = policy.models // policy.seeds  # its inner folds; a seed's models stand together
    own = slice(seed * each, (seed + 1) * each)
    return replace(
        policy,
        seeds=1,
        actor=jax.tree.map(lambda leaf: leaf[own], policy.actor),
        center=policy.center[own],
        scale=policy.scale[own],
    )
