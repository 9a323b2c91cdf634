"""The whole evaluation on small vaults whose answer is known."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from outsample.config.models import Evaluation
from outsample.errors import DataError
from outsample.evaluation import EvaluationResult, evaluate
from outsample.evaluation.benchmarks import SERIES
from outsample.evaluation.judge import judge
from outsample.io.files import write_json, write_table
from outsample.market.accounting import MarketRules
from outsample.market.hindsight import best_in_hindsight
from outsample.market.metrics import BENCHMARK_METRICS, METRICS
from outsample.market.panel import Panel
from outsample.selection.matrix import account
from outsample.selection.paths import trial_returns

RULES = MarketRules("next_open", 0.0006, 0.00004, short_selling=True, grid=0.01, band=0.0)
QUICK = Evaluation(resamples=200, random_agents=50)
WARM_UP, VAULT, DEVELOPMENT = 60, 300, 600
SYMBOLS = ("A", "B")


def _state(seed: int, bars: int) -> np.ndarray:
    generator = np.random.Generator(np.random.PCG64([seed, 9]))
    return np.where(np.cumsum(generator.random(bars) < 0.03) % 2, 1.0, -1.0)


def _frame(seed: int, drift: float, first: int, last: int) -> pd.DataFrame:
    """Bars whose drift has the sign of a state that can be asked for."""
    frames = []
    for index, symbol in enumerate(SYMBOLS):
        bars = DEVELOPMENT + VAULT
        generator = np.random.Generator(np.random.PCG64([seed, index]))
        moves = generator.normal(0.0002, 0.01, bars) + drift * np.concatenate([[0], _state(index, bars)[:-1]])
        close = 40 * np.exp(np.cumsum(moves))
        open_ = np.concatenate([[40.0], close[:-1]]) * np.exp(generator.normal(0, 0.0005, bars))
        dates = pd.date_range("2020-01-06", periods=bars, freq="D").astype("datetime64[us]")
        frame = pd.DataFrame({"symbol": symbol, "date": dates, "open": open_, "close": close, "factor": 0.5})
        frames.append(frame[first:last])
    return pd.concat(frames, ignore_index=True)


def _portfolios(seed: int, drift: float, skilled: bool) -> pd.DataFrame:
    panel = Panel.from_frame(_frame(seed, drift, 0, DEVELOPMENT), [])
    generator = np.random.Generator(np.random.PCG64(seed))
    rows = []
    for trial in range(4):
        for training in range(2):
            for index, symbol in enumerate(SYMBOLS):
                chance = np.repeat(generator.choice([-1.0, 0.0, 1.0], 50), 10)
                rows += [
                    (trial, 0, training, symbol, 100 + row, value)
                    for row, value in enumerate(_state(index, DEVELOPMENT)[100:] if skilled and trial == 2 else chance)
                ]
    targets = pd.DataFrame(rows, columns=["trial", "fold", "seed", "symbol", "row", "target"])
    return account(targets, panel, RULES, "ppo", 252.0).portfolios


def _run(targets: dict[str, np.ndarray], drift: float = 0.0, skilled: bool = False, **changes: Any) -> EvaluationResult:
    panel = Panel.from_frame(_frame(0, drift, DEVELOPMENT - WARM_UP, DEVELOPMENT + VAULT), [])
    in_vault = np.tile(np.arange(WARM_UP + VAULT) >= WARM_UP, len(SYMBOLS))
    settings = {"look": 1, "simulated": False, "starting_equity": 1000.0} | changes
    portfolios = _portfolios(0, drift, skilled)
    return evaluate(targets, panel, in_vault, RULES, 252.0, QUICK, portfolios, **settings)


def _constant(value: float) -> dict[str, np.ndarray]:
    return {symbol: np.full(VAULT, value) for symbol in SYMBOLS}


@pytest.fixture(scope="module")
def oracle() -> EvaluationResult:
    targets = {symbol: _state(index, DEVELOPMENT + VAULT)[DEVELOPMENT:] for index, symbol in enumerate(SYMBOLS)}
    return _run(targets, drift=0.004, skilled=True)


@pytest.fixture(scope="module")
def holder() -> EvaluationResult:
    return _run(_constant(1.0))


def _value(result: EvaluationResult, metric: str, series: str = "agent", symbol: str = "portfolio") -> float:
    rows = result.metrics.query("series == @series and symbol == @symbol and metric == @metric")
    return float(rows["value"].iloc[0])


def test_tables_and_document_fit_their_schemas(oracle: EvaluationResult, tmp_path) -> None:
    for table in ("returns", "metrics", "trades", "random_agents", "seeds"):
        write_table(getattr(oracle, table), tmp_path / table, table)
    write_json(oracle.verdict, tmp_path / "verdict.json", "verdict")
    assert set(oracle.returns["series"]) == set(SERIES)
    assert set(oracle.returns["symbol"]) == {"portfolio", *SYMBOLS}
    assert set(oracle.metrics["metric"]) == {*METRICS, *BENCHMARK_METRICS}
    assert len(oracle.returns) == len(SERIES) * 3 * VAULT


def test_skill_is_found_where_it_is(oracle: EvaluationResult) -> None:
    assert oracle.verdict["level"] == "evidence_over_buy_and_hold"
    assert oracle.verdict["tests"]["p_trials_hedged"] < 0.05
    assert oracle.verdict["tests"]["random_agents_below_total_return"] == 100.0
    assert oracle.verdict["tests"]["deflated_sharpe_ratio"] > 0.9
    assert oracle.verdict["activity"]["portfolio"]["kind"] == "trades"
    interval = oracle.metrics.query("series == 'agent' and symbol == 'portfolio' and metric == 'alpha'").iloc[0]
    assert 0 < interval["lower"] < interval["value"] < interval["upper"]


def test_books_agree_with_each_other(oracle: EvaluationResult) -> None:
    for series in SERIES:
        of_series = oracle.returns[oracle.returns["series"] == series]
        rows = of_series.pivot(index="date", columns="symbol", values="equity")
        assert rows["portfolio"].to_numpy() == pytest.approx((rows["A"] + rows["B"]).to_numpy())
        assert rows.iloc[0].to_dict() == {"A": 500.0, "B": 500.0, "portfolio": 1000.0}
    equity = oracle.returns.query("series == 'agent' and symbol == 'portfolio'")["equity"]
    assert oracle.trades["profit"].sum() == pytest.approx(equity.iloc[-1] - 1000.0)
    assert _value(oracle, "trades") == len(oracle.trades)
    assert _value(oracle, "exposure") == oracle.verdict["activity"]["portfolio"]["exposure"]
    price = oracle.returns.query("series == 'flat' and symbol == 'A'")["price"].to_numpy()
    assert price == pytest.approx(_frame(0, 0.004, DEVELOPMENT, DEVELOPMENT + VAULT)["close"][:VAULT].to_numpy() * 2)


def test_a_copy_of_buy_and_hold_shows_no_skill_over_it(holder: EvaluationResult) -> None:
    tests = holder.verdict["tests"]
    assert tests["hedged_returns_vanish"]
    assert (tests["p_vault_alpha"], tests["alpha"]["value"]) == (1.0, 0.0)
    assert tests["beta"] == pytest.approx(1.0)
    assert holder.verdict["level"] != "evidence_over_buy_and_hold"
    assert "holds one position" in holder.verdict["title"]
    assert np.isnan(tests["random_agents_below_sharpe"])
    agent, held = (holder.returns.query("series == @s")["equity"].to_numpy() for s in ("agent", "buy_and_hold"))
    assert (agent == held).all()


def test_a_half_invested_holder_shows_no_skill_either() -> None:
    result = _run(_constant(0.5))
    assert result.verdict["level"] in ("none", "weak", "evidence_over_flat")
    assert "AAPL" not in " ".join(result.verdict["sentences"])
    assert "A 0.50, B 0.50" in " ".join(result.verdict["sentences"])


def test_a_flat_agent_never_trades_and_has_no_sharpe_ratio(tmp_path) -> None:
    result = _run(_constant(0.0), simulated=True)
    assert result.verdict["level"] == "none"
    assert "never trades" in result.verdict["title"]
    assert "simulated" in result.verdict["title"]
    assert np.isnan(_value(result, "sharpe"))
    assert _value(result, "total_return") == 0.0
    assert len(result.trades) == 0
    write_table(result.trades, tmp_path / "trades", "trades")
    write_table(result.random_agents, tmp_path / "random", "random_agents")
    scaled = result.returns.query("series == 'scaled_buy_and_hold'")
    assert (scaled["target"] == 0).all()


def test_decisions_of_the_warm_up_count_for_nothing_and_the_vault_ends_flat(holder: EvaluationResult) -> None:
    rows = holder.returns.query("series == 'agent' and symbol == 'A'").reset_index(drop=True)
    assert rows.loc[0, ["position", "net_return"]].tolist() == [0.0, 0.0]
    assert rows["target"].tolist() == [1.0] * (VAULT - 2) + [0.0, 0.0]
    assert rows["position"].iloc[-1] == 0.0
    assert str(rows["date"].iloc[0].date()) == "2021-08-28"  # bar 600 of 2020-01-06


def test_the_scaled_benchmark_has_the_agents_exposure(oracle: EvaluationResult) -> None:
    asked = oracle.returns.query("series == 'scaled_buy_and_hold' and symbol == 'A'")["target"].iloc[0]
    held = oracle.returns.query("series == 'agent' and symbol == 'A'")["position"]
    assert asked == pytest.approx(np.sign(held.mean()) * held.abs().mean(), abs=0.005)


def test_the_moving_averages_know_the_warm_up_bars(holder: EvaluationResult) -> None:
    closes = _frame(0, 0.0, DEVELOPMENT - WARM_UP, DEVELOPMENT + VAULT).query("symbol == 'B'")["close"]
    above = (closes.rolling(20).mean() > closes.rolling(50).mean()).to_numpy()[WARM_UP:]
    asked = holder.returns.query("series == 'sma_cross' and symbol == 'B'")["target"].to_numpy()
    assert (asked[:-2] == above[:-2]).all()
    assert 0 < asked.mean() < 1


def test_the_best_in_hindsight_is_a_bound_and_decides_nothing(oracle: EvaluationResult) -> None:
    rows = oracle.metrics[oracle.metrics["series"] == "best_in_hindsight"]
    assert set(rows["metric"]) == {"total_return"}
    assert set(rows["symbol"]) == {"portfolio", *SYMBOLS}
    assert rows[["lower", "upper"]].isna().all(axis=None)
    best = {symbol: _value(oracle, "total_return", "best_in_hindsight", symbol) for symbol in ("portfolio", *SYMBOLS)}
    assert best["portfolio"] == pytest.approx((best["A"] + best["B"]) / 2)
    frame = _frame(0, 0.004, DEVELOPMENT, DEVELOPMENT + VAULT).query("symbol == 'A'")
    found = best_in_hindsight(frame["open"].to_numpy(), frame["close"].to_numpy(), RULES)
    assert best["A"] == pytest.approx(math.expm1(found.log_return))
    for symbol, bound in best.items():
        for series in SERIES:
            assert bound > _value(oracle, "total_return", series, symbol)
    long_only = _run(_constant(1.0), drift=0.004, skilled=True, actions=(0.0, 1.0))
    assert _value(long_only, "total_return", "best_in_hindsight") < best["portfolio"]
    assert "best_in_hindsight" not in set(oracle.returns["series"])
    assert "hindsight" not in str(oracle.verdict)


def test_a_later_look_needs_a_smaller_p(oracle: EvaluationResult) -> None:
    targets = {symbol: _state(index, DEVELOPMENT + VAULT)[DEVELOPMENT:] for index, symbol in enumerate(SYMBOLS)}
    again = _run(targets, drift=0.004, skilled=True, look=5)
    assert again.verdict["tests"]["claim_below"] == pytest.approx(0.01)
    assert any("look 5" in sentence for sentence in again.verdict["sentences"])
    pd.testing.assert_frame_equal(again.metrics, oracle.metrics)  # and everything else is the same


def test_trials_that_broke_down_are_counted_and_have_no_returns(oracle: EvaluationResult) -> None:
    targets = {symbol: _state(index, DEVELOPMENT + VAULT)[DEVELOPMENT:] for index, symbol in enumerate(SYMBOLS)}
    found = _run(targets, drift=0.004, skilled=True, further_trials=3).verdict
    before, after = oracle.verdict["tests"], found["tests"]
    assert (before["trials"], after["trials"]) == (4, 7)
    assert any("7 trials" in sentence for sentence in found["sentences"])
    assert after["deflated_sharpe_ratio"] < before["deflated_sharpe_ratio"]  # the search was wider than its returns
    undefined = {name for name in before if pd.isna(before[name]) and pd.isna(after[name])}
    changed = {name for name in before if after[name] != before[name]} - undefined
    assert changed == {"trials", "deflated_sharpe_ratio"}


def test_trial_returns_average_seeds_and_keep_folds_apart() -> None:
    days = pd.to_datetime(["2020-01-01", "2020-01-02"])
    rows = [
        ("ppo", trial, fold, seed, day, 0.01 * (trial + 1) + 0.002 * seed + 0.1 * fold, 0.0, 0.5 * fold)
        for trial in (1, 0)
        for fold in (1, 0)
        for seed in (0, 1)
        for day in days + pd.Timedelta(days=10 * fold)
    ]
    names = ["agent", "trial", "fold", "seed", "date", "net_return", "cost", "buy_and_hold_return"]
    frame = pd.DataFrame(rows, columns=names)
    trials, market = trial_returns(frame)
    assert trials == pytest.approx(np.array([[0.011, 0.021]] * 2 + [[0.111, 0.121]] * 2))
    assert market.tolist() == [0.0, 0.0, 0.5, 0.5]
    with pytest.raises(ValueError, match="do not cover the same bars"):
        trial_returns(frame[:-4])


def test_symbols_of_unequal_vaults_keep_their_cash_before_they_start() -> None:
    frame = _frame(0, 0.0, DEVELOPMENT - WARM_UP, DEVELOPMENT + VAULT)
    late = frame[(frame["symbol"] == "A") | (frame["date"] >= "2021-12-01")]
    panel = Panel.from_frame(late.reset_index(drop=True), [])
    bars_of_b = int((late["symbol"] == "B").sum())
    in_vault = np.concatenate([np.arange(WARM_UP + VAULT) >= WARM_UP, np.ones(bars_of_b, dtype=bool)])
    targets = {"A": np.zeros(VAULT), "B": np.ones(bars_of_b)}
    portfolios = _portfolios(0, 0.0, False)
    result = evaluate(targets, panel, in_vault, RULES, 252.0, QUICK, portfolios, 1, False, 0.0, 1000.0)
    rows = result.returns.query("series == 'agent' and symbol == 'portfolio'").set_index("date")
    assert len(rows) == VAULT
    assert (rows.loc[:"2021-12-01", "equity"] == 1000.0).all()
    assert (rows.loc[:"2021-11-30", "target"] == 0.0).all()
    assert rows.loc["2021-12-01", "target"] == 0.5


def test_bad_input() -> None:
    panel = Panel.from_frame(_frame(0, 0.0, DEVELOPMENT, DEVELOPMENT + 10), [])
    portfolios = _portfolios(0, 0.0, False)
    for mask, targets, error, message in [
        (np.tile(np.arange(10) >= 8, 2), _constant(1.0), DataError, "A has 2 bars in the vault and needs at least 3"),
        (np.tile(np.arange(10) < 5, 2), _constant(1.0), ValueError, "are not its last rows"),
        (np.ones(20, dtype=bool), _constant(1.0), ValueError, "one target for each of its 10"),
        (np.ones(20, dtype=bool), {"A": np.ones(10)}, ValueError, "B needs one target"),
    ]:
        with pytest.raises(error, match=message):
            evaluate(targets, panel, mask, RULES, 252.0, QUICK, portfolios, 1, False)


@pytest.mark.parametrize("case", ["oracle", "held", "flat"])
def test_the_level_alone_is_that_of_the_whole_evaluation(case, oracle):
    targets = {symbol: _state(index, DEVELOPMENT + VAULT)[DEVELOPMENT:] for index, symbol in enumerate(SYMBOLS)}
    targets = {"oracle": targets, "held": _constant(1.0), "flat": _constant(0.0)}[case]
    whole = oracle if case == "oracle" else _run(targets, drift=0.004, skilled=True)
    panel = Panel.from_frame(_frame(0, 0.004, DEVELOPMENT - WARM_UP, DEVELOPMENT + VAULT), [])
    in_vault = np.tile(np.arange(WARM_UP + VAULT) >= WARM_UP, len(SYMBOLS))
    found = judge(targets, panel, in_vault, RULES, 252.0, QUICK, _portfolios(0, 0.004, True), 1, starting_equity=1000.0)
    tests = whole.verdict["tests"]
    assert (found.level, found.kind) == (whole.verdict["level"], whole.verdict["activity"]["portfolio"]["kind"])
    assert (found.tests.p_buy_and_hold, found.tests.p_flat) == (tests["p_buy_and_hold"], tests["p_flat"])
    books = whole.returns[whole.returns["symbol"] == "portfolio"]
    for series, returns in (("agent", found.net_return), ("buy_and_hold", found.buy_and_hold)):
        assert books.loc[books["series"] == series, "net_return"].tolist() == returns.tolist()
    shown = whole.metrics.set_index(["series", "symbol", "metric"])["value"]
    assert found.total_return == shown["agent", "portfolio", "total_return"]
    np.testing.assert_equal(found.sharpe, shown["agent", "portfolio", "sharpe"])
