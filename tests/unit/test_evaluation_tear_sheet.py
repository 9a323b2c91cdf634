"""The vault seen more closely, on small returns by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from outsample.evaluation import tear_sheet
from outsample.io import write_table
from outsample.market.metrics import max_drawdown, sharpe_ratio


def book(returns, first="2020-01-30"):
    r = np.asarray(returns, dtype=np.float64)
    return pd.DataFrame(
        {
            "date": pd.bdate_range(first, periods=len(r)).astype("datetime64[us]"),
            "net_return": r,
            "equity": 100 * np.cumprod(1 + r),
            "position": np.where(np.arange(len(r)) % 2, -0.5, 1.0),
        }
    )


def drawn(bars, seed=1):
    return np.r_[0.0, np.random.Generator(np.random.PCG64(seed)).normal(5e-4, 0.01, bars - 1)]


def test_each_window_has_its_own_sharpe_ratio_and_exposure():
    found = tear_sheet.rolling(whole := book(drawn(60)), 252.0, 0.02, 0.95)
    assert set(found["window"]) == {30}
    assert len(found) == 31
    last = whole["net_return"].to_numpy()[-30:]
    assert found["sharpe"].iloc[-1] == pytest.approx(sharpe_ratio(last, 252.0, 0.02))
    assert found["exposure"].iloc[-1] == pytest.approx(0.75)
    per_bar = found["sharpe"].iloc[-1] / math.sqrt(252)
    half = 1.959964 * math.sqrt((1 + per_bar**2 / 2) / 30) * math.sqrt(252)
    assert found["upper"].iloc[-1] - found["sharpe"].iloc[-1] == pytest.approx(half, rel=1e-6)
    assert found["lower"].iloc[-1] + found["upper"].iloc[-1] == pytest.approx(2 * found["sharpe"].iloc[-1])


def test_returns_that_do_not_vary_have_no_ratio_and_too_few_bars_no_row():
    flat = tear_sheet.rolling(book(np.zeros(50)), 252.0, 0.0, 0.95)
    assert flat[["sharpe", "lower", "upper"]].isna().all(axis=None)
    assert tear_sheet.rolling(book(drawn(19)), 252.0, 0.0, 0.95).empty


def test_months_multiply():
    found = tear_sheet.months(book([0.0, 0.1, 0.1, -0.5]))  # Thursday 30 and Friday 31 January, then February
    assert found[["year", "month", "bars"]].to_numpy().tolist() == [[2020, 1, 2], [2020, 2, 2]]
    assert found["net_return"].tolist() == pytest.approx([0.1, -0.45])


def test_every_bar_lies_in_one_bin():
    found = tear_sheet.histogram({"agent": drawn(50), "buy_and_hold": drawn(50, 2)})
    assert found.groupby("series")["bars"].sum().tolist() == [50, 50]
    assert found["left"].nunique() == tear_sheet.BINS
    alike = tear_sheet.histogram({"agent": np.zeros(5), "buy_and_hold": np.zeros(5)})
    assert alike.groupby("series")["bars"].sum().tolist() == [5, 5]


def test_quantiles_of_a_normal_sample_are_those_of_the_normal():
    r = np.array([-0.02, 0.0, 0.02])
    found = tear_sheet.quantiles(book(r))
    assert found["probability"].tolist() == pytest.approx([1 / 6, 1 / 2, 5 / 6])
    assert found["net_return"].tolist() == pytest.approx(np.quantile(r, [1 / 6, 1 / 2, 5 / 6]))
    assert found["normal"].tolist() == pytest.approx([-0.02 * 0.967422, 0.0, 0.02 * 0.967422])


def test_drawdowns_by_hand():
    whole = book([0.0, 0.1, -0.1, -0.1, 0.3, -0.05, -0.01])  # 100 110 99 89.1 115.8 110 108.9
    found = tear_sheet.drawdowns(whole)
    dates = whole["date"].tolist()
    assert found["depth"].tolist() == pytest.approx([0.19, 1 - 0.95 * 0.99])
    assert found["peak"].tolist() == [dates[1], dates[4]]
    assert found["trough"].tolist() == [dates[3], dates[6]]
    assert found["recovered"].tolist()[0] == dates[4]
    assert pd.isna(found["recovered"].iloc[1])
    assert found[["rank", "bars_down", "bars"]].to_numpy().tolist() == [[1, 2, 3], [2, 2, 2]]
    long = book(drawn(400))
    assert tear_sheet.drawdowns(long)["depth"].iloc[0] == pytest.approx(max_drawdown(long["net_return"]))
    assert len(tear_sheet.drawdowns(book(np.tile([0.0, 0.02, -0.01], 30)))) == tear_sheet.WORST
    assert tear_sheet.drawdowns(book(np.zeros(5))).empty


def test_actions_are_counted_and_their_entropy_is_that_of_the_shares():
    agent = pd.DataFrame({"symbol": ["AA"] * 4 + ["BB", "portfolio"], "target": [1.0, 1.0, 0.0, -1.0, 0.0, 0.5]})
    found = tear_sheet.actions(agent).set_index(["symbol", "target"])
    assert found.loc[("AA", 1.0), "bars"] == 2
    assert found.loc["AA", "share"].tolist() == [0.25, 0.25, 0.5]
    assert found.loc["AA", "entropy"].tolist() == pytest.approx([1.5 * math.log(2)] * 3)
    assert found.loc[("BB", 0.0), "entropy"] == 0.0
    assert "portfolio" not in found.index


def test_all_tables_fit_their_schemas(tmp_path):
    parts = [
        book(drawn(90, seed)).assign(series=series, symbol=symbol, cost=0.0, target=0.0, price=1.0)
        for seed, series in enumerate(tear_sheet.COMPARED)
        for symbol in ("AA", "portfolio")
    ]
    sheet = tear_sheet.tear_sheet(pd.concat(parts, ignore_index=True), 252.0)
    for name, table in zip(sheet._fields, sheet, strict=True):
        write_table(table, tmp_path / name, name)
        assert len(table)
        if name != "actions":
            assert set(table["series"]) == set(tear_sheet.COMPARED)


def test_equity_of_a_day_is_that_of_its_last_bar():
    dates = pd.to_datetime(["2020-01-02 10:00", "2020-01-02 16:00", "2020-01-03 10:00"])
    rows = [
        pd.DataFrame({"series": series, "symbol": symbol, "date": dates, "equity": [level, level + 1, level + 2]})
        for series, level in (("agent", 10.0), ("flat", 20.0))
        for symbol in ("AA", "portfolio")
    ]
    found = tear_sheet.daily_equity(pd.concat(rows, ignore_index=True))
    assert list(found.columns) == ["date", "agent", "flat"]
    assert found["date"].tolist() == list(pd.to_datetime(["2020-01-02", "2020-01-03"]))
    assert found[["agent", "flat"]].to_numpy().tolist() == [[11.0, 21.0], [12.0, 22.0]]
