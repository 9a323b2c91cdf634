"""Paper trading is the evaluation again, to 1e-9: bar by bar, for the portfolio and for each symbol alone."""

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from outsample.cli.main import main
from outsample.errors import DataError, PackageError, PaperError
from outsample.packaging.contents import load
from outsample.paper.agreement import check_archive, compare, vault_feeds
from outsample.paper.bars import parse_bars
from outsample.paper.broker import trade
from outsample.paper.feed import make_feed
from outsample.paper.ledger import fill_columns, ledger_columns

COLUMNS = ["equity", "net_return", "cost", "target", "position", "price"]
MARKETS = {
    "costs and shorts": {},
    "whole shares": {"whole_shares": True, "starting_equity": 2_000},
    "next close, long only, band": {
        **{"fill": "next_close", "short_selling": False, "rebalance_band": 0.01, "whole_shares": True},
        "starting_equity": 3_000,
    },
}


@pytest.fixture(scope="module", params=MARKETS)
def case(request, package_case, mini):
    changes = MARKETS[request.param]
    market = package_case.COSTLY.model_copy(update=changes)
    torso = "gru" if "rebalance_band" in changes else "linear"
    # Policies with and without the account, and one with a memory.
    return package_case.make_case(market, account=True, torso=torso) if changes else mini


@pytest.fixture(scope="module")
def package(case):
    return load(case.build().archive, "x")


def evaluated(case, symbol) -> pd.DataFrame:
    return case.result.returns.query("series == 'agent' and symbol == @symbol").reset_index(drop=True)


def assert_agrees(ledger, case, symbol):
    own = pd.DataFrame(ledger)
    own = own[own["symbol"] == symbol].reset_index(drop=True)
    wanted = evaluated(case, symbol)
    assert (own["date"].to_numpy() == wanted["date"].to_numpy()).all()
    for column in COLUMNS:
        np.testing.assert_allclose(own[column], wanted[column], rtol=1e-9, atol=1e-9, err_msg=f"{symbol} {column}")


def feeds_from_text(case, package, symbols):
    """As the command line makes them: raw prices and adj_close, beginning with the last bar before the vault."""
    feeds = []
    for symbol in symbols:
        (bars,) = parse_bars(case.csv(symbol).encode(), f"{symbol}.csv", package.symbols, symbol)
        feeds.append(make_feed(bars, package))
    return feeds


def test_the_vault_is_repeated_to_the_last_bit(case, package):
    accounts = trade(package, vault_feeds(package, case.tables.vault), "x")
    table = pd.DataFrame(ledger_columns(accounts))
    found = compare(table, accounts, package, case.result.returns, case.result.trades)
    assert max(found.values()) <= 1e-12
    assert len(case.result.trades) > 30
    if package.rules.short_selling:
        assert (case.result.trades["direction"] == -1).any()


def test_the_portfolio_from_raw_bars_agrees(case, package):
    ledger = ledger_columns(trade(package, feeds_from_text(case, package, package.symbols), "x"))
    for symbol in ["portfolio", *package.symbols]:
        assert_agrees(ledger, case, symbol)


def test_each_symbol_alone_agrees(case, package):
    for symbol in package.symbols:
        ledger = ledger_columns(trade(package, feeds_from_text(case, package, [symbol]), "x"))
        assert_agrees(ledger, case, symbol)
        assert set(ledger["symbol"]) == {symbol, "portfolio"}


def test_fills_and_costs_add_up(case, package):
    accounts = trade(package, feeds_from_text(case, package, package.symbols), "x")
    fills = pd.DataFrame(fill_columns(accounts))
    for symbol, account in accounts.items():
        own = fills[fills["symbol"] == symbol]
        np.testing.assert_allclose(own["shares"].abs() * own["price"], own["notional"], rtol=1e-9)
        np.testing.assert_allclose(own["fee"], own["notional"] * 0.0015, rtol=1e-9)
        assert own["fee"].sum() <= account.ledger.cost.sum() * (1 + 1e-12)
        trips = case.result.trades.query("symbol == @symbol")
        assert len(trips) <= len(own) <= 2 * len(trips) or package.rules.band > 0
        if package.rules.whole_shares:
            held = account.ledger.shares[account.ledger.traded > 0]
            assert np.abs(held).max() >= 9
            np.testing.assert_allclose(held, held.round(), atol=1e-9)


def test_a_later_adjustment_of_all_prices_changes_nothing(case, package):
    """A dividend after the package was built lowers every adj_close before it; the bar that both know joins them."""
    text = pd.read_csv(pd.io.common.StringIO(case.csv("AA")))
    text["adj_close"] *= 0.93
    (bars,) = parse_bars(text.to_csv(index=False).encode(), "AA.csv", package.symbols, "AA")
    assert_agrees(ledger_columns(trade(package, [make_feed(bars, package)], "x")), case, "AA")


def test_decisions_do_not_look_ahead(mini, mini_package):
    package = load(mini_package.archive, "x")
    (bars,) = parse_bars(mini.csv("DD").encode(), "DD.csv", package.symbols, "DD")
    whole = trade(package, [make_feed(bars, package)], "x")["DD"].ledger
    end = int(np.flatnonzero(whole.target)[20])  # the part ends two bars after a decision to hold something
    part = trade(package, [make_feed(dataclasses.replace(bars, bars=bars.bars[: end + 3]), package)], "x")["DD"].ledger
    assert (len(part.target), part.target[end]) == (end + 2, 0)
    assert (part.units[-1], part.position[-1]) == (0, 0)
    np.testing.assert_array_equal(part.target[:-2], whole.target[: len(part.target) - 2])
    np.testing.assert_array_equal(part.equity[:-1], whole.equity[: len(part.equity) - 1])


def test_other_books_are_refused(mini, mini_package):
    package = load(mini_package.archive, "x")
    accounts = trade(package, vault_feeds(package, mini.tables.vault), "x")
    table, result = pd.DataFrame(ledger_columns(accounts)), mini.result
    returns = result.returns.copy()
    returns.loc[returns["series"] == "agent", "equity"] *= 1 + 1e-8
    with pytest.raises(PaperError, match=r"has equity .* where the evaluation's table returns has"):
        compare(table, accounts, package, returns, result.trades)
    with pytest.raises(PaperError, match="rows where the evaluation's table trades has"):
        compare(table, accounts, package, result.returns, result.trades[:-1])
    trades = result.trades.assign(profit=result.trades["profit"] + 1e-3)
    with pytest.raises(PaperError, match="has profit"):
        compare(table, accounts, package, result.returns, trades)
    with pytest.raises(PackageError, match="other symbols"):
        vault_feeds(package, mini.tables.vault.query("symbol != 'AA'"))


def test_an_archive_is_the_one_of_its_document(mini_package):
    document = mini_package.document
    assert check_archive(mini_package.archive, document) is mini_package.archive
    with pytest.raises(PackageError, match="is not the one that was built"):
        check_archive(mini_package.archive[:-1], document)
    with pytest.raises(PackageError, match="is missing"):
        check_archive(None, document)


def test_two_feeds_of_one_symbol_are_refused(mini, mini_package):
    package = load(mini_package.archive, "x")
    with pytest.raises(DataError, match="Two files hold bars of AA"):
        trade(package, feeds_from_text(mini, package, ["AA", "AA"]), "x")


@pytest.fixture
def files(mini, mini_package, tmp_path):
    (tmp_path / "p.tar.gz").write_bytes(mini_package.archive)
    for symbol in ("AA", "BB", "CC", "DD"):
        (tmp_path / f"{symbol}.csv").write_text(mini.csv(symbol))
    return tmp_path


def read(path: Path) -> dict[str, list]:
    with path.open() as handle:
        rows = list(csv.DictReader(handle))
    return {c: [row[c] if c in ("symbol", "date") else float(row[c]) for row in rows] for c in rows[0]}


def test_the_command_writes_the_books(files, mini, capsys):
    csvs = [str(files / f"{symbol}.csv") for symbol in ("AA", "BB", "CC", "DD")]
    assert main(["paper", str(files / "p.tar.gz"), *csvs, "--out", str(files / "out")]) == 0
    ledger = read(files / "out/ledger.csv")
    ledger = {c: np.array(v, "datetime64[us]") if c == "date" else np.array(v, object) for c, v in ledger.items()}
    for symbol in ("portfolio", "AA", "BB", "CC", "DD"):
        assert_agrees({c: v if c in ("symbol", "date") else v.astype(float) for c, v in ledger.items()}, mini, symbol)
    summary = json.loads((files / "out/summary.json").read_text())
    assert summary["symbols"]["BB"]["begins_in"] == "the vault, on which it was evaluated"
    assert summary["symbols"]["BB"]["fills"] == read(files / "out/fills.csv")["symbol"].count("BB")
    assert sorted(path.name for path in (files / "out").iterdir()) == ["fills.csv", "ledger.csv", "summary.json"]
    assert "168 dates from 2021-03-17 to 2021-11-05, equity 20,000.00 to" in capsys.readouterr().out


def test_one_file_with_a_column_of_symbols_gives_the_same_bytes(files, mini):
    frames = [pd.read_csv(files / f"{symbol}.csv").assign(symbol=symbol) for symbol in ("AA", "BB", "CC", "DD")]
    mixed = pd.concat(frames).sort_values(["date", "symbol"])
    mixed.to_csv(files / "all.csv", index=False)
    csvs = [str(files / f"{symbol}.csv") for symbol in ("DD", "CC", "BB", "AA")]
    assert main(["paper", str(files / "p.tar.gz"), str(files / "all.csv"), "--out", str(files / "one")]) == 0
    assert main(["paper", str(files / "p.tar.gz"), *csvs, "--out", str(files / "four")]) == 0
    for name in ("ledger.csv", "fills.csv", "summary.json"):
        assert (files / "one" / name).read_bytes() == (files / "four" / name).read_bytes()
