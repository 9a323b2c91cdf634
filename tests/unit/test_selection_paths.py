"""Blocks that several splits test: paths by hand and as skfolio joins them, one series of a trial, its folds."""

import numpy as np
import pandas as pd
import pytest
from skfolio.model_selection import CombinatorialPurgedCV

from outsample.config.folds import Folds
from outsample.control.shifts import shift_targets
from outsample.evaluation.verdict import BLOCK
from outsample.folds.make import make_folds
from outsample.folds.table import fold_chart, fold_table
from outsample.io.files import write_table
from outsample.market.accounting import MarketRules, simulate
from outsample.market.panel import Panel
from outsample.selection.folds import summarise_folds
from outsample.selection.matrix import account
from outsample.selection.paths import blocks_tested, path_metrics, trial_returns
from outsample.selection.statistics import hedge, superior_predictive_ability

RULES = MarketRules("next_open", 0.0006, 0.0001, short_selling=True, grid=0.01, band=0.0)
SPLITS = ((0, 1), (0, 2), (1, 2))  # of 3 blocks of 4 bars


def _returns(split: int, bar: int) -> float:
    return 0.01 * (split + 1) + 0.001 * bar


def _portfolios() -> pd.DataFrame:
    """Two seeds of one trial on the three splits of 12 bars, which differ by 0.0002 about `_returns`."""
    days = pd.date_range("2020-01-01", periods=12).astype("datetime64[us]")
    rows = [
        ("ppo", 0, split, seed, days[bar], _returns(split, bar) + 0.0001 * (2 * seed - 1), 0.0, 0.5 * bar)
        for split, blocks in enumerate(SPLITS)
        for block in blocks
        for bar in range(4 * block, 4 * block + 4)
        for seed in (0, 1)
    ]
    return pd.DataFrame(
        rows, columns=["agent", "trial", "fold", "seed", "date", "net_return", "cost", "buy_and_hold_return"]
    )


def test_one_series_of_a_trial_is_the_mean_over_the_paths() -> None:
    trials, market = trial_returns(_portfolios().sample(frac=1.0, random_state=0))
    tested = [[split for split, blocks in enumerate(SPLITS) if bar // 4 in blocks] for bar in range(12)]
    by_hand = [np.mean([_returns(split, bar) for split in tested[bar]]) for bar in range(12)]
    assert trials[:, 0] == pytest.approx(by_hand)
    assert market.tolist() == [0.5 * bar for bar in range(12)]


def test_paths_by_hand(tmp_path) -> None:
    found = path_metrics(_portfolios(), 252.0)
    write_table(found, tmp_path / "paths", "paths")
    # Block 0 is tested by splits 0 and 1, block 1 by 0 and 2, block 2 by 1 and 2.
    paths = [(0, 0, 1), (1, 2, 2)]
    for path, splits in enumerate(paths):
        net = np.array([_returns(splits[bar // 4], bar) for bar in range(12)])
        row = found[found["path"] == path].iloc[0]
        assert row["bars"] == 12
        assert row["total_return"] == pytest.approx(np.prod(1 + net) - 1)
        assert row["sharpe"] == pytest.approx(net.mean() / net.std(ddof=1) * 252**0.5)
        assert row["max_drawdown"] == 0.0
    assert len(found) == 2


@pytest.mark.parametrize(("n_folds", "tested"), [(3, 2), (5, 3), (6, 2)])
def test_paths_are_those_of_skfolio(n_folds: int, tested: int) -> None:
    cutter = CombinatorialPurgedCV(n_folds, tested)
    rows = [
        ("ppo", 0, split, 0, day, float(split), 0.0, 0.0)
        for split, (_, tests) in enumerate(cutter.split(np.empty((3 * n_folds, 1))))
        for day in np.concatenate(tests).tolist()
    ]
    frame = pd.DataFrame(
        rows, columns=["agent", "trial", "fold", "seed", "date", "net_return", "cost", "buy_and_hold_return"]
    )
    found = path_metrics(frame, 1.0)
    assert len(found) == cutter.n_test_paths
    # recombined_paths[block, path] is the split; a return is the split's number.
    assert found["total_return"].tolist() == pytest.approx(
        [np.prod([(1.0 + split) ** 3 for split in of_path]) - 1.0 for of_path in cutter.recombined_paths.T]
    )


def test_a_walk_forward_is_one_path_and_one_block_a_fold() -> None:
    assert blocks_tested([0, 0, 1, 1], [1, 2, 3, 4]).tolist() == [0, 0, 1, 1]
    one = _portfolios()
    one = one[
        ((one["fold"] == 0) & (one["date"] < "2020-01-05")) | ((one["fold"] == 2) & (one["date"] >= "2020-01-05"))
    ]
    found = path_metrics(one, 252.0)
    assert found[["path", "bars"]].to_numpy().tolist() == [[0, 12]]
    trials, _ = trial_returns(one)
    assert trials[:, 0] == pytest.approx([_returns(0 if bar < 4 else 2, bar) for bar in range(12)])


@pytest.fixture(scope="module")
def case() -> tuple[Panel, pd.DataFrame, pd.DataFrame]:
    """Bars of two symbols, the folds of a combinatorial scheme on them, and targets of two trials."""
    generator = np.random.Generator(np.random.PCG64(4))
    days = pd.date_range("2020-01-06", periods=48).astype("datetime64[us]")
    frames = []
    for symbol, first in (("A", 0), ("B", 9)):
        close = 50 * np.exp(np.cumsum(generator.normal(0, 0.02, 48)))
        open_ = close * np.exp(generator.normal(0, 0.005, 48))
        frame = pd.DataFrame({"symbol": symbol, "date": days, "open": open_, "close": close, "factor": 1.0})
        frames.append(frame[first:])
    bars = pd.concat(frames, ignore_index=True)
    folds = make_folds(bars, Folds(scheme="combinatorial_purged", n_folds=4, inner_folds=2), 0)
    tests = folds[folds["part"] == "test"]
    rows = [
        (trial, line.fold, 0, line.symbol, row, float(np.sign(np.sin(1.7 * row + 2.3 * trial + line.fold))))
        for trial in (0, 1)
        for line in tests.itertuples()
        for row in range(line.start, line.end)
    ]
    targets = pd.DataFrame(rows, columns=["trial", "fold", "seed", "symbol", "row", "target"])
    types = {"trial": np.int32, "fold": np.int32, "seed": np.int32}
    return Panel.from_frame(bars, []), folds, targets.astype(types)


def test_each_tested_block_is_accounted_from_flat_to_flat(case, tmp_path) -> None:
    panel, _, targets = case
    found = account(targets, panel, RULES, "ppo", 252.0)
    for table in ("matrix", "portfolios", "scores"):
        write_table(getattr(found, table), tmp_path / table, table)
    assert len(found.matrix) == len(targets)
    # Split 0 tests blocks 0 and 1, which touch; split 1 blocks 0 and 2, which do not.
    for split, spans in ((0, ((0, 12), (12, 24))), (1, ((0, 12), (24, 36)))):
        asked = targets.query(f"trial == 1 and fold == {split} and symbol == 'A'").set_index("row")["target"]
        mine = found.matrix.query(f"trial == 1 and fold == {split} and symbol == 'A'").sort_values("date")
        ledgers = [
            simulate(asked.loc[start : end - 1].to_numpy(), panel.open[start:end], panel.close[start:end], RULES, 0.5)
            for start, end in spans
        ]
        assert mine["net_return"].tolist() == np.concatenate([ledger.net_return for ledger in ledgers]).tolist()
    whole = found.scores.query("metric == 'total_return' and trial == 1 and fold == 1")["value"].iloc[0]
    net = found.portfolios.query("trial == 1 and fold == 1").sort_values("date")["net_return"]
    assert whole == pytest.approx(np.prod(1 + net) - 1)
    trials, market = trial_returns(found.portfolios)
    assert trials.shape == (48, 2)
    assert len(market) == 48


def test_a_constant_target_is_the_same_after_every_shift_and_judged_by_the_mean_over_the_paths(case) -> None:
    panel, _, targets = case
    constant = targets.assign(target=np.where(targets["trial"] == 0, 1.0, -0.5))
    found = account(constant, panel, RULES, "ppo", 252.0)
    shifted = shift_targets(found.matrix, found.portfolios, panel, RULES, shifts=2, seed=0, resamples=200)
    trials, market = trial_returns(found.portfolios)
    raw = superior_predictive_ability(trials, BLOCK, 0, 200)
    hedged = superior_predictive_ability(hedge(trials, market)[0], BLOCK, 0, 200)
    assert 0.02 < raw < 0.98
    assert shifted["p_trials_raw"].tolist() == [raw] * 2
    assert shifted["p_trials_hedged"].tolist() == [hedged] * 2


def test_the_fold_table_says_what_is_left_out_on_either_side(case) -> None:
    _, folds, _ = case
    table = fold_table(folds).set_index(["fold", "block"])
    assert len(table) == 12
    # Split 1 tests rows 0-11 and 24-35; it learns from 14-21 and 38-47.
    first, second = table.loc[(1, 0)], table.loc[(1, 1)]
    assert pd.isna(first["left_before"])
    assert [first["left_after"], second["left_before"], second["left_after"]] == [2, 2, 2]
    assert [first["train_rows"], first["train_spans"], first["test_rows"]] == [18, 2, 12]
    # Split 3 tests rows 12-23 and 24-35, which touch.
    third = [table.loc[(3, block), f"left_{side}"] for block in (0, 1) for side in ("before", "after")]
    assert [pd.isna(left) or int(left) for left in third] == [2, True, True, 2]
    chart = fold_chart(folds)
    assert chart == fold_chart(folds)
    assert chart.count("<text") == 7 + 3  # six splits and the final policy, and three words on the axes
    assert chart.count("#d55e00") == 9  # of two blocks that touch one bar is drawn


def test_summary_over_folds_by_hand(tmp_path) -> None:
    keys = {"agent": "ppo", "trial": 0}
    values = {
        "sharpe": [[1.0, 3.0], [np.nan, -1.0], [np.nan, np.nan]],
        "max_drawdown": [[0.1, 0.3], [0.4, 0.4], [0.0, 0.0]],
    }
    rows = [
        keys | {"metric": metric, "fold": fold, "seed": seed, "value": value}
        for metric, of_folds in {**values, "trades": values["max_drawdown"]}.items()
        for fold, of_seeds in enumerate(of_folds)
        for seed, value in enumerate(of_seeds)
    ]
    found = summarise_folds(pd.DataFrame(rows)).astype({"trial": "int32"})
    write_table(found, tmp_path / "fold_metrics", "fold_metrics")
    table = found.set_index("metric")
    assert list(table.index) == ["max_drawdown", "sharpe"]  # of trades neither more nor less is better
    columns = ["folds", "mean", "median", "worst", "iqm"]
    assert table.loc["sharpe", columns].tolist() == pytest.approx([2, 0.5, 0.5, -1.0, 0.5])
    assert table.loc["max_drawdown", columns].tolist() == pytest.approx([3, 0.2, 0.2, 0.4, 0.2])
