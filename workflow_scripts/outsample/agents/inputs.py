"""The inputs of training, checked and laid out: row ranges of each fold, scalers, settings. No JAX in here."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from outsample.agents.gate import ValidatedBlock
from outsample.agents.segments import Block
from outsample.errors import TrainingError
from outsample.folds.knots import knot_columns, steps
from outsample.market.panel import Panel


@dataclass(frozen=True)
class FoldRows:
    """Row ranges of one fold, as rows of the panel; I inner folds."""

    fold: int
    train: tuple[tuple[Block, ...], ...]  # [I][blocks]
    validate: tuple[ValidatedBlock, ...]
    test: tuple[tuple[int, int, int], ...]  # (symbol, start, end); empty in fold -1

    @property
    def inner_folds(self) -> int:
        return len(self.train)

    def owners(self, rows: int) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        """Who decides each row (inner fold; I for the test; -1 for nobody), and where a decision starts from flat."""
        owner = np.full(rows, -1, dtype=np.int32)
        reset = np.zeros(rows, dtype=bool)
        spans = [(block.inner, block.start, block.end) for block in self.validate]
        spans += [(self.inner_folds, start, end) for _, start, end in self.test]
        for model, start, end in spans:
            if (owner[start:end] >= 0).any():
                raise TrainingError(
                    f"Fold {self.fold} tests or validates a row twice, in rows {start}-{end - 1} of the panel; "
                    "make the folds again."
                )
            owner[start:end] = model
            reset[start] = True
        return owner, reset


def fold_rows(folds: pd.DataFrame, panel: Panel) -> dict[int, FoldRows]:
    """The row ranges of every fold of a folds table.

    Raises: TrainingError where a range leaves its symbol's rows, a symbol is unknown, or an inner fold lacks a part.
    """
    result = {}
    for fold in sorted({int(number) for number in folds["fold"]}):
        table = folds[folds["fold"] == fold]
        inner_folds = sorted({int(number) for number in table["inner"] if number >= 0})
        parts: dict[tuple[int, str], list[tuple[int, int, int]]] = {}
        columns = (table[name].tolist() for name in ("inner", "part", "symbol", "start", "end"))
        for inner, part, symbol, start, end in zip(*columns, strict=True):
            span = _panel_span(panel, fold, symbol, start, end)
            if span[1] < span[2]:
                parts.setdefault((inner, part), []).append(span)
        for inner in inner_folds:
            for part in ("train", "validate"):
                if (inner, part) not in parts:
                    raise TrainingError(f"Fold {fold}, inner fold {inner} has no {part} rows; make the folds again.")
        result[fold] = FoldRows(
            fold=fold,
            train=tuple(tuple((s, e) for _, s, e in sorted(parts[inner, "train"])) for inner in inner_folds),
            validate=tuple(
                ValidatedBlock(place, *span)
                for place, inner in enumerate(inner_folds)
                for span in sorted(parts[inner, "validate"])
            ),
            test=tuple(sorted(parts.get((-1, "test"), []))),
        )
    return result


def _panel_span(panel: Panel, fold: int, symbol: str, start: int, end: int) -> tuple[int, int, int]:
    if symbol not in panel.symbols:
        raise TrainingError(f"Fold {fold} names the symbol {symbol}, which the bars do not have; make the folds again.")
    index = panel.symbols.index(symbol)
    rows = panel.rows(index)
    if not 0 <= start <= end <= rows.stop - rows.start:
        raise TrainingError(
            f"Fold {fold} uses rows {start}-{end - 1} of {symbol}, which has {rows.stop - rows.start}; "
            "make the folds again."
        )
    return index, rows.start + start, rows.start + end


def scaler_arrays(scalers: pd.DataFrame, fold: int, features: Sequence[str]) -> tuple[NDArray, NDArray]:
    """Center and scale float32 of the inner folds of a fold, in the order of `features`, as `outsample.agents.scaling`.

    Returns: two arrays [I, F]; or [I, F, S], where the table holds knots.
    Raises: TrainingError where a statistic is missing, not finite, or a scale is not positive.
    """
    table = scalers[(scalers["fold"] == fold) & (scalers["inner"] >= 0)]

    def wide(column: str) -> NDArray[np.float64]:
        """One column of the table [I, F]."""
        found = table.pivot(index="inner", columns="feature", values=column).sort_index()
        missing = [name for name in features if name not in found.columns]
        if missing:
            raise TrainingError(f"The scalers of fold {fold} lack the feature {missing[0]}; make the folds again.")
        values: NDArray[np.float64] = found[list(features)].to_numpy(dtype=np.float64)
        wrong = np.argwhere(~(np.isfinite(values) & ((values > 0) | (column != "scale"))))
        if len(wrong):
            inner, feature = wrong[0]
            raise TrainingError(
                f"The {column} of feature {features[feature]} in fold {fold}, inner fold {found.index[inner]} is "
                f"{values[inner, feature]:g}: a constant or undefined feature cannot be scaled; leave it out."
            )
        return values

    center, scale = wide("center"), wide("scale")
    knots = knot_columns(scalers.columns)
    if knots:
        center, scale = steps(np.stack([wide(column) for column in knots], axis=-1), scale)
    return center.astype(np.float32), scale.astype(np.float32)


def check_features(panel: Panel, folds: Collection[FoldRows]) -> None:
    """Raises TrainingError naming the first non-finite feature in a row that one of the folds uses."""
    used = np.zeros(len(panel.dates), dtype=bool)
    for rows in folds:
        for start, end in [block for blocks in rows.train for block in blocks]:
            used[start:end] = True
        for block in (*rows.validate, *(ValidatedBlock(0, *span) for span in rows.test)):
            used[block.start : block.end] = True
    wrong = np.argwhere(used[:, None] & ~np.isfinite(panel.features))
    if len(wrong):
        row, feature = wrong[0]
        symbol = int(np.searchsorted(panel.offsets, row, side="right")) - 1
        raise TrainingError(
            f"Feature {panel.feature_names[feature]} is {panel.features[row, feature]} at row "
            f"{row - panel.offsets[symbol]} of {panel.symbols[symbol]} ({str(panel.dates[row])[:10]}), "
            "which training uses; look at the bars of that date or leave the feature out."
        )


def check_actions(actions: Sequence[int], short_selling: bool) -> None:
    """Raises TrainingError where an agent cannot choose among these targets: they must ascend and hold flat."""
    listed = ", ".join(str(action) for action in actions) or "none"
    if 0 not in actions:
        raise TrainingError(f"The actions are {listed}: add flat, 0, from which every span starts.")
    if list(actions) != sorted(set(actions)):
        raise TrainingError(f"The actions are {listed}: give each once, in ascending order.")
    if min(actions) < 0 and not short_selling:
        raise TrainingError(
            f"The actions are {listed} though short selling is off: leave out those below 0, or switch "
            "market.short_selling on."
        )


def check_batch(settings: Mapping[str, Any], segments: int, where: str) -> None:
    """Raises TrainingError where an update takes more, or smaller, batches from a rollout than it has bars.

    Args:
        settings: of the agent, checked.
        segments: number of segments of a rollout.
        where: the lane, for the sentence.
    """
    bars = segments * settings["segment"]
    for name in ("batch", "minibatches"):
        if settings.get(name, 1) > bars:
            raise TrainingError(
                f"{where} has {name} = {settings[name]}, more than the {bars} bars of its rollout ({segments} segments "
                f"of {settings['segment']}); use at most {bars}."
            )


def check_span(rows: FoldRows, segment: int) -> None:
    """Raises TrainingError where an inner fold trains on fewer decisions than one rollout segment."""
    for inner, blocks in enumerate(rows.train):
        decisions = sum(end - start - 1 for start, end in blocks)
        if decisions < segment:
            raise TrainingError(
                f"Fold {rows.fold}, inner fold {inner} has {decisions} bars to train on, fewer than one rollout "
                f"segment of {segment}; use fewer folds, more bars or a segment of at most {max(decisions, 0)}."
            )


def check_minibatches(settings: Mapping[str, Any], segments: int, where: str) -> None:
    """Raises TrainingError where a memory would learn from more minibatches of whole segments than there are."""
    minibatches = settings.get("minibatches", 1)
    if settings["torso"] == "gru" and minibatches > segments:
        raise TrainingError(
            f"{where} asks for {minibatches} minibatches, but the train span has {segments} segments, which a gru "
            f"learns from as a whole; ask for at most {segments}, or for shorter segments."
        )


def checked_settings(block: type[BaseModel], params: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The settings of an agent, checked against its block.

    Args:
        block: Pydantic block of the agent.
        params: all of its fields.
        where: the lane, for the sentence.
    Raises: TrainingError naming the hyper-parameter, its value and its domain.
    """
    missing = sorted(set(block.model_fields) - set(params))
    if missing:
        raise TrainingError(f"{where} lacks the hyper-parameter {missing[0]}; give every field of the agent's block.")
    try:
        settings = block.model_validate(dict(params))
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "refused":  # what does not fit together
            raise TrainingError(f"{where}: {first['msg']}.") from error
        name = ".".join(str(part) for part in first["loc"])
        message = first["msg"][:1].lower() + first["msg"][1:]
        raise TrainingError(f"{where} has {name} = {first['input']!r}: {message}.") from error
    return settings.model_dump()
