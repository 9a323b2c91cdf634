"""Bad input ends in one sentence and a non-zero exit, before anything is trained."""

import itertools

import numpy as np
import pandas as pd
import pytest
from tests.workflow.conftest import copy_checkout

HEADER = "date,open,high,low,close,volume\n"


def bars(rows=400, edit=None):
    """A CSV of plausible bars; `edit` changes its list of lines (without the header)."""
    close = 100 * np.exp(np.cumsum(0.01 * np.random.default_rng(0).standard_normal(rows)))
    dates = pd.bdate_range("2015-01-01", periods=rows)
    lines = [
        f"{day:%Y-%m-%d},{price * 0.999:.4f},{price * 1.01:.4f},{price * 0.99:.4f},{price:.4f},{1000 + i}"
        for i, (day, price) in enumerate(zip(dates, close, strict=True))
    ]
    return HEADER + "\n".join(edit(lines) if edit else lines) + "\n"


def replaced(row, column, value):
    def edit(lines):
        cells = lines[row].split(",")
        cells[column] = value
        return [*lines[:row], ",".join(cells), *lines[row + 1 :]]

    return edit


def swapped(lines):
    return [*lines[:10], lines[11], lines[10], *lines[12:]]


def opens_at_the_previous_close(lines):
    rows = [line.split(",") for line in lines]
    for before, row in itertools.pairwise(rows):
        row[1] = before[4]
        row[2], row[3] = (f"{choose(map(float, row[1:5])):.4f}" for choose in (max, min))
    return [",".join(row) for row in rows]


def own(checkout, experiment):
    """A run of the experiment `own` on plausible bars, with further lines in its file."""
    (checkout.folder / "data/market/OWN.csv").write_text(bars())
    (checkout.folder / "config/experiments/own.yaml").write_text(
        "data: {source: {kind: csv}, symbols: [OWN]}\n" + experiment
    )
    return checkout.snakemake("--config", "experiment=own", "--", "results/own/report.html")


def assert_refused(checkout, done, *fragments):
    assert done.returncode != 0
    for fragment in fragments:
        assert fragment in done.stdout, done.stdout[-3000:]
    assert "Traceback" not in done.stdout
    assert not list(checkout.folder.glob("results/*/trials/*/*/shards/*.parquet"))


CONFIGURATIONS = [
    ("featuers: {rsi: 14}\n", ["featuers", "features", "own.yaml"]),
    ("agents: {ppo: {learning_rat: 0.1}}\n", ["agents.ppo.learning_rat", "learning_rate", "own.yaml"]),
    ("search: {space: {ppo: {learning_rat: {type: float, low: 1, high: 2}}}}\n", ["learning_rat", "learning_rate"]),
    ("market: {commission: cheap}\n", ["market.commission", "own.yaml"]),
    ("market: {commission: -1}\n", ["market.commission", "-1"]),
    ("folds: [1, 2]\n", ["folds", "own.yaml"]),
    ("market: {fill: next_opne}\n", ["market.fill", "next_open"]),
]


@pytest.mark.parametrize(("text", "fragments"), CONFIGURATIONS, ids=[c[1][0] for c in CONFIGURATIONS])
def test_configuration(checkout, text, fragments):
    assert_refused(checkout, own(checkout, text), *fragments)


def test_environment_may_not_set_science(checkout):
    path = checkout.folder / "config/environments/development.yaml"
    path.write_text("market: {commission: 0}\n")
    assert_refused(checkout, checkout.snakemake("results/tiny/report.html"), "market", "development.yaml")


def test_command_line_is_a_layer_with_a_name(checkout):
    done = checkout.snakemake("--config", "experiment=tiny", "market={comission: 4}", "--", "results/tiny/report.html")
    assert_refused(checkout, done, "command line", "market.comission", "commission")


def test_unknown_experiment_names_the_nearest(checkout):
    assert_refused(checkout, checkout.snakemake("--config", "experiment=tinny"), "tinny", "tiny")


def test_more_shards_than_lanes(checkout):
    done = checkout.snakemake("--set-scatter", "trials=99", "--config", "experiment=tiny", "--", "results/report.html")
    assert_refused(checkout, done, "99 shards", "trials=4")


def test_results_folder_that_cannot_be_written(checkout):
    (checkout.folder / "results").write_text("a file where the folder should be")
    done = checkout.snakemake("--config", "experiment=tiny", "--", "results/tiny/config.json")
    assert done.returncode != 0
    assert "results" in done.stdout
    assert "Traceback" not in done.stdout


BARS = {
    "missing file": (None, "null", ["OWN.csv"]),
    "empty file": ("", "null", ["OWN.csv", "empty"]),
    "header only": (HEADER, "null", ["OWN.csv", "a header and no rows"]),
    "missing column": (bars().replace("open", "unknown", 1), "null", ["OWN.csv", "open"]),
    "duplicate date": (bars(edit=lambda x: [*x[:9], x[8], *x[9:]]), "null", ["OWN.csv", "2015-01-13"]),
    "unsorted dates": (bars(edit=swapped), "null", ["OWN.csv", "ascending"]),
    "unparseable date": (bars(edit=replaced(4, 0, "13/01/2015")), "null", ["OWN.csv", "line 6", "13/01/2015"]),
    "null price": (bars(edit=replaced(4, 4, "null")), "null", ["OWN", "close"]),
    "NaN price": (bars(edit=replaced(4, 1, "NaN")), "null", ["OWN", "open"]),
    "text price": (bars(edit=replaced(4, 4, "n/a?")), "null", ["OWN.csv", "line 6", "n/a?"]),
    "negative price": (bars(edit=replaced(4, 3, "-1")), "null", ["OWN", "low"]),
    "zero price": (bars(edit=replaced(4, 4, "0")), "null", ["OWN", "close"]),
    "high below low": (bars(edit=replaced(4, 2, "1.0")), "null", ["OWN", "high"]),
    "opens repeat closes": (bars(edit=opens_at_the_previous_close), "null", ["OWN", "next_close"]),
    "range without bars": (bars(), "2030-01-01", ["2030-01-01"]),
    "too few bars": (bars(200), "null", ["folds"]),
}


def symbol_of(fault):
    return f"OWN{chr(ord('A') + list(BARS).index(fault))}"


@pytest.fixture(scope="module")
def faulty(repository, tmp_path_factory):
    """A checkout with an experiment for each fault, named as its symbol, and what one run of all of them said."""
    made = copy_checkout(repository, tmp_path_factory.mktemp("faulty") / "checkout")
    for fault, (text, start, _) in BARS.items():
        symbol = symbol_of(fault)
        if text is not None:
            (made.folder / f"data/market/{symbol}.csv").write_text(text)
        (made.folder / f"config/experiments/{symbol}.yaml").write_text(
            f"data: {{source: {{kind: csv}}, symbols: [{symbol}], start: {start}}}\n"
        )
    done = made.snakemake("--keep-going", *(f"results/{symbol_of(fault)}/report.html" for fault in BARS))
    return made, done


@pytest.mark.slow
@pytest.mark.parametrize("fault", BARS)
def test_bars(faulty, fault):
    checkout, done = faulty
    fragments = [fragment.replace("OWN", symbol_of(fault)) for fragment in BARS[fault][2]]
    results = checkout.folder / "results" / symbol_of(fault)
    said = [path.read_text() for path in sorted(results.glob("logs/*.log"))]
    sentences = [text for text in said if all(fragment in text for fragment in fragments)]
    assert len(sentences) == 1, said
    assert " ".join(sentences[0].split()) in " ".join(done.stdout.split())  # whoever runs it sees it
    assert not (results / "report.html").exists()
    assert_refused(checkout, done, *fragments)
