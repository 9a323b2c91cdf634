"""Building a package: the documents that only it holds, the archive, and the proof that it repeats its own trace."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from outsample.agents.onnx import OnnxPolicy, decide
from outsample.config.models import Market
from outsample.errors import PackageError
from outsample.features.build import symbol_rows
from outsample.features.references import close_column
from outsample.features.streaming import FeatureStream
from outsample.features.user import load_user_features
from outsample.market.accounting import MarketRules
from outsample.market.panel import Panel
from outsample.packaging import contents
from outsample.packaging.archive import pack
from outsample.packaging.card import model_card
from outsample.packaging.decider import day_text
from outsample.packaging.gates import gate_outcomes
from outsample.packaging.manifest import MANIFEST, dump, folder_of, make_manifest
from outsample.packaging.sessions import calendar_document
from outsample.packaging.trace import replay

TRACED_BARS = 250  # of each symbol, the last of its development span


class Tables(NamedTuple):
    """The tables of an experiment that a package is made from, by the names of their schemas."""

    validated_bars: pd.DataFrame  # those that are traded, and the references
    features: pd.DataFrame
    development: pd.DataFrame
    vault: pd.DataFrame
    scalers: pd.DataFrame
    metrics: pd.DataFrame
    audit_leakage: pd.DataFrame
    audit_decisions: pd.DataFrame


class Built(NamedTuple):
    """The bytes of the archive and the document `package` that names it."""

    archive: bytes
    document: dict[str, Any]


def build_package(
    onnx: bytes,
    documents: Mapping[str, Mapping[str, Any]],
    tables: Tables,
    market: Market,
    lock: bytes,
    user_code: bytes | None = None,
) -> Built:
    """Build a package of an experiment's final policy, and verify it.

    The trace is of the end of the development span, so that verifying a package is no look at the vault. The
    checkpoints stand before it, before the vault, and at the end of the data.

    Args:
        onnx: bytes of the policy.
        documents: config, bars_manifest, quality, feature_spec, split, policy, verdict.
        tables: of the same experiment.
        market: block `market` of its settings.
        lock: bytes of requirements.lock.
        user_code: bytes of the file of the user's features, where there are some.
    Raises: PackageError where the features of the stream or the decisions are not those of the tables.
    """
    model = documents["config"]["experiment"]
    policy = OnnxPolicy(onnx, documents["policy"])
    opened = tables.vault[tables.vault["in_vault"].to_numpy()]
    symbols = sorted({str(symbol) for symbol in opened["symbol"]})
    rows = {symbol: tables.features[part] for symbol, part in symbol_rows(tables.features)}
    ends = {symbol: _ends(symbol, rows[symbol], tables.development, opened) for symbol in symbols}
    traced = _traced_rows(tables.development, symbols)
    gates = gate_outcomes(
        tables.audit_leakage,
        tables.audit_decisions,
        documents["policy"],
        documents["quality"],
        documents["verdict"],
        tables.metrics,
        documents["config"]["settings"]["gates"],
    )
    spec, others = documents["feature_spec"]["features"], documents["feature_spec"]["others"]["symbols"]
    code = _user_code(spec, user_code)
    names = [feature["name"] for feature in spec if "code" in feature]
    own = [feature for source in code.values() for feature in load_user_features(source, contents.USER_CODE, names)]
    fresh = {symbol: FeatureStream.from_spec(spec, own) for symbol in symbols}
    files = {
        contents.POLICY: onnx,
        contents.POLICY_DOCUMENT: dump(documents["policy"]),
        contents.FEATURES: dump(documents["feature_spec"]),
        contents.SCALERS: dump({"rows": _scalers(tables.scalers)}),
        contents.MARKET: dump(_market(market, documents["quality"], symbols)),
        contents.CALENDAR: dump(
            calendar_document(documents["quality"]["calendar"]["name"], {s: _days(rows[s]) for s in symbols})
        ),
        contents.CHECKPOINTS: dump(_all_checkpoints(tables, rows, ends, fresh, others)),
        contents.TRACE: dump({"symbols": _trace(policy, traced, others)}),
        contents.CONFIG: dump(documents["config"]),
        contents.LOCK: lock,
        contents.VERDICT: dump(documents["verdict"]),
        contents.METRICS: dump({"rows": tables.metrics.to_dict("records")}),
        contents.GATES: dump(gates),
        contents.CARD: model_card(model, documents, tables.metrics, market, gates).encode(),
    } | code
    manifest = make_manifest(model, files)
    archive = pack(folder_of(manifest), files | {MANIFEST: dump(manifest)})
    name = f"{folder_of(manifest)}.tar.gz"
    replay(contents.load(archive, name), name)
    sha256 = hashlib.sha256(archive).hexdigest()
    document = {"model": model, "version": manifest["version"], "file": name, "size": len(archive), "sha256": sha256}
    return Built(archive, document | {"gates": gates})


def _user_code(spec: list[dict[str, Any]], user_code: bytes | None) -> dict[str, bytes]:
    """The user's file as the package holds it, once it is the one that the features were built with."""
    stated = {feature["code"]["sha256"] for feature in spec if "code" in feature}
    if not stated:
        return {}
    if user_code is None or stated != {hashlib.sha256(user_code).hexdigest()}:
        raise PackageError(
            "The file features.user.file is not the one that the features were built with; run build_features again."
        )
    return {contents.USER_CODE: user_code}


def _ends(symbol: str, bars: pd.DataFrame, development: pd.DataFrame, opened: pd.DataFrame) -> dict[str, int]:
    """Span -> how many of the symbol's bars come before it."""
    dates = bars["date"].to_numpy()
    before = int(np.searchsorted(dates, opened.loc[opened["symbol"] == symbol, "date"].to_numpy()[0]))
    traced = min(TRACED_BARS, int((development["symbol"] == symbol).sum()))
    spans = {"trace": before - traced} if traced else {}
    return spans | {"vault": before, "end": len(dates)}


def _traced_rows(development: pd.DataFrame, symbols: list[str]) -> pd.DataFrame:
    known = development[development["symbol"].isin(symbols)]
    last = known.groupby("symbol").cumcount(ascending=False).to_numpy() < TRACED_BARS
    if not last.any():
        raise PackageError(
            "No symbol has bars both before and in the vault, so no decision can be traced; choose an earlier "
            "data.start or a later vault.start."
        )
    return known[last].reset_index(drop=True)


def _scalers(scalers: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of the final models."""
    final = scalers[(scalers["fold"] == -1) & (scalers["inner"] >= 0)]
    return [dict(zip(final.columns, row, strict=True)) for row in final.itertuples(index=False, name=None)]


def _market(market: Market, quality: Mapping[str, Any], symbols: list[str]) -> dict[str, Any]:
    periods = quality["calendar"]["periods_per_year"]
    return {
        "rules": dataclasses.asdict(MarketRules.from_settings(market, periods)),
        "periods_per_year": periods,
        "starting_equity": market.starting_equity,
        "symbols": symbols,
    }


def _days(bars: pd.DataFrame) -> NDArray[np.datetime64]:
    return np.unique(bars["date"].to_numpy().astype("datetime64[D]"))


def _all_checkpoints(
    tables: Tables,
    rows: Mapping[str, pd.DataFrame],
    ends: Mapping[str, dict[str, int]],
    fresh: Mapping[str, FeatureStream],
    others: list[str],
) -> dict[str, Any]:
    """The document `checkpoints.json`: of each symbol that is traded, and of each other one whose closes it needs."""
    symbols = {symbol: _checkpoints(rows[symbol], ends[symbol], fresh[symbol]) for symbol in ends}
    first = {
        span: min(c["date"] for own in symbols.values() for c in own if c["span"] == span)
        for span in contents.SPANS
        if any(span in own for own in ends.values())
    }
    bars = {symbol: tables.validated_bars[part] for symbol, part in symbol_rows(tables.validated_bars)}
    references = {other: _reference_checkpoints(bars[other], first) for other in others if other not in symbols}
    return {"symbols": symbols, "references": references}


def _reference_checkpoints(bars: pd.DataFrame, first: Mapping[str, str]) -> list[dict[str, Any]]:
    """The last bar of a reference at or before the first checkpoint of each span: new bars are joined there."""
    dates, found = bars["date"].to_numpy(), {}
    for span, date in first.items():
        row = int(np.searchsorted(dates, np.datetime64(date), side="right")) - 1
        close, factor = (float(bars[column].to_numpy()[row]) for column in ("close", "factor"))
        at = _text(dates[row])  # of two spans that follow the same bar, the later one
        found[at] = {"span": span, "date": at, "close": close, "factor": factor, "state": None}
    return list(found.values())


def _checkpoints(bars: pd.DataFrame, ends: dict[str, int], stream: FeatureStream) -> list[dict[str, Any]]:
    """The state of one symbol's features before each span, from its very first bar on: recursive features never
    quite forget where they began."""
    spans = {end: span for span, end in ends.items()}
    found = []
    close, factor, dates = (bars[column].to_numpy() for column in ("close", "factor", "date"))
    beside = {other: bars[close_column(other)].to_numpy(np.float64) for other in stream.others}
    values = bars[list(contents.BAR)].to_numpy(np.float64).tolist()
    for count, (open_, high, low, price, volume) in enumerate(values, start=1):
        others = {other: closes[count - 1] for other, closes in beside.items()}
        stream.push(open_, high, low, price, volume, dates[count - 1], others)
        if count in spans:
            found.append(
                {
                    "span": spans[count],
                    "date": _text(dates[count - 1]),
                    "close": float(close[count - 1]),
                    "factor": float(factor[count - 1]),
                    "state": stream.state(),
                }
            )
    return found


def _text(date: np.datetime64) -> str:
    return day_text(date).replace(" ", "T")


def _trace(policy: OnnxPolicy, traced: pd.DataFrame, others: list[str]) -> dict[str, dict[str, Any]]:
    """Bars, features as the policy was trained on, and the decisions of the pipeline's own decider from flat."""
    panel = Panel.from_frame(traced, policy.features)
    decided = decide(policy, panel)
    found = {}
    for index, symbol in enumerate(panel.symbols):
        part = panel.rows(index)
        columns = {column: traced[column].to_numpy(np.float64)[part].tolist() for column in contents.BAR}
        found[symbol] = {
            "date": [_text(date) for date in panel.dates[part]],
            **columns,
            "others": {other: traced[close_column(other)].to_numpy(np.float64)[part].tolist() for other in others},
            "features": panel.features[part].tolist(),
            "target": decided.target[part].tolist(),
            "preference": decided.preference[part].astype(np.float64).tolist(),
        }
    return found
