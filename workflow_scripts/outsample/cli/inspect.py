"""`outsample inspect`: what is recognised in a file of bars, and what the configuration must decide."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import yaml
from pydantic import ValidationError

from outsample.config.files import FileFormat
from outsample.data.columns import NUMBERS
from outsample.data.dates import day_text
from outsample.data.file_source import parse_file
from outsample.data.layout import Layout, Parsed
from outsample.data.table import rows_of
from outsample.errors import ConfigError, DataError
from outsample.io.files import sha256_file


def inspect(file: str, symbol: str | None, form: str | None, closes_only: bool) -> None:
    """Read a file as an experiment would, and print what was recognised.

    Args:
        file: a CSV or Parquet file. symbol: whose rows are meant; None takes the first that is there.
        form: keys of `data.source.format` as YAML, to try them. closes_only: as `data.source.closes_only`.
    Raises: DataError where the file cannot be read or has two readings; ConfigError for wrong keys.
    """
    path, settings = Path(file), _format(form)
    try:
        kind = _kind(path)
        parsed = parse_file(path, file, kind, settings, closes_only, symbol)
    except OSError as error:
        raise DataError(f"{file}: not readable ({error.strerror}); name a file of bars.") from error
    several = len(parsed.layout.symbols) > 1 and "symbol" in parsed.frame
    chosen = symbol or (parsed.layout.symbols[0] if several else None)
    bars, layout = rows_of(parsed, chosen, settings, closes_only)
    print("\n".join(_lines(file, kind, parsed, bars, layout, chosen if several else None)))
    entry = {"file": file, "sha256": sha256_file(path), "rows": len(bars), "layout": layout.describe()}
    print("In the manifest: " + json.dumps(entry, ensure_ascii=False))
    print("In the experiment: " + _experiment(file, kind, settings, closes_only))


def _kind(path: Path) -> str:
    with path.open("rb") as handle:
        return "parquet" if handle.read(4) == b"PAR1" else "csv"


def _format(text: str | None) -> FileFormat:
    """The format of the command line.

    Raises: ConfigError where it is no block of keys, or a key or a value is wrong.
    """
    if text is None:
        return FileFormat()
    advice = "write it as 'date_order: dmy' or '{decimal: \",\", columns: {volume: Vol}}'"
    try:
        content = yaml.safe_load(text)
        if not isinstance(content, dict):
            raise ConfigError(f"--format {text!r} is no block of keys; {advice}.")
        return FileFormat.model_validate(content)
    except yaml.YAMLError as error:
        raise ConfigError(f"--format {text!r} is no YAML; {advice}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "a key"
        known = ", ".join(FileFormat.model_fields)
        raise ConfigError(f"--format: {key}: {first['msg']}; the keys are {known}.") from error


def _lines(file: str, kind: str, parsed: Parsed, bars: pd.DataFrame, layout: Layout, symbol: str | None) -> list[str]:
    described = layout.describe()
    columns = ", ".join(f"{theirs} -> {ours}" for ours, theirs in layout.columns.items())
    nulls = {c: int(bars[c].isna().sum()) for c in NUMBERS if c in layout.columns}
    empty = ", ".join(f"{c} {count}" for c, count in nulls.items() if count) or "none"
    facts = {
        "file": f"{file} ({kind})",
        **{n.replace("_", " "): described.get(n) for n in ("compression", "encoding", "separator", "header_line")},
        "columns": columns,
        **{n: described.get(n) for n in ("decimal", "thousands", "dates", "timezone", "order")},
        "symbols": ", ".join(layout.symbols[:20]) or None,
        "rows": f"{len(bars)}" + (f" of {symbol}, {len(parsed.frame)} in all" if symbol else ""),
        "first": _bar(bars, 0),
        "last": _bar(bars, -1),
        "empty cells": empty,
        "adj_close": "known" if bars["adj_close"].notna().any() else "not known",
    }
    lines = [f"{name + ':':<13} {value}" for name, value in facts.items() if value is not None]
    return lines + [f"{'note:':<13} {note}" for note in layout.notes]


def _bar(bars: pd.DataFrame, row: int) -> str:
    bar = bars.iloc[row]
    return f"{day_text(bar['date'])}  " + " ".join(f"{c} {bar[c]:.10g}" for c in NUMBERS if not pd.isna(bar[c]))


def _experiment(file: str, kind: str, form: FileFormat, closes_only: bool) -> str:
    source: dict[str, object] = {"kind": kind, "path": file}
    if form != FileFormat():
        source["format"] = form.model_dump(exclude_defaults=True)
    if closes_only:
        source["closes_only"] = True
    return yaml.safe_dump({"data": {"source": source}}, default_flow_style=True, width=10_000).strip()
