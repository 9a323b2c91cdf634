"""Bad bars for paper trading: one sentence, exit code 1, and nothing written."""

import re

import numpy as np
import pandas as pd
import pytest

from outsample.cli.main import main
from outsample.packaging.contents import load
from outsample.paper.bars import parse_bars
from outsample.paper.feed import make_feed


@pytest.fixture
def refuse(mini, mini_package, tmp_path, capsys):
    """Run `outsample paper` on changed lines of a CSV; returns the sentence."""
    (tmp_path / "p.tar.gz").write_bytes(mini_package.archive)

    def run(change=lambda lines: lines, symbol="AA", name=None, first=None, options=()):
        lines = mini.csv(symbol, first).splitlines()
        file = tmp_path / (name or f"{symbol}.csv")
        file.write_text("\n".join(change(lines) or lines) + "\n")
        code = main(["paper", str(tmp_path / "p.tar.gz"), str(file), "--out", str(tmp_path / "out"), *options])
        out, err = capsys.readouterr()
        assert (code, out) == (1, "")
        assert not (tmp_path / "out").exists()
        assert err.startswith("outsample: ")
        assert err.count("\n") == 1
        return err.removeprefix("outsample: ").replace(f"{tmp_path}/", "")

    return run


def edited(line, column, text):
    """Change one cell of a line, counted from 1 as in messages."""

    def change(lines):
        cells = lines[line - 1].split(",")
        cells[lines[0].split(",").index(column)] = text
        lines[line - 1] = ",".join(cells)

    return change


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda lines: lines.__delitem__(slice(5, 7)), r"AA.csv, line 6: AA on 2021-03-24 follows 2021-03-19 with 2 "
         r"sessions of weekdays between them that have no bar, first 2021-03-22; complete the file"),
        (lambda lines: lines.__delitem__(2), r"line 3: AA on 2021-03-18 follows 2021-03-16 with 1 session "),
        (lambda lines: lines.insert(6, lines[5]), r"line 7: the bar of AA of 2021-03-22 is there twice"),
        (lambda lines: lines.insert(9, lines[4]), r"line 10: the bar of AA of 2021-03-19 is late, .* of 2021-03-25"),
        (edited(4, "close", "abc"), r"line 4: column close holds 'abc', which is no finite number"),
        (edited(4, "close", ""), r"line 4: column close holds '', which is no finite number"),
        (edited(4, "open", "1e999"), r"line 4: column open holds '1e999'"),
        (edited(4, "date", "18.03.2021"), r"line 4: column date holds '18.03.2021', which is no ISO date"),
        (edited(4, "high", "1"), r"line 4: 2021-03-18: high 1 is below low"),
        (edited(4, "low", "0"), r"line 4: 2021-03-18: a price is not above 0 \(low 0\)"),
        (edited(4, "open", "9999"), r"line 4: 2021-03-18: open 9999 is outside low"),
        (edited(4, "volume", "-5"), r"line 4: 2021-03-18: volume is negative"),
        (edited(4, "adj_close", "-5"), r"line 4: 2021-03-18: adj_close -5 is not above 0"),
        (edited(4, "adj_close", ""), r"line 4: AA on 2021-03-18 has no adj_close, though other bars have it"),
        (lambda lines: lines.__setitem__(3, lines[3] + ",7"), r"line 4: 8 cells where the header has 7"),
        (lambda lines: [line.rsplit(",", 3)[0] for line in lines], r"lacks the column close, volume"),
        (lambda lines: lines[:1], r"a header and no rows"),
        (lambda lines: [""], r"the file is empty"),
        (lambda lines: lines[:2], r"line 2: AA on 2021-03-16: the file ends with the bar that the package saw last"),
        (lambda lines: lines.__delitem__(1), r"begin the file with the bar of 2021-03-16, which the package saw last"),
        (lambda lines: [line.replace("adj_close", "adj") for line in lines[:1] + lines[2:]],
         r"begin the file with the bar of 2021-03-16, .* adjusted prices cannot be joined without"),
    ],
)  # fmt: skip
def test_a_bad_file_is_one_sentence(refuse, change, sentence):
    assert re.search(sentence, refuse(change))


def test_a_bar_before_the_warm_up_is_refused(refuse):
    said = refuse(first="2020-03-02")
    assert re.search(r"AA.csv, line 2: AA on 2020-03-02 is before the end of the package's warm-up; begin with", said)
    assert "2020-03-31 (then come the development span, on which the policy was trained)" in said
    assert "2021-11-05 (then come bars that came after the data of the package)" in said


def test_bars_that_begin_between_two_checkpoints_are_refused(refuse):
    assert "begin the file with the bar of 2021-03-16" in refuse(first="2021-06-01")


def test_unknown_symbols_are_refused(refuse):
    assert "its name is none of AA, BB, CC, DD; name the symbol with --symbol" in refuse(name="spy.csv")
    assert "line 2: the package does not trade 'XX', only AA" in refuse(
        lambda lines: [lines[0] + ",symbol", *(line + ",XX" for line in lines[1:])]
    )
    assert "the package does not trade 'XX'" in refuse(options=("--symbol", "XX"))


def test_bad_options_are_refused(refuse, tmp_path, capsys):
    assert "--closed yesterday is no date" in refuse(options=("--closed", "yesterday"))
    assert main(["paper", "p.tar.gz", "AA.csv", "BB.csv", "--symbol", "AA", "--out", str(tmp_path / "out")]) == 1
    assert "--symbol names the symbol of one file" in capsys.readouterr().err


def test_a_package_that_does_not_verify_trades_nothing(refuse, mini_package, tmp_path):
    (tmp_path / "p.tar.gz").write_bytes(mini_package.archive[:-1])
    assert "is truncated" in refuse()


def test_files_that_cannot_be_read_or_written(mini, mini_package, tmp_path, capsys):
    (tmp_path / "p.tar.gz").write_bytes(mini_package.archive)
    (tmp_path / "AA.csv").write_text(mini.csv("AA"))
    (tmp_path / "taken").write_text("")
    for file, out in (("BB.csv", "out"), ("AA.csv", "taken")):
        paths = [str(tmp_path / name) for name in ("p.tar.gz", file, out)]
        assert main(["paper", *paths[:2], "--out", paths[2]]) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert "BB.csv cannot be read (No such file or directory)" in first
    assert "taken cannot be written (File exists); name another folder." in second


def feed(mini, mini_package, text, symbol, closed=()):
    package = load(mini_package.archive, "x")
    (bars,) = parse_bars(text.encode(), f"{symbol}.csv", package.symbols, symbol)
    return make_feed(bars, package, closed)


def test_a_gap_that_the_data_of_the_package_have_is_known(mini, mini_package):
    assert len(feed(mini, mini_package, mini.csv("BB"), "BB").dates) == 167


def test_a_closed_day_is_no_gap(mini, mini_package):
    lines = mini.csv("AA").splitlines()
    day = lines.pop(6).split(",")[0]
    assert len(feed(mini, mini_package, "\n".join(lines), "AA", [np.datetime64(day)]).dates) == 167


def test_each_checkpoint_can_be_gone_on_from(mini, mini_package):
    package = load(mini_package.archive, "x")
    for checkpoint in package.checkpoints["AA"][:2]:
        found = feed(mini, mini_package, mini.csv("AA", str(checkpoint.date)), "AA")
        assert found.checkpoint is not None
        assert found.checkpoint.span == checkpoint.span
    last = package.checkpoints["AA"][-1]
    anchor = mini.csv("AA", str(last.date)).splitlines()
    monday = str(np.busday_offset(last.date.astype("datetime64[D]"), 1))
    new = ",".join([monday, *anchor[1].split(",")[1:]])
    found = feed(mini, mini_package, "\n".join([*anchor, new]), "AA")
    assert (found.checkpoint.span, found.dates.tolist()) == ("end", [pd.Timestamp(monday).to_pydatetime()])


def test_raw_prices_go_on_without_the_last_bar_where_the_package_has_raw_prices(package_case):
    """Without adj_close, and a package whose prices were not adjusted, nothing has to be joined."""
    case = package_case.make_case(symbols=("AA",))
    bars = case.raw.assign(adj_close=case.raw["close"])
    package = load(case.build().archive, "x")
    last = package.checkpoints["AA"][-1]
    assert last.factor == pytest.approx(1.0)
    row = bars.iloc[-1][["open", "high", "low", "close", "volume"]]
    monday = str(np.busday_offset(last.date.astype("datetime64[D]"), 1))
    text = "date,open,high,low,close,volume\n" + ",".join([monday, *map(str, row)])
    (parsed,) = parse_bars(text.encode(), "AA.csv", package.symbols, "AA")
    found = make_feed(parsed, package)
    assert found.factor.tolist() == [1.0]
    assert found.close[0] == row["close"]
