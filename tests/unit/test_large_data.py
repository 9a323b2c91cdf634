"""Bars that do not fit into memory: one symbol at a time, in order, and the same bytes with one thread or two."""

import json
import runpy
import threading
import weakref
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from outsample.config.models import Settings
from outsample.data.validate import _union as united
from outsample.errors import SchemaError
from outsample.io import read_symbols, sha256_file, writing_table
from outsample.io.ahead import ahead

REPOSITORY = Path(__file__).parents[2]
SYMBOLS = [f"S{i}" for i in range(8)]
PROMPT = 20.0  # seconds after which a thread that should have come is missed


class Item:
    """Something that can be counted while it lives."""

    def __init__(self, number: int) -> None:
        self.number = number


def main_of(script):
    return runpy.run_path(str(REPOSITORY / f"workflow_scripts/{script}.py"))["main"]


def bars_of(symbol, count=90):
    dates = pd.date_range("2024-01-01 00:01", periods=count, freq="min").astype("datetime64[us]")
    close = np.exp(np.random.default_rng(int(symbol[1:])).normal(0.0, 1e-3, count).cumsum())
    prices = {"open": close, "high": close * 1.001, "low": close * 0.999, "close": close}
    return pd.DataFrame({"symbol": symbol, "date": dates} | prices | {"volume": 1000.0 + np.arange(count)})


@pytest.fixture
def validated(tmp_path):
    with writing_table(tmp_path / "validated.parquet", "validated_bars") as write:
        for symbol in SYMBOLS:
            write(bars_of(symbol).assign(factor=1.0))
    return tmp_path / "validated.parquet"


def test_the_next_item_is_made_while_the_last_is_used_and_no_more_than_that():
    begun = [threading.Event() for _ in range(9)]
    living: weakref.WeakSet[Item] = weakref.WeakSet()
    most = 0

    def items():
        nonlocal most
        for number in range(8):
            begun[number].set()
            item = Item(number)
            living.add(item)
            most = max(most, len(living))
            yield item
            del item
        begun[8].set()

    seen = []
    for item in ahead(items(), threads=2):
        seen.append(item.number)
        assert begun[item.number + 1].wait(PROMPT), "the next item waits for this one to be used up"
        assert not any(event.is_set() for event in begun[item.number + 2 :])
    assert seen == list(range(8))
    assert most <= 3


def test_a_slow_first_item_still_comes_first():
    release = threading.Event()

    def items():
        release.wait(PROMPT)
        yield from "abc"

    found = ahead(items(), threads=2)
    threading.Timer(0.05, release.set).start()
    assert list(found) == ["a", "b", "c"]


def test_one_thread_makes_an_item_when_it_is_asked_for():
    made = []
    found = ahead((made.append(number) or number for number in range(3)), threads=1)
    assert [next(found), made] == [0, [0]]


@pytest.mark.parametrize("threads", [1, 2])
def test_an_error_comes_at_its_item_and_a_caller_that_stops_leaves_no_thread(threads):
    def items():
        yield 0
        yield 1
        raise ZeroDivisionError

    before, seen = threading.active_count(), []

    def use_all():
        seen.extend(ahead(items(), threads))

    with pytest.raises(ZeroDivisionError):
        use_all()
    assert seen == [0, 1]
    stopped = ahead(iter(range(5)), threads)
    next(stopped)
    stopped.close()
    assert threading.active_count() == before


@pytest.mark.parametrize(("threads", "most"), [(1, 2), (2, 3)])
def test_row_groups_are_read_when_their_symbol_is_due(validated, monkeypatch, tmp_path, threads, most):
    # A symbol is complete once the next one shows, so one row group more than symbols in work is read.
    read, written, ahead_of_writing = [], [], []
    read_group, write_group = pq.ParquetFile.read_row_group, pq.ParquetWriter.write_table

    def reading(self, group, *arguments, **options):
        read.append(group)
        ahead_of_writing.append(len(read) - len(written))
        return read_group(self, group, *arguments, **options)

    def writing(self, *arguments, **options):
        write_group(self, *arguments, **options)
        written.append(len(written))

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", reading)
    monkeypatch.setattr(pq.ParquetWriter, "write_table", writing)
    settings = Settings().model_dump(mode="json")
    features = tmp_path / "features.parquet"
    main_of("build_features")(validated, features, tmp_path / "spec.json", settings=settings, threads=threads)
    assert read == written == list(range(len(SYMBOLS)))
    assert max(ahead_of_writing) <= most


def test_one_thread_or_two_write_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for symbol in SYMBOLS:
        bars_of(symbol).drop(columns="symbol").to_csv(f"{symbol}.csv", index=False)
    source = {"kind": "csv", "path": "{symbol}.csv"}
    settings = Settings.model_validate({"data": {"source": source, "symbols": SYMBOLS}}).model_dump(mode="json")
    hashes = {}
    for threads in (1, 2):
        folder = tmp_path / str(threads)
        bars, validated, features = (folder / f"{name}.parquet" for name in ("bars", "validated", "features"))
        main_of("ingest_bars")(bars, folder / "manifest.json", data=settings, threads=threads)
        main_of("validate_bars")(
            bars, validated, folder / "repairs.parquet", folder / "quality.json", settings=settings, threads=threads
        )
        main_of("build_features")(validated, features, folder / "spec.json", settings=settings, threads=threads)
        hashes[threads] = {path.name: sha256_file(path) for path in sorted(folder.iterdir())}
    assert hashes[1] == hashes[2]
    assert len(hashes[1]) == 7
    assert list(json.loads(Path("2/quality.json").read_text())["symbols"]) == SYMBOLS


def test_a_symbol_that_comes_again_is_refused(validated, tmp_path):
    table = pq.read_table(validated)
    pq.write_table(table.take([0, 100, 1]), tmp_path / "again.parquet")
    with pytest.raises(SchemaError, match="not sorted by symbol, for S0 follows S1"):
        list(read_symbols(tmp_path / "again.parquet", "validated_bars"))


@pytest.mark.parametrize("second", [[1, 3, 5], [2, 3, 4], [6, 7], [], [5, 3, 3]])
def test_the_dates_of_all_symbols_are_united_as_numpy_would(second):
    first, others = (np.array(values, "datetime64[us]") for values in ([1, 3, 5], second))
    np.testing.assert_array_equal(united(first, others), np.union1d(first, others))
