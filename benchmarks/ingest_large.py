"""Bars that do not fit into memory: seconds and peak memory of reading, checking and features, by number of bars.

It draws 40 symbols of minute bars as CSV files in a temporary folder (1.4 GB for the default of 20 million bars) and
runs the scripts of ingest_bars, validate_bars and build_features on a quarter, a half and all of the symbols, each
stage in a process of its own. Beside them stand the features which TA-Lib has too, computed by TA-Lib from the same
bars. The folder is deleted in the end.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).resolve().parent.parent / "workflow_scripts"
SYMBOLS = 40
SHARES = (4, 2, 1)  # parts of the symbols: a quarter, a half, all
STAGES = {"ingest_bars": "bars", "validate_bars": "validated", "build_features": "features"}
"""Script of each stage -> the table that it writes."""


def names(count: int) -> list[str]:
    """Names of the first `count` symbols."""
    return [f"S{i:02d}" for i in range(count)]


def draw(folder: Path, bars: int, threads: int) -> None:
    """Write the CSV file of every symbol: minute bars of the sessions of XNYS, the same on every machine."""
    import numpy as np

    sys.path.insert(0, str(SCRIPTS))
    from outsample.data.calendar import sessions_between

    per_symbol = bars // SYMBOLS
    sessions = sessions_between("XNYS", np.datetime64("2000-01-01"), np.datetime64("2024-12-31"))
    minutes = np.arange(9 * 60 + 31, 16 * 60 + 1).astype("timedelta64[m]").astype("timedelta64[s]")
    days = sessions[: -(-per_symbol // len(minutes))].astype("datetime64[s]")
    dates = (days[:, None] + minutes).ravel()[:per_symbol]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda i: _draw_symbol(folder / f"{names(SYMBOLS)[i]}.csv", i, dates), range(SYMBOLS)))


def _draw_symbol(path: Path, seed: int, dates: Any) -> None:
    import numpy as np
    import pyarrow as pa
    import pyarrow.csv as pacsv

    random, count = np.random.default_rng(seed), len(dates)
    close = 100.0 * np.exp(np.cumsum(random.normal(0.0, 4e-4, count)))
    before = np.concatenate([[100.0], close[:-1]])
    opened = before * (1.0 + random.normal(0.0, 1e-4, count))
    high = np.maximum(opened, close) * (1.0 + np.abs(random.normal(0.0, 2e-4, count)))
    low = np.minimum(opened, close) * (1.0 - np.abs(random.normal(0.0, 2e-4, count)))
    dividends = 0.995 ** np.arange(count // 25_000, -1, -1).repeat(25_000)[:count]
    prices = {"Open": opened, "High": high, "Low": low, "Close": close, "Adj Close": close * dividends}
    columns = {"Date": dates} | {name: values.round(4) for name, values in prices.items()}
    columns["Volume"] = random.lognormal(10.0, 1.0, count).astype(np.int64) + 1
    pacsv.write_csv(pa.table(columns), path, pacsv.WriteOptions(quoting_style="none"))


def arguments(stage: str, symbols: list[str]) -> dict[str, Any]:
    """What the script of a stage is called with: the shipped defaults, and files in the working folder."""
    from outsample.config.models import Settings

    source = {"kind": "csv", "path": "{symbol}.csv"}
    settings = Settings.model_validate({"data": {"source": source, "symbols": symbols}}).model_dump(mode="json")
    return {
        "ingest_bars": {"bars": "bars.parquet", "manifest": "manifest.json", "data": settings},
        "validate_bars": {
            "bars": "bars.parquet",
            "validated": "validated.parquet",
            "repairs": "repairs.parquet",
            "quality": "quality.json",
            "settings": settings,
        },
        "build_features": {
            "validated": "validated.parquet",
            "features": "features.parquet",
            "spec": "spec.json",
            "settings": settings,
        },
    }[stage]


def run_stage(stage: str, symbols: list[str], threads: int) -> dict[str, float]:
    """Run a stage in this process: wall and CPU seconds, and the peak memory in GiB."""
    sys.path.insert(0, str(SCRIPTS))
    main, given = importlib.import_module(stage).main, arguments(stage, symbols)
    started, begun = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    main(**given, threads=threads)
    seconds, used = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF)
    cpu = used.ru_utime + used.ru_stime - begun.ru_utime - begun.ru_stime
    return {"seconds": seconds, "cpu": cpu, "gib": used.ru_maxrss / 2**20}


def talib_features() -> dict[str, Callable[[dict[str, Any]], Any]]:
    """The default features that TA-Lib has: name -> the feature from one symbol's columns."""
    import numpy as np
    import talib

    features: dict[str, Callable[[dict[str, Any]], Any]] = {}
    for horizon in (5, 10, 20, 60):
        features[f"return_{horizon}"] = lambda c, n=horizon: np.log(talib.ROCR(c["close"], n))
    for window in (10, 20, 50):
        features[f"sma_{window}"] = lambda c, n=window: c["close"] / talib.SMA(c["close"], n) - 1.0
    for span in (12, 26):
        features[f"ema_{span}"] = lambda c, n=span: c["close"] / talib.EMA(c["close"], n) - 1.0
    features["rsi_14"] = lambda c: talib.RSI(c["close"], 14)
    for place, name in enumerate(("macd_line", "macd_signal", "macd_histogram")):
        features[name] = lambda c, k=place: talib.MACD(c["close"], 12, 26, 9)[k] / c["close"]
    features["bollinger_20"] = lambda c: _bollinger(c["close"], talib.BBANDS(c["close"], 20, 2.0, 2.0))
    features["atr_14"] = lambda c: talib.ATR(c["high"], c["low"], c["close"], 14) / c["close"]
    return features


def _bollinger(close: Any, bands: tuple[Any, Any, Any]) -> Any:
    upper, middle, _ = bands
    return (close - middle) / (upper - middle)


def run_talib() -> dict[str, Any]:
    """CPU seconds of TA-Lib and of Outsample for the features that both have, and how far they differ."""
    import numpy as np

    sys.path.insert(0, str(SCRIPTS))
    from outsample.config.features import FeatureSet
    from outsample.features.build import BAR_COLUMNS
    from outsample.features.registry import requested_features
    from outsample.io import read_symbols

    theirs = talib_features()
    ours = {feature.name: feature.compute for feature in requested_features(FeatureSet()) if feature.name in theirs}
    seconds, apart = {"ours": 0.0, "theirs": 0.0}, 0.0
    for _, rows in read_symbols("validated.parquet", "validated_bars"):
        columns = {name: rows[name].to_numpy(np.float64) for name in BAR_COLUMNS}
        for name in theirs:
            found = {}
            for side, compute in (("ours", ours[name]), ("theirs", theirs[name])):
                started = time.process_time()
                found[side] = compute(columns)
                seconds[side] += time.process_time() - started
            apart = max(apart, float(np.abs(found["ours"] - found["theirs"])[500:].max(initial=0.0)))
    return {**seconds, "apart": apart, "features": sorted(theirs)}


def worker(folder: Path, *options: str) -> dict[str, Any]:
    """The line of JSON of a fresh process, whose peak memory is its own."""
    command = [sys.executable, str(Path(__file__).resolve()), *options]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def measured(folder: Path, symbols: int, threads: int, repeat: int) -> dict[str, dict[str, float]]:
    """Every stage on the first symbols: the quickest of its runs, and the largest peak memory of them."""
    found = {}
    for stage, table in STAGES.items():
        runs = []
        for _ in range(repeat):
            (folder / f"{table}.parquet").unlink(missing_ok=True)  # before the next one is written beside it
            runs.append(worker(folder, "--stage", stage, "--symbols", str(symbols), "--threads", str(threads)))
        found[stage] = min(runs, key=lambda run: run["seconds"]) | {"gib": max(run["gib"] for run in runs)}
    return found


def rows_of(bars: int, found: dict[str, dict[str, float]]) -> list[str]:
    """The rows of the table for one number of bars."""
    checked, built = found["validate_bars"], found["build_features"]
    both = {"seconds": checked["seconds"] + built["seconds"], "cpu": checked["cpu"] + built["cpu"]}
    both["gib"] = max(checked["gib"], built["gib"])
    return [
        f"| {bars:,} | {stage} | {f['seconds']:.1f} | {f['cpu']:.1f} | {bars / f['seconds']:,.0f} | {f['gib']:.2f} |"
        for stage, f in (found | {"validate_bars and build_features": both}).items()
    ]


def report(folder: Path, bars: int, threads: int, repeat: int) -> None:
    """Draw the bars, run every stage on every share of the symbols, and print what was measured as Markdown."""
    worker(folder, "--stage", "draw", "--bars", str(bars), "--threads", str(threads))
    size = sum(path.stat().st_size for path in folder.glob("*.csv"))
    print(f"{SYMBOLS} symbols, {size / 1e9:.2f} GB of CSV; {threads} threads; load before {os.getloadavg()[0]:.1f}.\n")
    print("| bars | stage | seconds | CPU seconds | bars/s | peak memory (GiB) |\n|---:|---|---:|---:|---:|---:|")
    totals: dict[int, tuple[float, float]] = {}
    for share in SHARES:
        count = SYMBOLS // share
        found, rows = measured(folder, count, threads, repeat), bars // SYMBOLS * count
        print("\n".join(rows_of(rows, found)), flush=True)
        totals[rows] = (sum(f["seconds"] for f in found.values()), sum(f["cpu"] for f in found.values()))
    smallest = min(totals)
    for rows, (seconds, cpu) in totals.items():
        times = rows / smallest
        print(
            f"\nAll stages of {rows:,} bars: {seconds:.1f} s, {seconds / totals[smallest][0] / times:.2f} times what "
            f"{smallest:,} bars lead to expect ({cpu / totals[smallest][1] / times:.2f} times in CPU seconds)."
        )
    sizes = ", ".join(f"{path.name} {path.stat().st_size / 1e9:.2f} GB" for path in sorted(folder.glob("*.parquet")))
    print(f"\nFiles: {sizes}; load after {os.getloadavg()[0]:.1f}.")
    other = worker(folder, "--stage", "talib")
    print(
        f"\n{len(other['features'])} features that TA-Lib has too, from the same bars in memory: "
        f"{other['theirs']:.1f} CPU seconds by TA-Lib, {other['ours']:.1f} here; from row 500 on they differ by at "
        f"most {other['apart']:.1e}. They are {', '.join(other['features'])}."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bars", type=int, default=20_000_000, help="bars of all symbols together")
    parser.add_argument("--threads", type=int, default=2, help="threads that a stage may use")
    parser.add_argument("--repeat", type=int, default=1, help="runs of each stage, the quickest of which counts")
    parser.add_argument("--stage", choices=("draw", *STAGES, "talib"), help=argparse.SUPPRESS)
    parser.add_argument("--symbols", type=int, default=SYMBOLS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stage is None:
        with tempfile.TemporaryDirectory(prefix="ingest_large.") as folder:
            report(Path(folder), options.bars, options.threads, options.repeat)
    elif options.stage == "draw":
        draw(Path(), options.bars, options.threads)
        print("{}")
    elif options.stage == "talib":
        print(json.dumps(run_talib()))
    else:
        print(json.dumps(run_stage(options.stage, names(options.symbols), options.threads)))


if __name__ == "__main__":
    main()
