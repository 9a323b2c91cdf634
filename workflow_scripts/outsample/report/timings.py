"""The page of times: seconds and memory of each job, from Snakemake's benchmark files. Not stable by its nature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from outsample.agents.choice import network_name, variants
from outsample.errors import SchemaError
from outsample.report.markup import Content, Fragment, join, number, paragraphs, table
from outsample.report.small_page import write_page

TITLE = "Times and memory"
# Column of a benchmark file -> heading, digits and unit.
COLUMNS = {"s": ("seconds", 1), "max_rss": ("peak memory (MiB)", 0), "cpu_time": ("CPU seconds", 1)}
TRAINING = ("run_trials", "run_rung", "run_transfer")  # rules whose jobs are named <rule>.<agent>. ...


class Work(NamedTuple):
    """What the search trained: the documents and tables of all rounds and agents, joined."""

    suggestions: Sequence[Mapping[str, Any]]
    lanes: pd.DataFrame
    curves: pd.DataFrame
    folds: pd.DataFrame


def read_benchmarks(files: Mapping[str, str | Path]) -> pd.DataFrame:
    """Benchmarks of each job, in the order given: columns job, rule, s, max_rss, cpu_time.

    A job that ended within a second has no memory or CPU time ("NA" or "-" in its file): null here.
    Args:
        files: name of the job, which begins with its rule and a dot -> tab-separated benchmark file of Snakemake.
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
        frames.append(rows[list(COLUMNS)].astype("float64").assign(job=name, rule=name.split(".")[0]))
    return pd.concat(frames, ignore_index=True)


def trained_bars(work: Work) -> pd.DataFrame:
    """How much each agent learnt from: columns agent, lanes, networks, bars.

    A bar counts once each time that it is met: of a DQN the batches, of the others every training bar in every pass of
    every update. Of a lane's networks the learning curves tell of the one that was taken: where it was stopped before
    the last of its updates, the others count as stopped at the same share of theirs.
    """
    train = work.folds[work.folds["part"] == "train"]
    rows = (train["end"] - train["start"]).groupby([train["fold"], train["inner"]]).sum().to_dict()
    keys = ["agent", "trial", "fold", "seed"]
    updates = (work.curves.groupby([*keys, "inner"])["update"].max() + 1).rename("updates").reset_index()
    params = {(of["agent"], trial["trial"]): trial["params"] for of in work.suggestions for trial in of["trials"]}
    networks, met = [], []
    for row in updates.merge(work.lanes[[*keys, "network"]], on=keys).to_dict("records"):
        tried, bars = variants(params[row["agent"], row["trial"]]), rows[row["fold"], row["inner"]]
        full = next((own["updates"] for own in tried if _network(own) == row["network"]), tried[0]["updates"])
        networks.append(len(tried))
        met.append(sum(round(row["updates"] / full * own["updates"]) * _of_update(own, bars) for own in tried))
    found = updates.assign(networks=networks, bars=met)
    lanes = found.drop_duplicates(keys).groupby("agent").size().rename("lanes")
    return pd.concat([lanes, found.groupby("agent")[["networks", "bars"]].sum()], axis=1).reset_index()


def _network(settings: Mapping[str, Any]) -> str:
    return network_name(settings["torso"], settings["units"], settings["layers"])


def _of_update(settings: Mapping[str, Any], bars: int) -> int:
    """Bars that one update meets."""
    return settings["steps"] * settings["batch"] if "batch" in settings else bars * settings.get("passes", 1)


def build_timings(benchmark_files: Mapping[str, str | Path], work: Work, out: str | Path) -> None:
    """Write the page of times: of each rule, of the training of each agent, and of each job, the slowest first.

    Args:
        benchmark_files: name of the job -> its benchmark file.
        work: what the search trained.
        out: HTML file to write.
    Raises: SchemaError where a file is missing or is no benchmark.
    """
    if not benchmark_files:
        write_page(TITLE, "<p>No rule was run here: the results came from elsewhere, without their times.</p>", out)
        return
    found = read_benchmarks(benchmark_files)
    write_page(TITLE, join(_rules(found), _training(found, work), _jobs(found)), out)


def _rules(found: pd.DataFrame) -> Fragment:
    of_rules = found.groupby("rule").agg(jobs=("s", "size"), s=("s", "sum"), max_rss=("max_rss", "max"))
    of_rules["cpu_time"] = found.groupby("rule")["cpu_time"].sum(min_count=1)
    rows: list[list[Content]] = [
        [str(rule), number(row["jobs"], 0), *(number(row[name], digits) for name, (_, digits) in COLUMNS.items())]
        for rule, row in of_rules.sort_values("s", ascending=False, kind="stable").iterrows()
    ]
    total = (
        f"All {len(found)} jobs together took {found['s'].sum():,.1f} seconds, side by side where cores allowed, and "
        f"{found['cpu_time'].sum():,.1f} seconds of processors. Each job starts a Python of its own."
    )
    headers = ["rule", "jobs", *(heading for heading, _ in COLUMNS.values())]
    return join(
        paragraphs([total]), table("rules", headers, rows, "Rules: all their jobs together, the most of memory")
    )


def _training(found: pd.DataFrame, work: Work) -> Fragment:
    """Lanes, networks, bars and bars a second of each agent, with start and compilation."""
    of_agents = found[found["rule"].isin(TRAINING)]
    seconds = of_agents["s"].groupby(of_agents["job"].str.split(".").str[1]).sum()
    rows: list[list[Content]] = []
    for row in trained_bars(work).to_dict("records"):
        spent = float(seconds.get(row["agent"], float("nan")))
        rows.append(
            [
                str(row["agent"]),
                *(number(row[name], 0) for name in ("lanes", "networks", "bars")),
                number(spent, 1),
                number(row["lanes"] / spent, 2),
                number(row["bars"] / spent, 0),
            ]
        )
    caption = (
        "Training of the search, one core a job: a lane is one trial on one fold with one seed; a bar counts each time "
        "that a network meets it; the seconds hold start and compilation"
    )
    headers = ["agent", "lanes", "networks trained", "bars met", "seconds", "lanes a second", "bars a second"]
    return table("training", headers, rows, caption)


def _jobs(found: pd.DataFrame) -> Fragment:
    rows: list[list[Content]] = [
        [str(job["job"]), *(number(job[column], digits) for column, (_, digits) in COLUMNS.items())]
        for job in found.sort_values("s", ascending=False, kind="stable").to_dict("records")
    ]
    headers = ["job", *(heading for heading, _ in COLUMNS.values())]
    return table("timings", headers, rows, "Jobs, slowest first")
