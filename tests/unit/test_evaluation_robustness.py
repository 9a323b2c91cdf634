"""The agent's result in other circumstances, by hand and by the accounting that it rests on."""

import numpy as np
import pandas as pd
import pytest

from outsample.evaluation.benchmarks import VaultBars
from outsample.evaluation.robustness import break_even_cost, robustness
from outsample.market.accounting import MarketRules
from outsample.report.robustness import sentence

RULES = MarketRules("next_open", 0.001, 0.0, short_selling=True, grid=0.01, band=0.0)


def _bars(open_: list[float], close: list[float], first: str = "2020-01-30") -> VaultBars:
    dates = (pd.Timestamp(first) + pd.to_timedelta(np.arange(len(close)), unit="D")).to_numpy()
    ones = np.ones(len(close))
    return VaultBars(dates, np.array(open_), np.array(close), ones, np.array([close[0]]))


# Bought at 100, sold at 110: bars 0 to 3, long from the fill of bar 1 to that of bar 3.
RISE = _bars([100.0, 100.0, 105.0, 110.0], [100.0, 104.0, 108.0, 110.0])
LONG = {"A": np.array([1.0, 1.0, 0.0, 0.0])}


def _rows(decisions, bars, rules=RULES) -> pd.DataFrame:
    return robustness(decisions, bars, rules, 252.0, 0.0, 1000.0).set_index(["kind", "scenario"])


def test_costs_by_hand_and_the_cost_at_which_nothing_is_earned() -> None:
    rows = _rows({0: LONG}, {"A": RISE})["total_return"]
    # A position of all equity after its fee: equity / (1 + c) at 100, sold at 110 less c of the proceeds.
    for times in (0, 1, 2, 3):
        cost = 0.001 * times
        assert rows["costs", f"{times} times the costs"] == pytest.approx(1.1 * (1 - cost) / (1 + cost) - 1)
    even = break_even_cost(LONG, {"A": RISE}, RULES, 1000.0)
    assert even == pytest.approx(0.1 / 2.1, abs=1e-6)  # 1.1 (1 - c) = 1 + c
    assert rows["costs", "nothing is earned"] == pytest.approx(0.0, abs=1e-5)


def test_fills_one_bar_later_by_hand() -> None:
    rows = _rows({0: LONG}, {"A": RISE}, RULES)
    # Bought at 105 instead of 100; the last bar closes the position at its open of 110 all the same.
    assert rows.loc[("fill", "one bar later"), "total_return"] == pytest.approx(110 / 105 * 0.999 / 1.001 - 1)


def test_a_later_start_cuts_both_sides() -> None:
    rows = _rows({0: LONG, 1: {"A": np.array([1.0, 1.0, 0.0])}}, {"A": RISE})
    later = rows.loc[("start", "1 bar later")]
    assert later["bars"] == 3
    assert later["total_return"] == later["buy_and_hold_return"]  # both are long from the fill at 105 on
    assert later["total_return"] == pytest.approx(110 / 105 * 0.999 / 1.001 - 1)


def test_a_crash_hits_what_is_held_at_the_open_of_the_middle_date() -> None:
    crashed = robustness({0: LONG}, {"A": RISE}, RULES, 252.0, 0.0, 1000.0, 0.2).set_index(["kind", "scenario"])
    row = crashed.loc[("crash", "20% lower from the open of 2020-02-01")]  # the third of four dates
    # Bought at 100 at the open of the second, sold at the open of the fourth: 110 less a fifth.
    assert row["total_return"] == pytest.approx(0.8 * 110 / 100 * 0.999 / 1.001 - 1)
    assert row["max_drawdown"] > 0.15
    pd.testing.assert_frame_equal(crashed.iloc[:-1], _rows({0: LONG}, {"A": RISE}))  # one line more, no other changed


def test_worst_months_and_weather_take_bars_of_the_plain_run() -> None:
    generator = np.random.Generator(np.random.PCG64(5))
    moves = generator.normal(0, 0.01, 200) * np.where(np.arange(200) < 100, 0.3, 3.0)
    moves[130:160] -= 0.01
    close = 100 * np.exp(np.cumsum(moves))
    bars = {"A": _bars([*close[:1], *close[:-1]], [*close], "2020-01-01")}
    held = {"A": np.ones(200)}
    rows = robustness({0: held}, bars, RULES, 252.0, 0.0, 1000.0)
    others = rows[rows["kind"] != "fill"]
    np.testing.assert_allclose(others["total_return"], others["buy_and_hold_return"])  # the agent is buy and hold
    months = rows[rows["kind"] == "month"]
    assert len(months) == 3
    assert months["total_return"].is_monotonic_increasing
    assert (months["total_return"] < 0).all()
    weather = rows[rows["kind"] == "volatility"]
    assert weather["bars"].sum() == 180
    assert weather["max_drawdown"].iloc[2] > weather["max_drawdown"].iloc[0]
    assert rows["place"].tolist() == list(range(len(rows)))


def test_what_never_trades_has_no_break_even_cost_and_the_sentences_say_so() -> None:
    flat = robustness({0: {"A": np.zeros(4)}}, {"A": RISE}, RULES, 252.0, 0.0, 1000.0)
    assert "nothing is earned" not in set(flat["scenario"])
    assert sentence(flat) == "Even without costs nothing is earned."
    assert flat["sharpe"].isna().all()
    earning = robustness({0: LONG}, {"A": RISE}, RULES, 252.0, 0.0, 1000.0)
    assert sentence(earning) == (
        "The result is eaten up at 476.2 basis points a fill, which is above the configured costs, 47.6 times them."
    )
    steep = {"A": _bars([100.0, 100.0, 105.0, 300.0], [100.0, 104.0, 108.0, 300.0])}
    assert sentence(robustness({0: LONG}, steep, RULES, 252.0, 0.0, 1000.0)).startswith("No cost of up to 500 basis")
