"""The page of times: seconds and memory of each rule, from Snakemake's benchmark files. Not stable by its nature."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from outsample.errors import SchemaError
from outsample.report.markup import Content, number, table
from outsample.report.small_page import write_page

TITLE = "Times and memory of each rule"
# Column of a benchmark file -> heading, digits and unit.
COLUMNS = {"s": ("seconds", 1), "max_rss": ("peak memory (MiB)", 0), "cpu_time": ("CPU seconds", 1)}


def read_benchmarks(files: Mapping[str, str | Path]) -> pd.DataFrame:
    """Benchmarks of each job, in the order given: columns rule, s, max_rss, cpu_time.

    A job that ended within a second has no memory or CPU time ("NA" or "-" in its file): null here.
    Args:
        files: name of the job -> tab-separated benchmark file of Snakemake.
    Raises: SchemaError where a file is missing or is no such file.
    """
    frames = []
    for name, path in files.items():
        try:
            rows = pd.read_csv(path, sep="\t", na_values=["NA", "-"])
        except (OSError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
            raise SchemaError(f"{path}: not readable as a benchmark of Snakemake; run its rule again.") from error
        missing = [column for column in COLUMNS if column not in rows.columns]
        if missing:
            raise SchemaError(f"{path}: a benchmark of Snakemake has a column {missing[0]}; run its rule again.")
        frames.append(rows[list(COLUMNS)].astype("float64").assign(rule=name))
    return pd.concat(frames, ignore_index=True)


def build_timings(benchmark_files: Mapping[str, str | Path], out: str | Path) -> None:
    """Write the page of times: a table of job, seconds, memory and CPU seconds, the slowest first.

    Args:
        benchmark_files: name of the job -> its benchmark file.
        out: HTML file to write.
    Raises: SchemaError where a file is missing or is no benchmark.
    """
    if not benchmark_files:
        write_page(TITLE, "<p>No rule was run here: the results came from elsewhere, without their times.</p>", out)
        return
    found = read_benchmarks(benchmark_files).sort_values("s", ascending=False, kind="stable")
    rows: list[list[Content]] = [
        [str(job["rule"]), *(number(job[column], digits) for column, (_, digits) in COLUMNS.items())]
        for job in found.to_dict("records")
    ]
    total: list[Content] = ["all jobs together", number(found["s"].sum(), 1), "", number(found["cpu_time"].sum(), 1)]
    headers = ["job", *(heading for heading, _ in COLUMNS.values())]
    body = table("timings", headers, [*rows, total], "Jobs, slowest first; jobs ran side by side where cores allowed")
    write_page(TITLE, body, out)
