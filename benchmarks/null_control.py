"""How often the whole procedure claims skill that is not there, and how often it finds an edge that is.

Each market has 2,000 bars behind the warm-up: 1,500 that are tested out of fold by 5 folds after a first train span of
1,000, and a vault of 500. One trial of `direct` is trained as the null control of a study trains it. Markets without an
edge: a Gaussian walk, the same with a drift of 8 % a year, GARCH(1,1) with Student's t of 5, and the returns of AAPL in
blocks of 10, permuted. With one: two hidden states that stay with probability 0.98. The true Sharpe ratio of an agent
found there is that of its decisions on 30,000 fresh bars of the same market, after costs.

Usage: .venv/bin/python -m benchmarks.null_control [--surrogates 200] [--positives 60] [--jobs 2] [--only CELL ...]
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
FIRST_TRAIN, OUT_OF_FOLD, VAULT, WARM_UP = 1000, 1500, 500, 60
BARS = WARM_UP + FIRST_TRAIN + 2 + OUT_OF_FOLD + VAULT
FRESH = 30_000
BAND = 0.75, 1.25  # of the true Sharpe ratio
PERIODS = 252.0
NULLS = ("gaussian", "gaussian with drift", "garch t", "blocks of AAPL")
# name -> market, symbols, oracle Sharpe ratio of each, costs
CELLS: dict[str, tuple[str, int, float, bool]] = {
    **{f"{name}, {words}": (name, 1, 0.0, costs) for costs, words in ((True, "with costs"), (False, "without costs"))
       for name in NULLS},
    "edge, oracle 2": ("edge", 1, 2.0, True),
    "edge, oracle 1.5": ("edge", 1, 1.5, True),
    "edge, oracle 1": ("edge", 1, 1.0, True),
    "edge, four symbols of oracle 1, noise correlated at 0.3": ("edge", 4, 1.0, True),
}  # fmt: skip


def returns_of(market: str, symbols: int, sharpe: float, number: int, bars: int = BARS) -> np.ndarray:
    """Log returns [bars, symbols] of one market."""
    from outsample.control.planted import edge_size, states
    from outsample.market.accounting import MarketRules

    draw = np.random.Generator(np.random.PCG64([11, number, sum(map(ord, market)), symbols]))
    noise = np.sqrt(0.3) * draw.standard_normal((bars, 1)) + np.sqrt(0.7) * draw.standard_normal((bars, symbols))
    if market == "gaussian":
        return 0.01 * noise - 0.01**2 / 2
    if market == "gaussian with drift":
        return 0.01 * noise - 0.01**2 / 2 + 0.08 / PERIODS
    if market == "garch t":
        return garch(draw)
    if market == "edge":
        rules = MarketRules("next_open", 6e-4, 0.01 / PERIODS, short_selling=True, grid=0.01, band=0.0)
        hidden = np.stack([states(bars, draw) for _ in range(symbols)], axis=1)
        return 0.01 * (noise + edge_size("two_state", sharpe, 0.01, rules, PERIODS) * hidden)
    close = pd.read_csv(ROOT / "data/market/AAPL.csv")["adj_close"].to_numpy()
    real = np.diff(np.log(close))
    blocks = [real[start : start + 10] for start in range(0, len(real), 10)]
    joined = np.concatenate([blocks[i] for order in range(2) for i in draw.permutation(len(blocks))])
    return joined[:BARS, None]


def garch(draw: np.random.Generator) -> np.ndarray:
    """GARCH(1,1) of 1 % a bar, alpha 0.08, beta 0.9, with Student's t of 5 degrees of freedom; no drift."""
    shock = draw.standard_t(5, BARS) * np.sqrt(3 / 5)
    variance, returns = 1e-4, np.empty(BARS)
    for t in range(BARS):
        returns[t] = np.sqrt(variance) * shock[t]
        variance = 1e-4 * 0.02 + 0.08 * returns[t] ** 2 + 0.9 * variance
    return np.asarray(returns[:, None] - returns.var() / 2)


def bars_of(returns: np.ndarray, number: int) -> pd.DataFrame:
    """Table `validated_bars` of the returns; the open is near the close before."""
    draw = np.random.Generator(np.random.PCG64([12, number]))
    dates = pd.bdate_range("2005-01-03", periods=len(returns)).astype("datetime64[us]")
    parts = []
    for index, own in enumerate(returns.T):
        close = np.log(100.0) + np.cumsum(own)
        opened = np.r_[np.log(100.0), close[:-1]] + 0.1 * own.std() * draw.standard_normal(len(own))
        up, down = 0.5 * own.std() * np.abs(draw.standard_normal((2, len(own))))
        prices = {
            "open": opened,
            "high": np.maximum(opened, close) + up,
            "low": np.minimum(opened, close) - down,
            "close": close,
        }
        table = pd.DataFrame({name: np.exp(values) for name, values in prices.items()})
        table = table.assign(volume=np.rint(1e6 * np.exp(0.3 * draw.standard_normal(len(own)))), factor=1.0)
        table.insert(0, "date", dates)
        table.insert(0, "symbol", f"S{index}")
        parts.append(table)
    return pd.concat(parts, ignore_index=True)


def settings_of(costs: bool):  # type: ignore[no-untyped-def]
    from outsample.config.folds import Folds
    from outsample.config.models import Market, Settings, Vault
    from outsample.control.control import settings_of as reduced

    development = FIRST_TRAIN + 2 + OUT_OF_FOLD
    free = {} if costs else {"commission": 0.0, "slippage": 0.0, "borrow_rate": 0.0}
    return reduced(
        Settings(
            market=Market(**free),
            folds=Folds(min_train=FIRST_TRAIN / development),
            vault=Vault(fraction=VAULT / BARS),
        )
    )


def outcomes(cell: str, numbers: list[int]) -> pd.DataFrame:
    """One row a market: what the procedure said."""
    from outsample.agents import runtime

    if "jax" not in sys.modules:
        runtime.claim_core()
        runtime.configure_jax(ROOT / "work/jax_cache")
    from outsample.control.control import row_of
    from outsample.control.procedure import procedure

    market, symbols, sharpe, costs = CELLS[cell]
    settings = settings_of(costs)
    rows = []
    for number in numbers:
        outcome = procedure(bars_of(returns_of(market, symbols, sharpe, number), number), settings, PERIODS)
        sizes = outcome.judged.tests.out_of_fold_bars, outcome.judged.tests.vault_bars
        if sizes != (OUT_OF_FOLD, VAULT):
            raise ValueError(f"{sizes} bars out of fold and in the vault")
        true = true_sharpe(outcome, settings, market, sharpe, number) if sharpe and symbols == 1 else np.nan
        rows.append(row_of(outcome) | {"true_sharpe": true})
    return pd.DataFrame(rows)


def true_sharpe(outcome, settings, market: str, sharpe: float, number: int) -> float:  # type: ignore[no-untyped-def]
    """Sharpe ratio a year of the final policy on fresh bars of the market on which it was found; 0 if always flat."""
    from outsample.agents.onnx import OnnxPolicy, decide
    from outsample.features.build import build_features, without_warm_up
    from outsample.market.accounting import MarketRules, simulate
    from outsample.market.metrics import sharpe_ratio
    from outsample.market.panel import Panel

    bars = bars_of(returns_of(market, 1, sharpe, 10**6 + number, FRESH), 10**6 + number)
    table, spec = build_features(bars, settings.features, settings.data.untraded)
    names = [feature["name"] for feature in spec["features"]]
    panel = Panel.from_frame(without_warm_up(table, spec["warm_up"]), names)
    targets = decide(OnnxPolicy(outcome.model, outcome.policy), panel).target
    rules = MarketRules.from_settings(settings.market, PERIODS)
    net = simulate(targets, panel.open, panel.close, rules).net_return
    return float(sharpe_ratio(net, PERIODS)) if net.any() else 0.0


def line_of(cell: str, found: pd.DataFrame) -> str:
    from outsample.control.rates import levels_of, rate
    from outsample.evaluation.verdict import CLAIM

    levels = levels_of(found)
    active = rate(int((found["activity"] == "trades").sum()), len(found))
    trials = rate(int((found["p_trials_hedged"] < CLAIM).sum()), len(found))
    shown = [levels["evidence_over_buy_and_hold"], levels["evidence_over_flat"], levels["weak"], active, trials]
    shares = [f"{100 * r['rate']:.1f} ({100 * r['lower']:.1f}-{100 * r['upper']:.1f})" for r in shown]
    return f"| {cell} | {len(found)} | {' | '.join(shares)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--surrogates", type=int, default=200, help="markets of each kind without an edge")
    parser.add_argument("--positives", type=int, default=60, help="markets of each kind with one")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", nargs="*", default=list(CELLS), choices=list(CELLS), metavar="CELL")
    options = parser.parse_args()
    columns = ("market", "markets", "over buy and hold, %", "over flat, %", "weak, %", "traded on the vault, %")
    print(f"| {' | '.join([*columns, 'p of all trials < 0.05, %'])} |")
    print("|---|---|---|---|---|---|---|", flush=True)
    with_edge = []
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        for cell in options.only:
            count = options.positives if CELLS[cell][2] else options.surrogates
            shards = [list(range(count))[shard :: options.jobs] for shard in range(options.jobs)]
            found = pd.concat(pool.map(outcomes, [cell] * options.jobs, [s for s in shards if s]), ignore_index=True)
            print(line_of(cell, found), flush=True)
            with_edge.append(found[found["true_sharpe"].between(*BAND)])
    within = pd.concat(with_edge)
    if len(within):
        print(line_of(f"of all with one symbol and an edge, true Sharpe ratio {BAND[0]} to {BAND[1]}", within))


if __name__ == "__main__":
    main()
