"""The decider: the ONNX policy in ONNX Runtime. Evaluation, paper and live use it; nothing in here needs JAX."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
from numpy.typing import ArrayLike, NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as refusals

from outsample.errors import DataError, SchemaError
from outsample.market.holding import Holding, advance, flat, unrealised
from outsample.market.panel import Panel

# What ONNX Runtime raises for a model that it cannot load or run; they have no base class of their own.
_REFUSALS = (
    *(refusals.Fail, refusals.InvalidArgument, refusals.InvalidGraph, refusals.InvalidProtobuf),
    *(refusals.NoModel, refusals.NoSuchFile, refusals.NotImplemented, refusals.RuntimeException),
)


# What can be supplied to a policy; its document says which of them it reads.
_INPUTS = ("features", "position", "unrealised", "holding", "memory")


class Carried(NamedTuple):
    """What a decision hands to the next, of B rows."""

    target: NDArray[np.float32]  # [B] as decided; filled at the next bar
    holding: Holding  # [B] float64, at the close at which it was decided
    memory: NDArray[np.float32]  # [B, policy.memory] what the models remember of the bars so far


class Decision(NamedTuple):
    """What a policy decides at the close of a bar, of B rows."""

    target: NDArray[np.float32]  # [B]
    preference: NDArray[np.float32]  # [B, A]
    carried: Carried


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
        self.fill: str = spec["fill"]
        self.inputs: tuple[str, ...] = tuple(spec["inputs"])
        unknown = [name for name in self.inputs if name not in _INPUTS]
        if unknown:
            raise SchemaError(
                f"The policy reads {unknown[0]}, which this Outsample cannot supply; use the version that trained it."
            )
        try:
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
            read = {entry.name: entry.shape for entry in self._session.get_inputs()}
            self.memory: int = read["memory"][1] if "memory" in read else 0
            if set(read) != set(self.inputs):
                raise SchemaError(
                    f"The ONNX model reads {', '.join(sorted(read))}, its policy document says "
                    f"{', '.join(sorted(self.inputs))}; run train_final again."
                )
            still = np.zeros((2, len(self.features)))
            *tried, after = self.act(self.start(2), still, np.ones(2), np.ones(2))
        except _REFUSALS as error:
            raise SchemaError(
                f"The ONNX model cannot be run by ONNX Runtime {onnxruntime.__version__} "
                f"({str(error).splitlines()[0]}); install the version of requirements.lock, or run train_final again."
            ) from error
        if [answer.shape for answer in (*tried, after.memory)] != [(2,), (2, len(self.actions)), (2, self.memory)]:
            raise SchemaError(
                "The ONNX model does not answer with a target and a preference for each action, or with another "
                "memory than it reads; run train_final again."
            )

    def run(
        self, features: ArrayLike, position: ArrayLike, **further: ArrayLike
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Targets [B] and preferences [B, A] at raw features [B, F] and current targets [B].

        Args:
            further: what else the policy reads: of its account (`outsample.market.holding`) `unrealised` [B], log
                return, and `holding` [B], bars; of the bars before `memory` [B, policy.memory].
        Raises: ValueError where a value is not finite, a shape does not fit or an input is missing or not read.
        """
        target, preference, *_ = self._answers({"features": features, "position": position, **further})
        return target, preference

    def _answers(self, given: Mapping[str, ArrayLike]) -> list[NDArray[np.float32]]:
        if set(given) != set(self.inputs):
            raise ValueError(f"the policy reads {', '.join(self.inputs)}, and is given {', '.join(given)}")
        inputs = {name: np.ascontiguousarray(values, dtype=np.float32) for name, values in given.items()}
        rows = (len(inputs["position"]),)
        widths = {"features": (len(self.features),), "memory": (self.memory,)}
        for name, values in inputs.items():
            wanted = (*rows, *widths.get(name, ()))
            if values.shape != wanted:
                raise ValueError(f"{name} are of shape {values.shape}, not {wanted}")
        if not all(np.isfinite(values).all() for values in inputs.values()):
            raise ValueError("features, account and memory must be finite")
        outputs = ["target", "preference", *(["memory_next"] if self.memory else [])]
        answers: list[NDArray[np.float32]] = self._session.run(outputs, inputs)
        return answers

    def start(self, rows: int) -> Carried:
        """What the first decision of B rows goes on from: flat, and nothing remembered."""
        empty = np.zeros((rows, self.memory), dtype=np.float32)
        return Carried(np.zeros(rows, dtype=np.float32), flat(np, (rows,)), empty)

    def act(self, carried: Carried, features: ArrayLike, open: NDArray[Any], close: NDArray[Any]) -> Decision:
        """Decide at the close of a bar, whose fill has brought the position to the target decided before.

        Args:
            carried: by the decision at the bar before, or of `start`.
            features: [B, F] raw features of the bar that has just closed.
            open, close: [B] adjusted prices of that bar, > 0; one of them filled the target before, by the policy's
                `fill`.
        Raises: DataError where what the policy remembers after the bar is not finite.
        """
        fill = open if self.fill == "next_open" else close
        holding = advance(np, carried.holding, carried.target.astype(np.float64), fill)
        known = {
            **{"features": features, "position": holding.position, "memory": carried.memory},
            **{"unrealised": unrealised(np, holding, close), "holding": holding.bars},
        }
        answers = self._answers({name: known[name] for name in self.inputs})
        target, preference, memory = answers if self.memory else (*answers, carried.memory)
        if not np.isfinite(memory).all():
            raise DataError("Features are too large for the policy's memory; correct the bars up to that one.")
        return Decision(target, preference, Carried(target, holding, memory))


def chosen_rows(chosen: NDArray[np.bool_], carried: Carried, other: Carried) -> Carried:
    """Of rows [B] that are chosen what is carried, of all others what the other one carries."""
    return Carried(
        np.where(chosen, carried.target, other.target),
        Holding(*(np.where(chosen, *pair) for pair in zip(carried.holding, other.holding, strict=True))),
        np.where(chosen[:, None], carried.memory, other.memory),
    )


class Decided(NamedTuple):
    """The decisions of a panel's rows; 0 in rows of which none was asked."""

    target: NDArray[np.float64]  # [N]
    preference: NDArray[np.float32]  # [N, A]


def decide(policy: OnnxPolicy, panel: Panel, first_rows: Sequence[int] | NDArray[np.int64] | None = None) -> Decided:
    """Decisions of every row of a panel, each symbol in turn of its rows, from flat.

    The k-th decisions of all symbols are one batch, always of M rows, so that a decision does not depend on which
    symbols still have bars.

    Args:
        policy: the decider.
        panel: bars whose features are those of the policy, in its order.
        first_rows: [M] row within each symbol of its first decision; None is the first row.
    Raises: SchemaError where the panel's features are not the policy's.
    """
    if panel.feature_names != policy.features:
        raise SchemaError(
            f"The policy reads the features {', '.join(policy.features)}, the bars have "
            f"{', '.join(panel.feature_names)}; build the features of the policy's experiment."
        )
    starts = panel.offsets[:-1] + (0 if first_rows is None else np.asarray(first_rows, dtype=np.int64))
    lengths = panel.offsets[1:] - starts
    count = len(panel.dates)
    decided = Decided(np.zeros(count), np.zeros((count, len(policy.actions)), dtype=np.float32))
    carried = policy.start(len(panel.symbols))
    for k in range(max(int(lengths.max(initial=0)), 0)):
        live = lengths > k
        rows = np.minimum(starts + np.clip(k, 0, np.maximum(lengths - 1, 0)), count - 1)
        features = np.where(live[:, None], panel.features[rows], 0.0)
        target, preference, carried = policy.act(carried, features, panel.open[rows], panel.close[rows])
        decided.target[rows[live]], decided.preference[rows[live]] = target[live], preference[live]
    return decided
