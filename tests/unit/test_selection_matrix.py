"""The trial matrix: each fold from flat to flat, sleeves of 1/M, buy and hold on the same bars."""

import numpy as np
import pandas as pd
import pytest

from outsample.errors import SchemaError
from outsample.io.files import write_table
from outsample.market.accounting import MarketRules, simulate
from outsample.market.metrics import METRICS
from outsample.market.panel import Panel
from outsample.selection.matrix import account

RULES = MarketRules("next_open", 0.0006, 0.0001, short_selling=True, grid=0.01, band=0.0)
DAYS = pd.date_range("2020-01-06", periods=40, freq="D").astype("datetime64[us]")


def _panel(bars: dict[str, slice]) -> Panel:
    generator = np.random.Generator(np.random.PCG64(4))
    frames = []
    for symbol, span in bars.items():
        close = 50 * np.exp(np.cumsum(generator.normal(0, 0.02, 40)))
        open_ = close * np.exp(generator.normal(0, 0.005, 40))
        frame = pd.DataFrame({"symbol": symbol, "date": DAYS, "open": open_, "close": close, "factor": 0.5})
        frames.append(frame[span])
    return Panel.from_frame(pd.concat(frames, ignore_index=True), [])


def _targets(
    lanes: list[tuple[int, int, int]], symbol_rows: dict[str, dict[int, range]], value: object
) -> pd.DataFrame:
    rows = [
        (trial, fold, seed, symbol, row, value(trial, seed, row) if callable(value) else value)
        for trial, fold, seed in lanes
        for symbol, folds in symbol_rows.items()
        for row in folds.get(fold, range(0))
    ]
    frame = pd.DataFrame(rows, columns=["trial", "fold", "seed", "symbol", "row", "target"])
    return frame.astype({"trial": np.int32, "fold": np.int32, "seed": np.int32, "target": np.float64})


LANES = [(t, f, s) for t in (0, 1) for f in (0, 1) for s in (0, 1)]
TWO_FOLDS = {"A": {0: range(10, 22), 1: range(22, 40)}, "B": {0: range(0, 12), 1: range(12, 30)}}


def _random_target(trial: int, seed: int, row: int) -> float:
    return float(np.sign(np.sin(1.7 * row + 2.3 * trial + seed)))


@pytest.fixture(scope="module")
def panel() -> Panel:
    return _panel({"A": slice(0, 40), "B": slice(10, 40)})


def test_matrix_is_the_markets_own_replay_of_each_fold(panel: Panel, tmp_path) -> None:
    targets = _targets(LANES, TWO_FOLDS, _random_target)
    found = account(targets.sample(frac=1, random_state=0), panel, RULES, "ppo", 252.0, starting_equity=100.0)
    for table in ("matrix", "portfolios", "scores"):
        write_table(getattr(found, table), tmp_path / table, table)
    matrix = found.matrix
    assert len(matrix) == len(targets)
    lane = matrix.query("trial == 1 and fold == 1 and seed == 0 and symbol == 'B'").sort_values("date")
    rows = slice(40 + 12, 40 + 30)
    asked = [_random_target(1, 0, row) for row in range(12, 30)]
    ledger = simulate(asked, panel.open[rows], panel.close[rows], RULES, 50.0)
    assert lane["net_return"].to_numpy() == pytest.approx(ledger.net_return, abs=0)
    assert lane["position"].to_numpy() == pytest.approx(ledger.position, abs=0)
    assert lane["target"].to_numpy()[-2:].tolist() == [0.0, 0.0]
    assert (lane["date"].to_numpy() == panel.dates[rows]).all()
    assert matrix["net_return"].to_numpy() == pytest.approx(matrix["gross_return"] - matrix["cost"])
    ends = matrix.sort_values("date").groupby(["trial", "fold", "seed", "symbol"])["position"]
    assert (ends.first() == 0).all()
    assert (ends.last() == 0).all()


def test_portfolio_is_the_sum_of_equal_sleeves(panel: Panel) -> None:
    found = account(_targets(LANES, TWO_FOLDS, _random_target), panel, RULES, "ppo", 252.0)
    pick = "trial == 0 and fold == 0 and seed == 1"
    equity = found.matrix.query(pick).assign(growth=lambda f: 1 + f["net_return"]).sort_values("date")
    sleeves = equity.pivot(index="date", columns="symbol", values="growth").cumprod().mean(axis=1)
    portfolio = (1 + found.portfolios.query(pick).set_index("date")["net_return"]).cumprod()
    assert portfolio.to_numpy() == pytest.approx(sleeves.to_numpy())


def test_an_agent_that_always_holds_is_buy_and_hold(panel: Panel) -> None:
    found = account(_targets(LANES, TWO_FOLDS, 1.0), panel, RULES, "ppo", 252.0)
    assert (found.portfolios["net_return"] == found.portfolios["buy_and_hold_return"]).all()
    assert found.portfolios["net_return"].abs().max() > 0.001


def test_scores_hold_every_metric_of_each_lane(panel: Panel) -> None:
    found = account(_targets(LANES, TWO_FOLDS, 0.0), panel, RULES, "ppo", 252.0)
    wide = found.scores.pivot(index=["agent", "trial", "fold", "seed"], columns="metric", values="value")
    assert set(wide.columns) == set(METRICS)
    assert len(wide) == len(LANES)
    assert wide["sharpe"].isna().all()
    assert (wide[["total_return", "trades", "exposure", "turnover"]] == 0).to_numpy().all()


def test_a_symbol_without_rows_in_a_fold_stays_in_cash(panel: Panel) -> None:
    both = {"A": {0: range(10, 22)}, "B": {0: range(0, 12)}}
    lanes = [(0, 0, 0)]
    found = account(_targets(lanes, {"A": both["A"]}, 1.0), panel, RULES, "ppo", 252.0)
    alone = found.matrix.set_index("date")["net_return"]
    portfolio = found.portfolios.set_index("date")["net_return"]
    assert (1 + portfolio).cumprod().to_numpy() == pytest.approx(0.5 + 0.5 * (1 + alone).cumprod().to_numpy())
    assert (found.portfolios["net_return"] == found.portfolios["buy_and_hold_return"]).all()


def test_bad_targets_are_refused(panel: Panel) -> None:
    good = _targets(LANES, TWO_FOLDS, 1.0)
    uneven = good.drop(index=good.query("trial == 1 and row == 21 and symbol == 'A'").index)
    with pytest.raises(SchemaError, match="Fold 0 of A in the table targets has lanes of different rows"):
        account(uneven, panel, RULES, "ppo", 252.0)
    gap = good[good["row"] != 15]
    with pytest.raises(SchemaError, match="rows that the bars do not have"):
        account(gap, panel, RULES, "ppo", 252.0)
    with pytest.raises(SchemaError, match="rows that the bars do not have"):
        account(good.assign(row=good["row"] + 5), panel, RULES, "ppo", 252.0)
    with pytest.raises(SchemaError, match="holds C, of which there are no bars"):
        account(good.replace({"symbol": {"B": "C"}}), panel, RULES, "ppo", 252.0)
    with pytest.raises(SchemaError, match="is empty"):
        account(good[:0], panel, RULES, "ppo", 252.0)
