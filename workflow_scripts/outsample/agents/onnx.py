"""The decider: the ONNX policy in ONNX Runtime. Evaluation, paper and live use it; nothing in here needs JAX."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import ArrayLike, NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as refusals

from outsample.errors import SchemaError
from outsample.market.panel import Panel

# What ONNX Runtime raises for a model that it cannot load or run; they have no base class of their own.
_REFUSALS = (
    *(refusals.Fail, refusals.InvalidArgument, refusals.InvalidGraph, refusals.InvalidProtobuf),
    *(refusals.NoModel, refusals.NoSuchFile, refusals.NotImplemented, refusals.RuntimeException),
)


class OnnxPolicy:
    """A policy as its ONNX bytes and its document `policy`, run on one thread."""

    def __init__(self, model: bytes, spec: Mapping[str, Any]) -> None:
        """Load the model.

        Raises: SchemaError where the bytes are not those that the document describes, or no policy that can be run.
        """
        found = hashlib.sha256(model).hexdigest()
        if found != spec["onnx_sha256"]:
            raise SchemaError(
                f"The ONNX model has sha256 {found[:12]}..., its policy document says {spec['onnx_sha256'][:12]}...; "
                "run train_final again."
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.use_deterministic_compute = True
        options.log_severity_level = 3
        self.features: tuple[str, ...] = tuple(spec["features"])
        self.actions: tuple[float, ...] = tuple(spec["actions"])
        self.gate_open: bool = spec["gate"]["open"]
        try:
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
            tried = self.run(np.zeros((2, len(self.features))), np.zeros(2))
        except _REFUSALS as error:
            raise SchemaError(
                f"The ONNX model cannot be run by ONNX Runtime {onnxruntime.__version__} "
                f"({str(error).splitlines()[0]}); install the version of requirements.lock, or run train_final again."
            ) from error
        if [answer.shape for answer in tried] != [(2,), (2, len(self.actions))]:
            raise SchemaError(
                "The ONNX model does not answer with a target and a preference for each action; run train_final again."
            )

    def run(self, features: ArrayLike, position: ArrayLike) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Targets [B] and preferences [B, A] at raw features [B, F] and current targets [B].

        Raises: ValueError where a value is not finite or a shape does not fit.
        """
        inputs = {
            "features": np.ascontiguousarray(features, dtype=np.float32),
            "position": np.ascontiguousarray(position, dtype=np.float32),
        }
        wanted = (len(inputs["position"]), len(self.features))
        if inputs["features"].shape != wanted or inputs["position"].ndim != 1:
            raise ValueError(f"features are of shape {inputs['features'].shape}, not {wanted}")
        if not all(np.isfinite(values).all() for values in inputs.values()):
            raise ValueError("features and position must be finite")
        target, preference = self._session.run(["target", "preference"], inputs)
        return target, preference

    def act(self, features: ArrayLike, position: ArrayLike) -> NDArray[np.float32]:
        """Targets [B] for the next fill, at the close of a bar.

        Args:
            features: [B, F] raw features of the bar.
            position: [B] current targets.
        """
        return self.run(features, position)[0]


def decide(
    policy: OnnxPolicy, panel: Panel, first_rows: Sequence[int] | NDArray[np.int64] | None = None
) -> NDArray[np.float64]:
    """Targets of every row of a panel, each symbol in turn of its rows, from flat.

    The k-th decisions of all symbols are one batch, always of M rows, so that a decision does not depend on which
    symbols still have bars.

    Args:
        policy: the decider.
        panel: bars whose features are those of the policy, in its order.
        first_rows: [M] row within each symbol of its first decision; rows before it get 0. None is the first row.
    Returns: targets [N] float64.
    Raises: SchemaError where the panel's features are not the policy's.
    """
    if panel.feature_names != policy.features:
        raise SchemaError(
            f"The policy reads the features {', '.join(policy.features)}, the bars have "
            f"{', '.join(panel.feature_names)}; build the features of the policy's experiment."
        )
    count = len(panel.symbols)
    starts = panel.offsets[:-1] + (0 if first_rows is None else np.asarray(first_rows, dtype=np.int64))
    lengths = panel.offsets[1:] - starts
    targets = np.zeros(len(panel.dates))
    position = np.zeros(count, dtype=np.float32)
    for k in range(max(int(lengths.max(initial=0)), 0)):
        rows = starts + np.clip(k, 0, np.maximum(lengths - 1, 0))
        live = lengths > k
        features = np.where(live[:, None], panel.features[np.minimum(rows, len(targets) - 1)], 0.0)
        position = policy.act(features, position)
        targets[rows[live]] = position[live]
    return targets
