"""The files that the sources of an experiment read, by their paths alone; light enough for every start of Snakemake."""

from __future__ import annotations

from pathlib import Path

from outsample.config.data import Data
from outsample.config.remote import Fetched

_WILD = ("*", "?")


def files_of(path: str, symbol: str, root: Path) -> list[str]:
    """Files of one symbol that are there, relative to `root`, sorted.

    Args:
        path: as configured: {symbol} stands for the symbol's name, and * or ? make it a pattern.
        symbol: the symbol. root: folder to which the path is relative.
    """
    name = path.replace("{symbol}", symbol)
    if not any(mark in name for mark in _WILD):
        return [name] if (root / name).is_file() else []
    if Path(name).is_absolute():
        anchor = Path(Path(name).anchor)
        return sorted(str(p) for p in anchor.glob(str(Path(name).relative_to(anchor))) if p.is_file())
    return sorted(str(p.relative_to(root)) for p in root.glob(name) if p.is_file())


def input_files(data: Data, symbols: list[str], root: Path = Path()) -> list[str]:
    """Every file that the sources read and that is there; ingest_bars says which one is missing."""
    files = set()
    for symbol in symbols:
        source = data.source_of(symbol)
        path = f"{source.store.rstrip('/')}/*" if isinstance(source, Fetched) else getattr(source, "path", None)
        files |= set(files_of(path, symbol, root)) if path else set()
    return sorted(files)
