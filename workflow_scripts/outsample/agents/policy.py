"""The final policy as arrays, as it leaves training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray


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
