"""A policy whose features take the closes of other symbols: its package, its replay, and bars that are not there."""

import io
import json

import numpy as np
import pandas as pd
import pytest

from outsample.cli.main import main
from outsample.config.features import CalendarFeatures, CrossFeatures
from outsample.errors import PackageError
from outsample.packaging import contents
from outsample.packaging.contents import load
from outsample.packaging.trace import replay
from outsample.paper.agreement import compare, vault_feeds
from outsample.paper.bars import parse_bars
from outsample.paper.broker import trade
from outsample.paper.feed import make_feeds
from outsample.paper.ledger import ledger_columns

CROSS = [
    CrossFeatures(symbol="RR", returns=[1, 5], beta=20, strength=[5]),
    CrossFeatures(symbol="AA", returns=[1], lag=1),
]


@pytest.fixture(scope="module")
def case(package_case):
    """AA and BB are traded and RR is not; the features take the closes of RR and AA, and the weekday."""
    features = package_case.FEATURES.model_copy(update={"cross": CROSS, "calendar": CalendarFeatures(weekday=True)})
    return package_case.make_case(symbols=("AA", "BB"), references=("RR",), features=features)


@pytest.fixture(scope="module")
def built(case):
    return case.build()


@pytest.fixture(scope="module")
def package(built):
    return load(built.archive, "x")


def test_the_package_says_which_closes_it_needs(built, package):
    assert (package.symbols, package.others, package.max_age) == (("AA", "BB"), ("AA", "RR"), 5)
    assert [c.span for c in package.references["RR"]] == ["trace", "vault", "end"]
    assert set(package.references) == {"RR"}
    card = package.files[contents.CARD].decode()
    assert "They also take the closes of AA, RR, at most 5 days old" in card
    assert replay(package, "x") == 500


def test_a_reference_is_in_no_table_that_is_traded(case):
    for name in ("features", "development", "vault"):
        table = getattr(case.tables, name)
        assert set(table["symbol"]) == {"AA", "BB"}
        assert {"AA:close", "RR:close"} <= set(table.columns)


def test_the_vault_is_repeated_to_the_last_bit(case, package):
    accounts = trade(package, vault_feeds(package, case.tables.vault), "x")
    table = pd.DataFrame(ledger_columns(accounts))
    assert max(compare(table, accounts, package, case.result.returns, case.result.trades).values()) <= 1e-12
    assert len(case.result.trades) > 15


@pytest.fixture
def paper(case, built, tmp_path, capsys):
    """Run `outsample paper` on files of raw bars; returns its exit code, what it said and its folder."""
    (tmp_path / "p.tar.gz").write_bytes(built.archive)

    def run(texts):
        for name, text in texts.items():
            (tmp_path / name).write_text(text)
        files = [str(tmp_path / name) for name in texts]
        code = main(["paper", str(tmp_path / "p.tar.gz"), *files, "--out", str(tmp_path / "out")])
        said = capsys.readouterr()
        return code, said.out + said.err, tmp_path / "out"

    return run


def raw(case, symbol, drop_last=0):
    """The bars from the last one before the vault on."""
    first = str(case.documents["split"]["vault"]["first"])
    rows = case.raw[case.raw["symbol"] == symbol].drop(columns="symbol")
    begin = int(np.searchsorted(rows["date"].to_numpy(), np.datetime64(first))) - 1
    return rows.iloc[begin : len(rows) - drop_last].to_csv(index=False)


def test_files_of_raw_bars_agree_with_the_evaluation(case, paper):
    code, said, out = paper({f"{symbol}.csv": raw(case, symbol) for symbol in ("AA", "BB", "RR")})
    assert code == 0, said
    assert "Note" not in said
    ledger = pd.read_csv(out / "ledger.csv")
    assert set(ledger["symbol"]) == {"AA", "BB", "portfolio"}
    wanted = case.result.returns.query("series == 'agent'")
    for symbol, own in ledger.groupby("symbol"):
        for column in ("equity", "target", "cost"):
            expected = wanted.loc[wanted["symbol"] == symbol, column].to_numpy()
            np.testing.assert_allclose(own[column], expected, rtol=1e-9, atol=1e-9, err_msg=f"{symbol} {column}")
    assert set(json.loads((out / "summary.json").read_text())["symbols"]) == {"AA", "BB"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["AA", "BB"], "take the closes of RR, and no file holds its bars; give RR.csv as well, which is read and not"),
        (["BB", "RR"], "take the closes of AA, and no file holds its bars; give AA.csv as well."),
        (["RR"], "No file holds bars of AA, BB, which the package trades; give one."),
    ],
)
def test_bars_that_are_missing_are_named(case, paper, given, words):
    code, said, out = paper({f"{symbol}.csv": raw(case, symbol) for symbol in given})
    assert (code, out.exists(), said.count("\n")) == (1, False, 1)
    assert words in said


def test_a_reference_that_ends_early_or_begins_late_is_refused(case, paper):
    texts = {f"{symbol}.csv": raw(case, symbol) for symbol in ("AA", "BB")}
    code, said, _ = paper(texts | {"RR.csv": raw(case, "RR", drop_last=10)})
    assert code == 1
    assert "the last bar of RR is of" in said
    assert said.endswith("more than 5 days before; complete the bars of RR.\n")
    lines = raw(case, "RR").splitlines(keepends=True)
    code, said, _ = paper(texts | {"RR.csv": lines[0] + "".join(lines[2:])})
    assert code == 1
    assert "begin the file with the bar of" in said


def test_dates_on_which_a_reference_has_no_bar_are_said(case, paper):
    texts = {f"{symbol}.csv": raw(case, symbol) for symbol in ("AA", "BB", "RR")}
    lines = texts["RR.csv"].splitlines(keepends=True)
    code, said, _ = paper(texts | {"RR.csv": "".join(lines[:7] + lines[9:])})
    assert code == 0
    day = lines[7].split(",")[0]
    for symbol in ("AA", "BB"):
        assert f"Note: RR has no bar on 2 dates of {symbol}, first {day}; its last close before counts there.\n" in said


@pytest.mark.parametrize("dividend", [1.0, 0.93])
def test_the_closes_of_a_file_are_joined_to_the_scale_of_the_package(case, package, dividend):
    """A later dividend lowers every adj_close before it; the bar that both know joins them."""
    files = []
    for symbol in ("AA", "BB", "RR"):
        rows = pd.read_csv(io.StringIO(raw(case, symbol)))
        rows["adj_close"] *= dividend
        files += parse_bars(rows.to_csv(index=False).encode(), f"{symbol}.csv", ("AA", "BB", "RR"), symbol)
    for feed in make_feeds(files, package):
        vault = case.tables.vault.query("in_vault and symbol == @feed.symbol")
        for other in ("AA", "RR"):
            np.testing.assert_allclose(feed.others[other], vault[f"{other}:close"], rtol=1e-12)


def test_two_files_of_a_reference_are_refused(case, paper):
    texts = {f"{symbol}.csv": raw(case, symbol) for symbol in ("AA", "BB", "RR")}
    rows = pd.read_csv(io.StringIO(texts["RR.csv"])).assign(symbol="RR")
    code, said, _ = paper(texts | {"again.csv": rows.to_csv(index=False)})
    assert (code, said) == (1, "outsample: Two files hold bars of RR; give one file for each symbol.\n")


def test_a_package_whose_closes_do_not_fit_its_features_is_refused(case):
    spec = case.documents["feature_spec"]
    for others in ({"symbols": ["RR"], "max_age": 5}, {"symbols": ["AA", "RR"], "max_age": -1}):
        with pytest.raises((PackageError, KeyError), match=r"features.spec.json is not what|RR"):
            case.build(documents=case.documents | {"feature_spec": spec | {"others": others}})
