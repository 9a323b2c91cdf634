"""The audit of look-ahead: replace the future by another plausible one and demand the same bits up to the cut.

A cut keeps the bars of dates up to and including it. Later bars are drawn anew from the symbol's own bars, with their
dates kept, so that spans, calendars and the split date stay what they are. Whatever was computed for rows up to the
cut must not change by a single bit. What is audited comes as functions, so that a leak can be planted to see it caught.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from outsample.errors import AuditError
from outsample.features.build import symbol_rows, without_warm_up

Build = Callable[[pd.DataFrame], tuple[pd.DataFrame, dict[str, Any]]]
SplitAndFold = Callable[[pd.DataFrame, dict[str, Any]], tuple[pd.DataFrame, pd.DataFrame]]
Decide = Callable[[pd.DataFrame], Any]

_PRICES = ("open", "high", "low", "close")
_FUTURE_SEED = 20_130_102


def replace_future(bars: pd.DataFrame, cut: pd.Timestamp, seed: int) -> pd.DataFrame:
    """Validated bars up to the cut as they are, and after it bars drawn from the same symbol, prices joined to the cut.

    A drawn bar brings its open, high, low and close relative to the close before it, and its volume; none stays in
    its own place. Dates and `factor` are kept.
    """
    draw = np.random.Generator(np.random.PCG64(seed))
    dates = bars["date"].to_numpy()
    columns = {name: bars[name].to_numpy(np.float64, copy=True) for name in (*_PRICES, "volume")}
    for _, rows in symbol_rows(bars):
        own = {name: values[rows] for name, values in columns.items()}  # views: written in place
        kept = int(np.searchsorted(dates[rows], np.datetime64(cut), side="right"))
        length = len(own["close"])
        if kept == length:
            continue
        picks = draw.integers(0, length, length - kept)
        picks = (picks + (picks == np.arange(kept, length))) % length
        previous = np.append(own["open"][0], own["close"][:-1])
        moves = {name: np.log(own[name] / previous)[picks] for name in _PRICES}
        start = own["close"][kept - 1] if kept else own["open"][0]
        close = start * np.exp(np.cumsum(moves["close"]))
        before = np.append(start, close[:-1])
        own["open"][kept:] = before * np.exp(moves["open"])
        own["close"][kept:] = close
        own["high"][kept:] = np.maximum(before * np.exp(moves["high"]), np.maximum(own["open"], own["close"])[kept:])
        own["low"][kept:] = np.minimum(before * np.exp(moves["low"]), np.minimum(own["open"], own["close"])[kept:])
        own["volume"][kept:] = own["volume"][picks]
    return bars.assign(**columns)


def choose_cuts(
    dates: NDArray[np.datetime64], warm_up: int, n_cuts: int = 12, extra: Iterable[pd.Timestamp] = ()
) -> list[pd.Timestamp]:
    """Cuts over a span of dates (in any order): those where leaks hide, the rest spread evenly.

    Leaks hide at the first date (a fill backwards over the warm-up), on both sides of the end of the warm-up, before
    the last date, and at the `extra` dates (the last before the vault, the ends of train spans).
    """
    dates = np.unique(np.asarray(dates))
    last = len(dates) - 2
    rows = {min(max(row, 0), max(last, 0)) for row in (0, warm_up - 1, warm_up, last)}
    rows |= {int(np.searchsorted(dates, np.datetime64(date))) for date in extra}
    left = max(n_cuts - len(rows), 0)
    rows |= set(np.linspace(warm_up, last, left + 2).astype(int).tolist()[1:-1]) if left and last > warm_up else set()
    return [pd.Timestamp(dates[row]) for row in sorted(rows)]


def _rows_up_to(frame: pd.DataFrame, cut: pd.Timestamp) -> pd.DataFrame:
    return frame[frame["date"].to_numpy() <= np.datetime64(cut)]


def _differs(before: Any, after: Any) -> NDArray[np.bool_]:
    """Where two float64 arrays differ by a bit; NaN equals NaN of the same bits."""
    bits = [np.ascontiguousarray(values, dtype=np.float64).view(np.int64) for values in (before, after)]
    return np.asarray(bits[0] != bits[1])


def _check_keys(before: pd.DataFrame, after: pd.DataFrame, keys: Sequence[str], what: str, cut: pd.Timestamp) -> None:
    pairs = [frame[list(keys)].reset_index(drop=True) for frame in (before, after)]
    if len(pairs[0]) != len(pairs[1]) or not pairs[0].equals(pairs[1]):
        raise AuditError(
            f"The rows of the {what} up to {cut} are others when the bars after {cut} are replaced; "
            f"which rows there are may depend on the past only."
        )


def _row(kind: str, name: str, cut: pd.Timestamp, changed: NDArray[np.bool_]) -> dict[str, Any]:
    return {"kind": kind, "name": name, "cut": cut, "rows": len(changed), "changed": int(changed.sum())}


def _audit_columns(
    kind: str, before: pd.DataFrame, after: pd.DataFrame, columns: Mapping[str, str], cut: pd.Timestamp
) -> Iterator[dict[str, Any]]:
    """Compare columns (name in the audit -> column) of two tables of (symbol, date) up to the cut."""
    before, after = _rows_up_to(before, cut), _rows_up_to(after, cut)
    _check_keys(before, after, ("symbol", "date"), f"{kind} table", cut)
    for name, column in columns.items():
        changed = _differs(before[column], after[column])
        if changed.any():
            first = before.iloc[int(changed.argmax())]
            raise AuditError(
                f"The {kind} {name} looks ahead: {changed.sum()} of {len(changed)} rows change, first "
                f"{first['symbol']} on {first['date']}, when the bars after {cut} are replaced; "
                f"make it use bars up to its own row only."
            )
        yield _row(kind, name, cut, changed)


def _audit_folds(before: pd.DataFrame, after: pd.DataFrame, cut: pd.Timestamp) -> Iterator[dict[str, Any]]:
    """Compare the blocks that end by the cut."""
    keys = ["fold", "inner", "part", "symbol", "block"]
    columns = [*keys, "start", "end", "first_date", "last_date"]
    for fold in sorted(set(before["fold"])):
        sides = [
            frame[(frame["fold"] == fold) & (frame["last_date"].to_numpy() <= np.datetime64(cut))][columns]
            .sort_values(keys)
            .reset_index(drop=True)
            for frame in (before, after)
        ]
        if not sides[0].equals(sides[1]):
            raise AuditError(
                f"Fold {fold} looks ahead: its blocks up to {cut} change when the bars after {cut} are replaced; "
                f"cut folds by dates only."
            )
        yield _row("fold", f"fold {fold}", cut, np.zeros(len(sides[0]), bool))


def _audit_scalers(
    folds: pd.DataFrame, before: pd.DataFrame, after: pd.DataFrame, cut: pd.Timestamp
) -> Iterator[dict[str, Any]]:
    """Compare the scalers of the (fold, inner) whose train rows all lie up to the cut."""
    train = folds[folds["part"] == "train"]
    last = train.groupby(["fold", "inner"])["last_date"].max()
    past = last.index[last.to_numpy() <= np.datetime64(cut)]
    sides = []
    for frame in (before, after):
        ordered = frame.sort_values(["feature", "fold", "inner"])
        sides.append(ordered[pd.MultiIndex.from_frame(ordered[["fold", "inner"]]).isin(past)])
    _check_keys(sides[0], sides[1], ("feature", "fold", "inner"), "scaler table", cut)
    numbers = [column for column in before.columns if column not in ("feature", "fold", "inner")]
    values = [side[numbers].to_numpy(np.float64) for side in sides]
    changed = np.asarray(_differs(*values).any(axis=1))
    names = sides[0]["feature"].to_numpy()
    if changed.any():
        first = sides[0].iloc[int(changed.argmax())]
        raise AuditError(
            f"The scaler of {first['feature']} in fold {first['fold']}, inner fold {first['inner']} looks ahead: it "
            f"changes when the bars after {cut} are replaced; fit it on that fold's train rows only."
        )
    for name in sorted(set(before["feature"])):
        yield _row("scaler", str(name), cut, changed[names == name])


def _audit_frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["kind", "name", "cut", "rows", "changed"])
    compared = frame.groupby(["kind", "name"])["rows"].sum()
    if compared.empty or (compared == 0).any():
        empty = " ".join(map(str, compared.index[compared == 0][0])) if len(compared) else "whole"
        raise AuditError(
            f"The audit of the {empty} compared no row at any cut; choose cuts within the span of the bars."
        )
    frame["cut"] = frame["cut"].astype("datetime64[us]")
    return frame.sort_values(["kind", "name", "cut"], kind="stable", ignore_index=True)


def audit_leakage(
    validated_bars: pd.DataFrame, build: Build, split_and_fold: SplitAndFold, cuts: Sequence[pd.Timestamp]
) -> pd.DataFrame:
    """Prove that features, scalers and folds up to each cut do not depend on the bars after it.

    Args:
        validated_bars: table `validated_bars`.
        build: bars -> features, specification.
        split_and_fold: features, specification -> folds, scalers.
        cuts: last dates that are kept.
    Returns: table `audit` with kinds feature (rows up to the cut), fold (blocks that end by the cut) and scaler
        ((fold, inner) whose train rows end by the cut); `changed` is 0 throughout.
    Raises: AuditError naming the feature and the first row, the scaler and its fold, or the fold that changes; also
        where some feature, scaler or fold is compared at no cut.
    """
    features, spec = build(validated_bars)
    folds, scalers = split_and_fold(features, spec)
    names = {feature["name"]: feature["name"] for feature in spec["features"]}
    rows: list[dict[str, Any]] = []
    for index, cut in enumerate(cuts):
        other_features, other_spec = build(replace_future(validated_bars, cut, _FUTURE_SEED + index))
        rows += _audit_columns("feature", features, other_features, names, cut)
        other_folds, other_scalers = split_and_fold(other_features, other_spec)
        rows += _audit_folds(folds, other_folds, cut)
        rows += _audit_scalers(folds, scalers, other_scalers, cut)
    return _audit_frame(rows)


def audit_decisions(
    validated_bars: pd.DataFrame, build: Build, decide: Decide, cuts: Sequence[pd.Timestamp]
) -> pd.DataFrame:
    """Prove that the decisions of a policy up to each cut do not depend on the bars after it.

    Args:
        validated_bars: table `validated_bars`.
        build: bars -> features, specification.
        decide: features without their warm-up rows (index from 0) -> target of each row, in the same order.
        cuts: last dates that are kept; after the warm-up, for no decision is taken before.
    Returns: table `audit` of kind decision, one name a symbol.
    Raises: AuditError naming the symbol and the first row that changes; also where nothing is compared.
    """

    def decisions(bars: pd.DataFrame) -> pd.DataFrame:
        features, spec = build(bars)
        features = without_warm_up(features, spec["warm_up"]).reset_index(drop=True)
        targets = np.asarray(decide(features), dtype=np.float64)
        if targets.shape != (len(features),):
            raise AuditError(f"The policy gives targets of shape {targets.shape} for {len(features)} rows.")
        return features[["symbol", "date"]].assign(target=targets)

    original = decisions(validated_bars)
    rows: list[dict[str, Any]] = []
    for index, cut in enumerate(cuts):
        other = decisions(replace_future(validated_bars, cut, _FUTURE_SEED + index))
        for symbol in sorted(set(original["symbol"])):
            before, after = (frame[frame["symbol"] == symbol] for frame in (original, other))
            rows += _audit_columns("decision", before, after, {symbol: "target"}, cut)
    return _audit_frame(rows)
