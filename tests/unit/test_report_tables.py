"""Every number that a table of the report shows is the number of the table that it read."""

from __future__ import annotations

import dataclasses
import math
import runpy
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from outsample.report import folds, prose, readings, tables
from outsample.report.inputs import read_tables
from outsample.report.markup import Fragment, details, escape, general, interval, number, paragraphs, percent, table

write_tables = runpy.run_path(str(Path(__file__).parents[1] / "report_tables.py"))["write_tables"]
SERIES = ("agent", "buy_and_hold", "scaled_buy_and_hold", "sma_cross", "flat")


class _Cells(HTMLParser):
    """Rows of one table as lists of (text, value); the value is that of `data-value`, None without one."""

    def __init__(self, html: str, name: str):
        super().__init__()
        self.name, self.inside, self.rows = name, False, []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag == "table":
            self.inside = given.get("id") == self.name
        elif tag == "tr" and self.inside:
            self.rows.append([])
        elif tag in ("td", "th") and self.inside:
            value = given.get("data-value")
            self.rows[-1].append(["", math.nan if value == "undefined" else float(value) if value else None])

    def handle_data(self, text):
        if self.inside and self.rows and self.rows[-1]:
            self.rows[-1][-1][0] += text.strip()


def cells(html: str, name: str) -> list[list[list]]:
    return [row for row in _Cells(html, name).rows if row][1:]  # without the headers


def same(shown: float, held: float) -> bool:
    return shown == held or (math.isnan(shown) and math.isnan(held))


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return read_tables(write_tables(tmp_path_factory.mktemp("trades")))


@pytest.fixture(scope="module")
def idle(tmp_path_factory):
    return read_tables(write_tables(tmp_path_factory.mktemp("idle"), trades=False, simulated=True))


def test_every_metric_of_every_series_is_the_one_of_the_table(report):
    rows = cells(tables.metrics(report), "metrics")
    assert len(rows) == len(tables.SHOWN) == report.metrics["metric"].nunique()
    for row, name in zip(rows, tables.SHOWN, strict=True):
        values = [row[1], *row[3:]]
        for (text, value), series in zip(values, SERIES, strict=True):
            held = report.metric(name, series)["value"]
            assert same(value, held)
            assert (text == "undefined") == math.isnan(held)


def test_the_best_in_hindsight_is_one_line_that_says_what_it_is(report, idle):
    best, earned = (report.metric("total_return", series)["value"] for series in ("best_in_hindsight", "agent"))
    line = str(tables.metrics(report)).partition('id="hindsight"')[2]
    assert f"{100 * best:,.0f}\N{NO-BREAK SPACE}% total return" in line
    share = f"{100 * math.log1p(earned) / math.log1p(best):.1f}".replace("-", "−")
    assert f"of which the agent made {share}\N{NO-BREAK SPACE}%" in line
    assert "Nobody could have earned it" in line
    assert best > max(report.metric("total_return", series)["value"] for series in SERIES)
    assert "best_in_hindsight" not in str(tables.cost_table(report))
    assert "of which the agent made 0.0" in str(tables.metrics(idle))


def test_the_interval_is_the_one_of_the_table(report):
    sharpe = next(row for row in cells(tables.metrics(report), "metrics") if row[0][0] == "Sharpe ratio")
    found = report.metric("sharpe")
    assert sharpe[2][0].replace("−", "-") == f"{found['lower']:.2f} to {found['upper']:.2f}"


def test_every_metric_of_every_symbol_is_the_one_of_the_table(report):
    rows = cells(tables.metrics_by_symbol(report), "metrics-by-symbol")
    for row, name in zip(rows, tables.SHOWN, strict=True):
        for (_, value), symbol in zip(row[1:], ("portfolio", "AAA", "BBB"), strict=True):
            assert same(value, report.metric(name, "agent", symbol)["value"])


def test_every_trade_is_shown_in_the_order_of_time(report):
    rows = cells(tables.trades(report), "trades")
    held = report.trades.sort_values(["entry_date", "symbol"])
    assert len(rows) == len(held) > 3
    assert [row[7][1] for row in rows] == held["profit"].tolist()
    assert [row[5][1] for row in rows] == held["entry_price"].tolist()
    assert [row[1][0] for row in rows] == ["long" if d > 0 else "short" for d in held["direction"]]


def test_trials_stand_in_the_order_of_the_ranking_and_the_chosen_one_is_marked(report):
    rows = cells(tables.trials(report), "trials")
    assert [row[0][0] for row in rows] == ["ppo 1 (chosen)", "ppo 0", "ppo 3", "ppo 2"]
    assert [row[2][0] for row in rows] == ["0.83", "0.41", "−0.12", "undefined"]
    gates = report.lanes.groupby("trial")["gate_open"].sum()
    assert [row[3][0] for row in rows] == [f"{gates[t]} of 6" for t in (1, 0, 3, 2)]
    rate = [round(row[8][1], 6) for row in rows]  # only what was varied is a column: discount, learning_rate
    assert len(rows[0]) == 9
    assert {row[4][0] for row in rows} == {"linear (3), tanh 8 (3)"}
    assert rate == [0.006, 0.003, 0.012, 0.009]


def test_trials_that_broke_down_are_told_in_one_sentence(report):
    assert "broke down" not in tables.trials(report)
    lanes = report.lanes.copy()
    of_lanes = (lanes["trial"] == 0) & (lanes["seed"] == 1) | (lanes["trial"] == 2) & (lanes["fold"] == 0)
    lanes.loc[of_lanes, "failure"] = "inner fold 1, update 37"
    told = tables.trials(dataclasses.replace(report, lanes=lanes))
    assert [row[3][0] == "broke down" for row in cells(told, "trials")] == [False, True, False, True]
    assert "5 of 24 lanes broke down" in told
    assert "of trials ppo 0 and ppo 2: lower learning_rate or reward_scale there" in told
    lanes["failure"] = lanes["failure"].where(lanes["trial"] != 2, "")
    assert "3 of 24 lanes broke down" in (told := tables.trials(dataclasses.replace(report, lanes=lanes)))
    assert "of trial ppo 0: lower" in told


def _with_search(report, **search):
    settings = report.settings | {"search": report.settings["search"] | search}
    return dataclasses.replace(report, config=report.config | {"settings": settings})


def test_trials_that_were_stopped_at_a_rung_say_where(report):
    assert "rung" not in tables.trials(report) + tables.question(report)
    rung = pd.DataFrame({"agent": "ppo", "trial": range(4), "rung": 0, "updates": 30, "score": 0.1})
    halved = dataclasses.replace(report, rungs=rung.assign(goes_on=rung["trial"] < 2))
    halved = _with_search(halved, rungs={"levels": 2, "reduction_factor": 2})
    told = tables.trials(halved)
    stopped = ["stopped at rung 0 after 30 updates" in row[3][0] for row in cells(told, "trials")]
    assert stopped == [False, False, True, True]  # trials 1, 0, 3, 2
    assert "2 of 4 trials were stopped at a rung." in told
    assert "2 rungs, of each of which the best 1/2 go on" in tables.question(halved)


def test_the_pareto_front_stands_below_the_trials_where_there_were_two_objectives(report):
    front = pd.DataFrame(
        {
            **{"agent": "ppo", "trial": [0, 1, 2], "total_return": [0.1, 0.3, 0.05]},
            **{"max_drawdown": [0.05, 0.2, 0.1], "front": [1, 1, 2]},
        }
    )
    both = _with_search(dataclasses.replace(report, pareto=front), objective="pareto", warm_start="older")
    rows = cells(tables.trials(both), "pareto")
    assert [(row[0][0], row[1][0]) for row in rows] == [("ppo 1 (chosen)", "30.0\xa0%"), ("ppo 0", "10.0\xa0%")]
    assert "its choice is on the front" in tables.trials(both)
    assert "told the trials of older beforehand" in tables.question(both)
    none = dataclasses.replace(both, pareto=front[:0])
    assert "There is no Pareto front" in tables.trials(none)
    assert 'id="pareto"' not in tables.trials(report)


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    return read_tables(write_tables(tmp_path_factory.mktemp("several"), agents=("dqn", "ppo")))


def test_trials_of_several_agents_are_told_apart(several):
    rows = cells(tables.trials(several), "trials")
    assert [row[0][0] for row in rows[:3]] == ["dqn 1 (chosen)", "ppo 1", "dqn 0"]
    opened = several.lanes.groupby(["agent", "trial"])["gate_open"].sum()
    assert opened["dqn"].tolist() != opened["ppo"].tolist()  # else the next line would show nothing
    expected = [f"{opened[agent, t]} of 6" for t in (1, 0, 3, 2) for agent in ("dqn", "ppo")]
    assert [row[3][0] for row in rows] == expected
    assert len(rows[0]) == 9  # discount and learning_rate; what only differs between the agents was not searched
    said = tables.question(several)
    assert "dqn, ppo" in said
    assert "16 trials, 8 of each agent, in 2 rounds" in said


def test_a_parameter_that_an_agent_does_not_have_is_left_blank(several):
    suggestions = [
        {**s, "trials": [{**t, "params": t["params"] | {"clip": 0.1 * t["trial"]}} for t in s["trials"]]}
        if s["agent"] == "ppo"
        else s
        for s in several.suggestions
    ]
    found = tables.trials(type(several)(**(vars(several) | {"suggestions": tuple(suggestions)})))
    rows = cells(found, "trials")
    assert len(rows[0]) == 10
    assert [row[7][0] for row in rows[:2]] == ["", "0.1"]


def test_purged_bars_stand_between_what_a_fold_learns_and_its_test(report):
    rows = cells(folds.folds(report), "folds")
    assert [(row[2][1], row[3][1], row[5][1]) for row in rows] == [(118, 2, 60), (178, 2, 60), (238, 2, 60)]


def test_the_audits_are_counted(report):
    rows = cells(tables.audits(report), "audits")
    assert [[cell[0] for cell in row[:5]] for row in rows] == [
        ["feature", "2", "2", "600", "0"],
        ["decision", "2", "2", "600", "0"],
    ]
    assert [row[5][0].startswith(tables.PROVED[row[0][0]]) for row in rows] == [True, True]
    each = cells(tables.audits(report), "audited")
    assert [(row[0][0], row[1][0], row[3][1]) for row in each] == [
        ("feature", "return_0", 300),
        ("feature", "sma_50", 300),
        ("decision", "AAA", 300),
        ("decision", "BBB", 300),
    ]


def test_every_market_rule_stands_with_its_unit(report):
    shown = {row[0][0]: [cell[0] for cell in row[1:3]] for row in cells(tables.market_rules(report), "market")}
    assert shown["commission"] == ["3", "basis points of traded notional"]
    assert shown["short_selling"] == ["yes", ""]
    assert shown["starting_equity"] == ["1,000,000", "currency"]
    assert shown["risk_free_rate"][0] == "0"


def test_rows_read_and_rows_used_are_told_apart(report):
    rows = cells(tables.data_spans(report), "data")
    assert [(row[0][0], row[1][1], row[2][1]) for row in rows] == [("AAA", 421, 420), ("BBB", 421, 420)]


def test_the_key_numbers_are_those_of_the_metrics(report):
    html = prose.key_numbers(report)
    for name in ("total_return", "sharpe", "alpha", "max_drawdown", "turnover", "cost_paid"):
        assert f'data-value="{report.metric(name)["value"]!r}"' in html
    assert number(report.verdict["detectable_sharpe"]).text in prose.headline(report)
    assert "risk-free rate is 0.0\N{NO-BREAK SPACE}% a year" in html


def test_survivors_are_named_where_the_data_are_real_only(report, idle):
    assert "they are survivors" in prose.key_numbers(report)
    assert "survivors" not in prose.key_numbers(idle)
    assert "The bars are simulated" in prose.key_numbers(idle)


def test_the_verdict_is_on_top_and_simulated_data_carry_a_badge(report, idle):
    assert escape(report.verdict["title"]) in prose.headline(report)
    assert all(escape(sentence) in prose.headline(report) for sentence in report.verdict["sentences"])
    assert "SIMULATED" not in prose.headline(report)
    assert "SIMULATED" in prose.headline(idle)


def test_an_agent_that_never_trades_is_named_and_its_ratios_are_undefined(report, idle):
    said = prose.activity(idle)
    for who in ("The agent", "AAA", "BBB"):
        assert f"{who}: never trades." in said
    assert "never trades" not in prose.activity(report)
    sharpe = next(row for row in cells(tables.metrics(idle), "metrics") if row[0][0] == "Sharpe ratio")
    assert sharpe[1][0] == "undefined"
    assert "none" in tables.trades(idle)
    assert "closed: the policy stays flat" in tables.chosen(idle)


def test_an_agent_that_holds_one_position_is_named(report):
    held = report.verdict["activity"] | {"portfolio": {"kind": "holds one position"}}
    said = prose.activity(read_with(report, held))
    assert "The agent: holds one position throughout the vault." in said


def read_with(report, activity):
    return type(report)(**(vars(report) | {"verdict": report.verdict | {"activity": activity}}))


def test_every_test_of_the_verdict_is_read_out(report):
    html = readings.statistics(report)
    rows = cells(html, "statistics")
    tests = report.verdict["tests"]
    assert len(rows) == len(tests)
    assert set(tests) <= set(readings.READINGS)
    shown = {row[0][0]: row[1] for row in rows}
    assert shown["Skill over buy and hold, joined p"][1] == tests["p_buy_and_hold"]
    assert shown["Alpha to buy and hold, a year"][1] == tests["alpha"]["value"]
    assert shown["Random agents below, by total return"][1] == tests["random_agents_below_total_return"]
    assert shown["Too short to tell"][0] == "yes"


def test_labels_are_text_and_never_markup(tmp_path):
    evil = "<script>alert(1)</script>"
    report = read_tables(write_tables(tmp_path, (evil, "BBB"), title="<b>bold</b>"))
    parts = [
        prose.headline,
        prose.activity,
        tables.question,
        tables.data_spans,
        tables.metrics_by_symbol,
        tables.trades,
    ]
    for part in parts:
        assert "<script" not in part(report)
    assert "&lt;b&gt;bold&lt;/b&gt;" in prose.headline(report)


def test_numbers_are_written_for_reading_and_keep_their_value():
    assert number(-1234.5678, 1).text == "−1,234.6"
    assert number(-0.001, 2).text == "0.00"
    assert percent(0.1234).text == "12.3\N{NO-BREAK SPACE}%"
    assert general(0.0031234).text == "0.003123"
    assert [n.text for n in (number(None), percent(math.nan), general(math.inf))] == ["undefined"] * 3
    assert 'data-value="0.123456789"' in table("t", ["a", "b"], [["x", percent(0.123456789)]])
    assert interval(number(None), number(1.0)) == ""


def test_a_table_without_rows_says_so():
    assert table("t", ["a"], [], "Trades") == Fragment('<p class="muted" id="t">Trades: none.</p>')


def test_a_fragment_is_not_escaped_twice():
    assert escape(Fragment("<b>")) == "<b>"
    assert paragraphs(["a < b"]) == "<p>a &lt; b</p>"
    assert "<summary>a &amp; b</summary>" in details("a & b", "")
