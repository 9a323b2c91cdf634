"""What is drawn is what the tables hold."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
import runpy
from pathlib import Path

import numpy as np
import pytest

from outsample.report import charts, figures, folds
from outsample.report.inputs import read_tables

write_tables = runpy.run_path(str(Path(__file__).parents[1] / "report_tables.py"))["write_tables"]


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return read_tables(write_tables(tmp_path_factory.mktemp("trades")))


@pytest.fixture(scope="module")
def idle(tmp_path_factory):
    return read_tables(write_tables(tmp_path_factory.mktemp("idle"), trades=False))


def drawn(fragment: str) -> list[dict]:
    """The traces of each figure of a fragment."""
    found = re.findall(r'class="chart-data"[^>]*>(.*?)</script>', fragment, flags=re.DOTALL)
    return [json.loads(content)["data"] for content in found]


def values(held) -> np.ndarray:
    if isinstance(held, dict):
        return np.frombuffer(base64.b64decode(held["bdata"]), dtype=np.dtype(held["dtype"]))
    return np.asarray(held)


def test_the_equity_is_that_of_the_table(report):
    (traces,) = drawn(figures.equity(report))
    assert [trace["name"] for trace in traces][-1] == "agent"  # drawn last, on top
    band = ["upper", "its seeds, one by one"]
    assert [trace["name"] for trace in traces[:2]] == band
    assert {trace["name"] for trace in traces} == {label for label, *_ in charts.SERIES.values()} | {*band}
    of_seeds = report.seeds.groupby("date")["equity"]
    for trace, ends in zip(traces, (of_seeds.max(), of_seeds.min()), strict=False):
        np.testing.assert_array_equal(values(trace["y"]), ends.to_numpy())
    agent = report.series("agent")
    np.testing.assert_array_equal(values(traces[-1]["y"]), agent["equity"].to_numpy())
    assert traces[-1]["x"][0] == str(agent["date"].iloc[0].date())


def test_drawdown_is_the_fall_from_the_highest_equity(report):
    (traces,) = drawn(figures.drawdown(report))
    assert -values(traces[-1]["y"]).min() == pytest.approx(report.metric("max_drawdown")["value"])


def test_the_time_line_shows_every_fold_its_purge_and_the_vault(report):
    (traces,) = drawn(folds.fold_time_line(report))
    by_name = {trace["name"]: trace for trace in traces}
    assert by_name["purged before the test"]["text"] == ["2 bars purged"] * 3
    assert by_name["vault"]["x"] == [report.split["vault"]["first"], report.split["vault"]["last"]]
    assert set(by_name["test"]["y"]) - {None} == {"fold 0", "fold 1", "fold 2"}
    assert set(by_name["train"]["y"]) - {None} == {
        f"{f} · {i}" for f in ("fold 0", "fold 1", "fold 2", "final") for i in (0, 1)
    }


def test_each_lane_with_a_sharpe_ratio_has_a_mark(report):
    fragment = figures.trial_scores(report)
    sharpe = report.scores.loc[report.scores["metric"] == "sharpe", "value"]
    assert sum(len(values(trace["y"])) for trace in drawn(fragment)[0]) == sharpe.notna().sum()
    assert f"{sharpe.isna().sum()} of them are undefined" in fragment


def test_a_trial_that_broke_down_has_no_mark(report):
    scores = report.scores.copy()
    scores.loc[scores["trial"] == 1, "value"] = np.nan  # as account_trials leaves them
    fragment = figures.trial_scores(dataclasses.replace(report, scores=scores))
    marks = [x for trace in drawn(fragment)[0] for x in values(trace["x"])]
    assert set(marks) <= {0, 2, 3}
    assert f"each of the {3 * 6} lanes" in fragment
    assert "Trials that broke down are left out." in fragment
    assert "broke down" not in figures.trial_scores(report)


def test_learning_curves_show_every_seed_and_its_median_run(report):
    (traces,) = drawn(figures.learning_curves(report))
    medians = [trace for trace in traces if trace["name"].endswith("median run")]
    rows = report.curves[(report.curves["trial"] == 1) & (report.curves["seed"] == 0)]
    expected = rows.groupby("update")["reward"].median().to_numpy()
    np.testing.assert_allclose(values(medians[0]["y"]), expected)
    assert len(values(traces[0]["y"])) == 6 * 21  # 3 folds x 2 inner folds, each 20 updates and a gap


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    return read_tables(write_tables(tmp_path_factory.mktemp("several"), agents=("dqn", "ppo")))


def test_marks_and_curves_of_several_agents_are_told_apart(several):
    (traces,) = drawn(figures.trial_scores(several))
    sharpe = several.scores[several.scores["metric"] == "sharpe"].dropna()
    marks = [(x, y) for trace in traces for x, y in zip(trace["x"], values(trace["y"]), strict=True)]
    held = zip(sharpe["agent"] + " " + sharpe["trial"].astype(str), sharpe["value"], strict=True)
    assert sorted(marks) == sorted(held)
    fragment = figures.learning_curves(several)
    (traces,) = drawn(fragment)
    medians = [trace for trace in traces if trace["name"].endswith("median run")]
    curves = several.curves
    rows = curves[(curves["agent"] == "dqn") & (curves["trial"] == 1) & (curves["seed"] == 0)]
    np.testing.assert_allclose(values(medians[0]["y"]), rows.groupby("update")["reward"].median().to_numpy())
    assert "the chosen trial dqn 1:" in fragment


def test_curve_of_a_run_that_stopped_early_ends_there(report):
    rows = report.curves
    late = (rows["seed"] == 0) & (rows["fold"] == rows["fold"].min()) & (rows["inner"] == 0) & (rows["update"] >= 12)
    stopped = type(report)(**(vars(report) | {"curves": rows[~late]}))
    fragment = figures.learning_curves(stopped)
    (traces,) = drawn(fragment)
    drawn_rewards = np.array(values(traces[0]["y"]), float).reshape(6, 21)
    assert np.isfinite(drawn_rewards).sum(axis=1).tolist() == [12, 20, 20, 20, 20, 20]
    medians = [trace for trace in traces if trace["name"].endswith("median run")]
    kept = stopped.curves[(stopped.curves["trial"] == 1) & (stopped.curves["seed"] == 0)]
    np.testing.assert_allclose(values(medians[0]["y"]), kept.groupby("update")["reward"].median().to_numpy())
    assert "of a network with fewer updates ends there" in fragment
    patient = tuple({**s, "params": {**s["params"], "patience": 5}} for s in report.selections)
    assert "stopped early" in figures.learning_curves(type(report)(**(vars(stopped) | {"selections": patient})))
    assert "ends there" not in figures.learning_curves(report)


def test_a_greedy_agent_shows_its_loss_instead_of_its_entropy(report):
    curves = report.curves.assign(entropy=0.0)
    greedy = type(report)(**(vars(report) | {"curves": curves}))
    (traces,) = drawn(figures.learning_curves(greedy))
    rows = curves[(curves["trial"] == 1) & (curves["seed"] == 0)]
    medians = [trace for trace in traces if trace["name"].endswith("median run")]
    np.testing.assert_allclose(values(medians[1]["y"]), rows.groupby("update")["loss"].median().to_numpy())
    assert "loss" in figures.learning_curves(greedy)


def test_each_symbol_has_price_position_and_entries(report):
    found = drawn(figures.behaviour(report))
    assert len(found) == 2
    rows = report.series("agent", "BBB")
    np.testing.assert_array_equal(values(found[1][0]["y"]), rows["price"].to_numpy())
    np.testing.assert_array_equal(values(found[1][1]["y"]), rows["position"].to_numpy())
    entered = sum(len(values(trace["y"])) for trace in found[1][2:])
    assert entered == (report.trades["symbol"] == "BBB").sum()


def test_random_agents_are_all_counted_and_the_percentile_is_the_verdicts(report):
    fragment = figures.random_agents(report)
    bars = [trace for trace in drawn(fragment)[0] if trace["type"] == "bar"]
    assert [int(values(trace["y"]).sum()) for trace in bars] == [60, 60]
    below = report.verdict["tests"]["random_agents_below_total_return"]
    assert f"above {below:.1f}\N{NO-BREAK SPACE}% of them" in fragment


def test_costs_add_up(report):
    (traces,) = drawn(figures.costs(report))
    assert values(traces[-1]["y"])[-1] == pytest.approx(report.series("agent")["cost"].sum())


def test_where_there_is_nothing_to_draw_a_sentence_says_so(idle):
    assert "made no trade" in figures.holding_times(idle)
    assert "nothing to compare" in figures.random_agents(idle)
    assert "stayed flat" in figures.trial_scores(idle)
    assert len(drawn(figures.behaviour(idle))) == 2


def test_long_series_are_thinned_and_the_caption_says_so():
    assert charts.step_of(3001) == 3
    assert charts.thinning(3001) == " One bar in 3 is drawn."
    assert charts.thinning(1500) == ""


def test_labels_are_text_and_never_markup(tmp_path):
    report = read_tables(write_tables(tmp_path, ("<script>alert(1)</script>", "BBB")))
    fragment = figures.behaviour(report)
    assert "<script>alert" not in fragment
    assert "\\u003cscript" not in fragment  # in the figure's own text it is escaped, since plotly.js reads some tags


def test_vault_figures_share_their_zoom(report):
    for part in (figures.equity, figures.drawdown, figures.behaviour, figures.costs):
        fragment = part(report)
        assert fragment.count('data-group="vault"') == fragment.count('class="chart"')
    assert "data-group" not in folds.fold_time_line(report)


def luminance(color: str) -> float:
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("color", charts.PALETTE)
@pytest.mark.parametrize("paper", ["#ffffff", "#14171b"])
def test_every_colour_stands_out_on_both_papers(color, paper):
    dark, light = sorted([luminance(color), luminance(paper)])
    assert (light + 0.05) / (dark + 0.05) >= 3
