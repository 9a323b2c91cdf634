"""Bad bars for paper trading: one sentence, exit code 1, and nothing written."""

import dataclasses
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


def scaled(line, factor, columns=("open", "high", "low", "close", "adj_close")):
    """Multiply the prices of a line."""

    def change(lines):
        cells, header = lines[line - 1].split(","), lines[0].split(",")
        for column in columns:
            place = header.index(column)
            cells[place] = repr(float(cells[place]) * factor)
        lines[line - 1] = ",".join(cells)

    return change


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
        (lambda lines: lines.insert(6, lines[5] + "0"), r"line 7: .* of 2021-03-22 is there twice; keep one"),
        (lambda lines: lines.insert(6, lines[5].replace(",", ",0", 1)), r"of 2021-03-22 is there twice; keep one row"),
        (lambda lines: lines.insert(6, lines[5].rsplit(",", 2)[0] + ",5,60"),
         r"line 7: the bar of AA of 2021-03-22 is there twice, with other numbers; keep the row that is right"),
        (lambda lines: lines.insert(6, lines[5].replace(",", " 12:00,", 1)),
         r"line 7: AA on 2021-03-22 12:00:00 is a second bar of that day, after 2021-03-22, and the package is "
         "of daily bars"),
        (lambda lines: lines.insert(9, lines[4]), r"line 10: the bar of AA of 2021-03-19 is late, .* of 2021-03-25"),
        (lambda lines: lines[:1] + lines[:0:-1], r"line 3: the bar of AA of \S+ is late, .*; sort the file by date"),
        (lambda lines: lines[:40] + lines[80:120] + lines[40:80], r"line 81: the bar of AA of \S+ is late, it comes"),
        (lambda lines: lines.__delitem__(slice(5, 105)), r"line 6: .* with 100 sessions of weekdays between them that"),
        (lambda lines: [*lines[:2], "2090-01-02" + lines[2][10:]], r"line 3: AA on 2090-01-02 follows 2021-03-16 with"),
        (lambda lines: [lines[0], *(line[:10] + " 16:00" + line[10:] for line in lines[1:])],
         r"line 2: AA on 2021-03-16 16:00:00 is of the day of the bar that the package saw last, 2021-03-16, but of "
         "another time; begin the file with that bar"),
        (edited(4, "close", "abc"), r"line 4: column close holds 'abc', which is no finite number"),
        (edited(4, "close", ""), r"line 4: column close holds '', which is no finite number"),
        (edited(4, "open", "1e999"), r"line 4: column open holds '1e999'"),
        (edited(4, "open", "1" + "0" * 400), r"line 4: column open holds '10{78}…', which is no finite number"),
        *((edited(4, "close", cell), rf"line 4: column close holds '{cell}', which is no finite number; correct")
          for cell in ("nan", "NaN", "inf", "-inf", "Infinity", " ", "0x10", "1_000", "½")),
        (edited(4, "volume", "nan"), r"line 4: column volume holds 'nan'"),
        (edited(4, "volume", "inf"), r"line 4: column volume holds 'inf'"),
        (edited(4, "volume", "1e30"), r"line 4: 2021-03-18: volume 1e\+30 is beyond any volume; correct the line"),
        (edited(4, "adj_close", "1e300"), r"line 4: 2021-03-18: adj_close 1e\+300 is beyond any price; correct the"),
        (edited(2, "adj_close", "1e-300"), r"line 2: 2021-03-16: adj_close 1e-300 is beyond any price"),
        (scaled(4, 1e300), r"line 4: 2021-03-18: open \S+e\+301 is beyond any price"),
        (scaled(4, 1e-300), r"line 4: 2021-03-18: open \S+e-299 is beyond any price"),
        (edited(4, "close", "-5"), r"line 4: 2021-03-18: a price is not above 0 \(close -5\)"),
        *((edited(4, "date", cell), rf"line 4: column date holds '{cell}', which is no ISO date; write dates as YYYY")
          for cell in ("18.03.2021", "03/18/2021", "20210318", "2021-3-18", "2021-02-30", "2021-03-18T16:00Z", "NaT",
                       "")),
        (lambda lines: lines.insert(5, lines[0]), r"line 6: column date holds 'date', which is no ISO date"),
        (lambda lines: lines.__setitem__(4, "\ufeff" + lines[4]), r"line 5: column date holds '\\ufeff2021-03-19'"),
        (edited(4, "high", "1"), r"line 4: 2021-03-18: high 1 is below low"),
        (edited(4, "low", "0"), r"line 4: 2021-03-18: a price is not above 0 \(low 0\)"),
        (edited(4, "open", "9999"), r"line 4: 2021-03-18: open 9999 is outside low"),
        (edited(4, "volume", "-5"), r"line 4: 2021-03-18: volume is negative"),
        (edited(4, "adj_close", "-5"), r"line 4: 2021-03-18: adj_close -5 is not above 0"),
        (edited(4, "adj_close", ""), r"line 4: AA on 2021-03-18 has no adj_close, though other bars have it"),
        (lambda lines: lines.__setitem__(3, lines[3] + ",7"), r"line 4: 8 cells where the header has 7"),
        (lambda lines: lines.__setitem__(3, "2021-03-18"), r"line 4: 1 cell where the header has 7; correct the line"),
        (lambda lines: lines.__setitem__(3, '"' + lines[3]), r"line 4: 1 cell where the header has 7"),
        (lambda lines: lines.__setitem__(-1, lines[-1][:-30]), r"line \d+: \d cells? where the header has 7"),
        (lambda lines: [line.rsplit(",", 3)[0] for line in lines], r"lacks the column close, volume"),
        (lambda lines: lines[1:], r"lacks the column date, .*; its first line must be the header, with the columns"),
        (lambda lines: [line.replace(",", ";") for line in lines], r"it seems to be separated by ';': save it"),
        (lambda lines: lines.__setitem__(0, lines[0].replace("adj_close", "Close")), r"column close is there twice"),
        (lambda lines: lines[:1], r"a header and no rows"),
        (lambda lines: [""], r"the file is empty"),
        (lambda lines: [*lines, "\0"], r"the file holds null bytes and is no text"),
        (lambda lines: lines[:2], r"line 2: AA on 2021-03-16: the file ends with the bar that the package saw last"),
        (lambda lines: lines.__delitem__(1), r"begin the file with the bar of 2021-03-16, which the package saw last"),
        (lambda lines: [line.replace("adj_close", "adj") for line in lines[:1] + lines[2:]],
         r"begin the file with the bar of 2021-03-16, .* adjusted prices cannot be joined without"),
    ],
)  # fmt: skip
def test_a_bad_file_is_one_sentence(refuse, change, sentence):
    assert re.search(sentence, refuse(change))


@pytest.mark.parametrize("last", [None, "2020-03-20"])
def test_a_bar_before_the_warm_up_is_refused(refuse, last):
    """Whether the bars go on after the warm-up, or end before it."""
    said = refuse(
        lambda lines: [line for line in lines if last is None or line[:10] < last or line == lines[0]],
        first="2020-03-02",
    )
    assert re.search(r"AA.csv, line 2: AA on 2020-03-02 is before the end of the package's warm-up; begin with", said)
    assert "2020-03-31 (followed by the development span, on which the policy was trained)" in said
    assert "2021-11-05 (followed by bars that came after the data of the package)" in said


def test_bars_that_begin_between_two_checkpoints_are_refused(refuse):
    assert "begin the file with the bar of 2021-03-16" in refuse(first="2021-06-01")


def test_unknown_symbols_are_refused(refuse):
    assert "its name is none of AA, BB, CC, DD; name the symbol with --symbol" in refuse(name="spy.csv")
    assert "line 2: the package does not trade 'XX', only AA" in refuse(
        lambda lines: [lines[0] + ",symbol", *(line + ",XX" for line in lines[1:])]
    )
    assert "the package does not trade 'XX'" in refuse(options=("--symbol", "XX"))
    assert "AA.csv: its column symbol names AA, and --symbol BB; leave --symbol out" in refuse(
        lambda lines: [lines[0] + ",symbol", *(line + ",AA" for line in lines[1:])], options=("--symbol", "BB")
    )


def test_bad_options_are_refused(refuse, tmp_path, capsys):
    assert "--closed yesterday is no date" in refuse(options=("--closed", "yesterday"))
    assert "--out names no folder" in refuse(options=("--out", ""))
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


NAMES = ["fills.csv", "ledger.csv", "summary.json"]


@pytest.fixture
def paper(mini, mini_package, tmp_path, capsys):
    """Run `outsample paper` on a text; returns the exit code, what was said, and the files of its folder."""
    (tmp_path / "p.tar.gz").write_bytes(mini_package.archive)
    out = tmp_path / "out"

    def run(text):
        (tmp_path / "AA.csv").write_bytes(text)
        code = main(["paper", str(tmp_path / "p.tar.gz"), str(tmp_path / "AA.csv"), "--out", str(out)])
        said = capsys.readouterr()
        return code, said.out + said.err, {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}

    return run


def test_a_mark_of_utf_8_and_other_ends_of_lines_change_nothing(mini, paper):
    text = mini.csv("AA").encode()
    code, _, books = paper(text)
    assert (code, sorted(books)) == (0, NAMES)
    for same in (b"\xef\xbb\xbf" + text, text.replace(b"\n", b"\r\n"), text + b"\n\n", text.removesuffix(b"\n")):
        assert paper(same)[2] == books


def test_the_books_of_an_earlier_run_stay_whole(mini, paper, tmp_path):
    text = mini.csv("AA").encode()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    before = paper(text)[2]
    code, said, after = paper(text[:-30])
    assert (code, after) == (1, before)
    assert "where the header has 7" in said
    code, _, after = paper(text[: text.index(b"2021-06-01")])
    assert (code, sorted(after), after["notes.txt"]) == (0, [*NAMES[:2], "notes.txt", NAMES[2]], b"mine")
    assert all(after[name] != before[name] for name in NAMES)


def test_no_file_is_replaced_where_one_cannot_be(mini, paper, tmp_path):
    (tmp_path / "out" / "fills.csv").mkdir(parents=True)
    (tmp_path / "out" / "ledger.csv").write_text("old")
    code, said, files = paper(mini.csv("AA").encode())
    assert (code, files) == (1, {"ledger.csv": b"old"})
    assert said.endswith("out holds a folder named fills.csv; name another folder.\n")


def test_a_bar_outside_the_sessions_is_traded_and_named(mini, paper):
    """As in the evaluation, where it is a warning of the data's quality."""
    lines = mini.csv("AA").splitlines()
    lines.insert(5, "2021-03-20" + lines[4][10:])
    code, said, books = paper("\n".join(lines).encode())
    assert (code, b"2021-03-20" in books["ledger.csv"]) == (0, True)
    assert said.splitlines()[1] == "Note: AA has bars on 1 day without a session of weekdays, first 2021-03-20."


def test_one_bar_is_traded_flat(mini, paper):
    code, said, books = paper("\n".join(mini.csv("AA").splitlines()[:3]).encode())
    assert (code, books["fills.csv"].count(b"\n"), books["ledger.csv"].count(b"\n")) == (0, 1, 3)
    assert re.search(r"1 date from 2021-03-17 to 2021-03-17, equity 5,000.00 to 5,000.00, costs 0.00;", said)


def feed(mini, mini_package, text, symbol, closed=()):
    package = load(mini_package.archive, "x")
    (bars,) = parse_bars(text.encode(), f"{symbol}.csv", package.symbols, symbol)
    return make_feed(bars, package, closed)


def test_a_package_of_several_bars_a_day_takes_several(mini, mini_package):
    package = load(mini_package.archive, "x")
    hours = {
        symbol: dataclasses.replace(traced, dates=np.arange(len(traced.dates)).astype("datetime64[h]"))
        for symbol, traced in package.trace.items()
    }
    lines = mini.csv("AA").splitlines()
    lines.insert(6, lines[5].replace(",", " 12:00,", 1))
    (bars,) = parse_bars("\n".join(lines).encode(), "AA.csv", package.symbols, "AA")
    assert len(make_feed(bars, dataclasses.replace(package, trace=hours)).dates) == 169


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
