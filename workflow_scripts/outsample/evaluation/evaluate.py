"""The evaluation of one agent on the vault: the agent and its benchmarks, metrics, random agents and the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import kurtosis, skew
from threadpoolctl import threadpool_limits

from outsample.config.models import Evaluation
from outsample.errors import DataError
from outsample.evaluation.benchmarks import (
    HINDSIGHT,
    SERIES,
    VaultBars,
    hindsight_returns,
    percentile,
    random_agents,
    scaled_buy_and_hold,
    sma_cross,
)
from outsample.evaluation.intervals import UNKNOWN, alpha_interval, metric_intervals
from outsample.evaluation.seeds import Targets, agreement, replay_seeds
from outsample.evaluation.verdict import Estimate, Findings, SkillTests, run_tests
from outsample.evaluation.wording import sentences_of, title_of
from outsample.market.accounting import Ledger, MarketRules, fill_prices, simulate
from outsample.market.metrics import NOISE_FLOOR, combine_activities, compute_metrics, describe_activity
from outsample.market.panel import Panel
from outsample.market.portfolio import Portfolio, portfolio_equity
from outsample.market.trades import round_trips
from outsample.selection.paths import trial_returns
from outsample.selection.statistics import (
    deflated_sharpe_ratio,
    effective_number_of_trials,
    hedge,
    minimum_track_record_length,
    probabilistic_sharpe_ratio,
    probability_of_backtest_overfitting,
)

CSCV_BLOCKS = 10  # of the probability of backtest overfitting; 252 ways to choose half of them

Array = NDArray[np.float64]


class EvaluationResult(NamedTuple):
    """The tables "returns", "metrics", "trades", "random_agents" and "seeds", and the document "verdict"."""

    returns: pd.DataFrame
    metrics: pd.DataFrame
    trades: pd.DataFrame
    random_agents: pd.DataFrame
    seeds: pd.DataFrame
    verdict: dict[str, Any]


class _Year(NamedTuple):
    periods: float
    risk_free_rate: float


class _Trials(NamedTuple):
    returns: Array  # [T, N]
    market: Array  # [T] buy and hold
    further: int  # trials that were looked at and have no returns here


_AGENT = ("agent", "portfolio")
_Metrics = dict[tuple[str, str, str], Estimate]  # (series, symbol, metric) -> value and interval


def evaluate(
    targets: Mapping[str, Array],
    panel: Panel,
    in_vault: NDArray[np.bool_],
    rules: MarketRules,
    periods_per_year: float,
    settings: Evaluation,
    portfolios: pd.DataFrame,
    look: int,
    simulated: bool,
    risk_free_rate: float = 0.0,
    starting_equity: float = 1.0,
    actions: Sequence[float] = (-1.0, 0.0, 1.0),
    further_trials: int = 0,
    of_seeds: Targets = (),
) -> EvaluationResult:
    """Evaluate the agent's decisions on the vault, for each symbol and for the portfolio of their sleeves.

    Each sleeve starts flat with starting_equity / M at the close of its first vault bar, where the first target is
    asked for (filled one bar later), and is flat again at the close of its last one. Every benchmark runs through the
    same market function on the same bars.

    Args:
        targets: symbol -> [T_m] the agent's target at the close of each of the symbol's vault bars.
        panel: vault bars and the warm-up bars before them.
        in_vault: [N] which rows of the panel are vault bars; of a symbol these are its last rows.
        rules: costs and limits.
        periods_per_year: bars a year.
        settings: block `evaluation`.
        portfolios: tables "portfolios" of every round and agent together, for the tests over all trials.
        look: which look at this vault it is, from 1.
        simulated: whether the bars are simulated; the verdict says so.
        risk_free_rate: per year.
        starting_equity: of all sleeves together, currency.
        actions: the targets that the agent may ask for; the best in hindsight chooses among them.
        further_trials: trials without a portfolio that the verdict counts all the same: those of the search that
            broke down, and those of an earlier study which the search was told.
        of_seeds: `targets` of the policy of each training seed alone.
    Raises: DataError where a symbol has fewer than 3 vault bars; ValueError where targets do not fit the bars.
    """
    with threadpool_limits(1, user_api="blas"):  # the last bit of a matrix product depends on the number of threads
        return _evaluate(
            targets,
            vault_bars(panel, in_vault, targets),
            rules,
            _Year(periods_per_year, risk_free_rate),
            settings,
            portfolios,
            look,
            simulated,
            starting_equity,
            actions,
            further_trials,
            of_seeds,
        )


def _evaluate(
    targets: Mapping[str, Array],
    bars: dict[str, VaultBars],
    rules: MarketRules,
    year: _Year,
    settings: Evaluation,
    portfolios: pd.DataFrame,
    look: int,
    simulated: bool,
    starting_equity: float,
    actions: Sequence[float],
    further_trials: int,
    of_seeds: Targets,
) -> EvaluationResult:
    equity = starting_equity / len(bars)
    ledgers = {s: _replay(targets[s], of_symbol, rules, equity, settings) for s, of_symbol in bars.items()}
    portfolio = portfolio_equity({s: (bars[s].dates, ledgers[s]) for s in bars})
    trips = _trips(ledgers, bars, rules)
    activities = {
        s: describe_activity(ledger.position[:, 0], ledger.target[:, 0], trips[s, "agent"])
        for s, ledger in ledgers.items()
    }
    asked = {s: ledger.target[:-2, 0] for s, ledger in ledgers.items()}
    drawn = random_agents(
        asked, bars, rules, equity, settings.random_agents, settings.seed, year.periods, year.risk_free_rate
    )
    metrics = _metrics(ledgers, portfolio, trips, year, settings)
    trials = _Trials(*trial_returns(portfolios), further_trials)
    seeds = replay_seeds(of_seeds, bars, rules, starting_equity)
    alike = agreement(of_seeds, seeds, starting_equity)
    verdict = _verdict(portfolio, activities, asked, metrics, drawn, trials, year, settings, look, simulated, alike)
    for symbol, best in hindsight_returns(bars, rules, actions).items():  # after the verdict, which must not know it
        metrics[HINDSIGHT, symbol, "total_return"] = Estimate(best, *UNKNOWN)
    return EvaluationResult(
        returns=_returns(ledgers, portfolio, bars),
        metrics=_metrics_table(metrics),
        trades=pd.concat([trips[s, "agent"] for s in bars], ignore_index=True),
        random_agents=drawn,
        seeds=seeds,
        verdict=verdict,
    )


def vault_bars(panel: Panel, in_vault: NDArray[np.bool_], targets: Mapping[str, Array]) -> dict[str, VaultBars]:
    """The vault bars of each symbol, and the closes before them.

    Args and errors: as in `evaluate`.
    """
    bars = {}
    for index, symbol in enumerate(panel.symbols):
        rows = panel.rows(index)
        inside = np.flatnonzero(in_vault[rows]) + rows.start
        if len(inside) < 3:
            raise DataError(
                f"{symbol} has {len(inside)} bars in the vault and needs at least 3: leave it out of data.symbols or "
                "set vault.start earlier."
            )
        if inside[-1] != rows.stop - 1 or len(inside) != rows.stop - inside[0]:
            raise ValueError(f"the vault bars of {symbol} are not its last rows")
        if symbol not in targets or len(targets[symbol]) != len(inside):
            raise ValueError(f"{symbol} needs one target for each of its {len(inside)} vault bars")
        vault = slice(inside[0], rows.stop)
        bars[symbol] = VaultBars(
            panel.dates[vault],
            panel.open[vault],
            panel.close[vault],
            panel.factor[vault],
            panel.close[rows.start : inside[0]],
        )
    return bars


def _replay(targets: Array, bars: VaultBars, rules: MarketRules, equity: float, settings: Evaluation) -> Ledger:
    """The books of all series of one symbol, in the order of SERIES."""
    agent = simulate(targets, bars.open, bars.close, rules, equity, bars.factor)
    fast, slow = settings.sma_cross
    lanes = {
        "agent": np.asarray(targets, dtype=np.float64),
        "buy_and_hold": np.ones(len(bars.dates)),
        "scaled_buy_and_hold": scaled_buy_and_hold(agent.position),
        "sma_cross": sma_cross(bars, fast, slow),
        "flat": np.zeros(len(bars.dates)),
    }
    stacked = np.stack([lanes[name] for name in SERIES], axis=1)
    return simulate(stacked, bars.open, bars.close, rules, equity, bars.factor)


def _trips(
    ledgers: Mapping[str, Ledger], bars: Mapping[str, VaultBars], rules: MarketRules
) -> dict[tuple[str, str], pd.DataFrame]:
    """Round trips by (symbol, series)."""
    return {
        (symbol, series): round_trips(
            ledger.lane(lane),
            bars[symbol].dates,
            fill_prices(bars[symbol].open, bars[symbol].close, rules) / bars[symbol].factor,
            symbol,
        )
        for symbol, ledger in ledgers.items()
        for lane, series in enumerate(SERIES)
    }


def _returns(ledgers: Mapping[str, Ledger], portfolio: Portfolio, bars: Mapping[str, VaultBars]) -> pd.DataFrame:
    """Table "returns"; the portfolio's target is the mean of its sleeves' last targets."""
    parts = []
    last = {s: np.searchsorted(b.dates, portfolio.dates, side="right") - 1 for s, b in bars.items()}
    for lane, series in enumerate(SERIES):
        asked = [np.where(last[s] >= 0, ledger.target[last[s], lane], 0.0) for s, ledger in ledgers.items()]
        parts.append(
            pd.DataFrame(
                {
                    "series": series,
                    "symbol": "portfolio",
                    "date": portfolio.dates,
                    "equity": portfolio.equity[:, lane],
                    "net_return": portfolio.net_return[:, lane],
                    "cost": portfolio.cost_return[:, lane],
                    "target": np.mean(asked, axis=0),
                    "position": portfolio.position[:, lane],
                    "price": 0.0,
                }
            )
        )
        for symbol, ledger in ledgers.items():
            parts.append(
                pd.DataFrame(
                    {
                        "series": series,
                        "symbol": symbol,
                        "date": bars[symbol].dates,
                        "equity": ledger.equity[:, lane],
                        "net_return": ledger.net_return[:, lane],
                        "cost": ledger.cost_return[:, lane],
                        "target": ledger.target[:, lane],
                        "position": ledger.position[:, lane],
                        "price": bars[symbol].close / bars[symbol].factor,
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


def _metrics(
    ledgers: Mapping[str, Ledger],
    portfolio: Portfolio,
    trips: Mapping[tuple[str, str], pd.DataFrame],
    year: _Year,
    settings: Evaluation,
) -> _Metrics:
    """Those of the market's table, and alpha (per year) and beta to buy and hold of the same symbol."""
    held = SERIES.index("buy_and_hold")
    metrics: _Metrics = {}
    for lane, series in enumerate(SERIES):
        for symbol in ["portfolio", *ledgers]:
            book = portfolio if symbol == "portfolio" else ledgers[symbol]
            of_series = [trips[s, series] for s in (ledgers if symbol == "portfolio" else [symbol])]
            returns = book.net_return[:, lane]
            values = compute_metrics(
                returns,
                book.position[:, lane],
                book.traded_fraction[:, lane],
                pd.concat(of_series, ignore_index=True),
                float(book.cost[:, lane].sum()),
                year.periods,
                year.risk_free_rate,
                portfolio.gross_position[:, lane] if symbol == "portfolio" else None,
            )
            found = metric_intervals(
                returns, year.periods, year.risk_free_rate, settings.confidence, settings.resamples, settings.seed
            )
            market = book.net_return[:, held]
            hedged, beta = hedge(returns, market)
            values |= {"alpha": float(hedged.mean()) * year.periods, "beta": float(beta)}
            found["alpha"] = alpha_interval(
                returns, market, year.periods, settings.confidence, settings.resamples, settings.seed
            )
            for name, value in values.items():
                ends = found.get(name, UNKNOWN) if np.isfinite(value) else UNKNOWN
                metrics[series, symbol, name] = Estimate(value, *ends)
    return metrics


def _metrics_table(metrics: _Metrics) -> pd.DataFrame:
    rows = [(*key, found.value, found.lower, found.upper) for key, found in metrics.items()]
    return pd.DataFrame(rows, columns=["series", "symbol", "metric", "value", "lower", "upper"])


def _verdict(
    portfolio: Portfolio,
    activities: dict[str, dict[str, Any]],
    asked: Mapping[str, Array],
    metrics: _Metrics,
    drawn: pd.DataFrame,
    trials: _Trials,
    year: _Year,
    settings: Evaluation,
    look: int,
    simulated: bool,
    alike: Mapping[str, float],
) -> dict[str, Any]:
    vault = portfolio.net_return[:, SERIES.index("agent")]
    market = portfolio.net_return[:, SERIES.index("buy_and_hold")]
    tests = run_tests(trials.returns, trials.market, vault, market, settings.resamples, settings.seed, trials.further)
    of_agent = {name: found for (series, symbol, name), found in metrics.items() if (series, symbol) == _AGENT}
    exposures = {name: of_agent[name].value for name in ("exposure", "net_exposure")}
    findings = Findings(
        tests=tests,
        look=look,
        periods_per_year=year.periods,
        confidence=settings.confidence,
        simulated=simulated,
        activity=combine_activities(list(activities.values())) | exposures,
        activity_by_symbol=activities,
        held={s: _level(asked[s]) for s, found in activities.items() if found["kind"] == "holds one position"},
        total_return=of_agent["total_return"].value,
        buy_and_hold_return=metrics["buy_and_hold", "portfolio", "total_return"].value,
        mean_return=float(vault.mean()) * year.periods,
        buy_and_hold_mean=float(market.mean()) * year.periods,
        sharpe=of_agent["sharpe"],
        alpha=of_agent["alpha"],
        beta=of_agent["beta"].value,
        shown={
            "random_agents_below_total_return": percentile(
                of_agent["total_return"].value, drawn["total_return"].to_numpy()
            ),
            "random_agents_below_sharpe": percentile(of_agent["sharpe"].value, drawn["sharpe"].to_numpy()),
            **_sharpe_theory(vault, trials.returns, tests),
            **alike,
        },
    )
    return findings.document(title_of(findings), sentences_of(findings))


def _level(targets: Array) -> float:
    """The one target that is not 0."""
    return float(targets[np.flatnonzero(targets)[0]])


def _sharpe_theory(vault: Array, trials: Array, tests: SkillTests) -> dict[str, float]:
    """PSR and least track record of the vault; DSR, effective number and overfitting of the trials out of fold.

    NaN where undefined.
    """
    shown = dict.fromkeys(
        (
            "probabilistic_sharpe_ratio",
            "minimum_track_record_bars",
            "deflated_sharpe_ratio",
            "effective_trials",
            "probability_of_backtest_overfitting",
        ),
        float("nan"),
    )
    if vault.std() > NOISE_FLOOR:
        sharpe = float(vault.mean() / vault.std(ddof=1))
        shape = float(skew(vault)), float(kurtosis(vault, fisher=False))
        shown["probabilistic_sharpe_ratio"] = probabilistic_sharpe_ratio(sharpe, 0.0, len(vault), *shape)
        length = minimum_track_record_length(sharpe, 0.0, *shape)
        shown["minimum_track_record_bars"] = length if np.isfinite(length) else float("nan")
    active = trials[:, trials.std(axis=0) > NOISE_FLOOR]
    if active.shape[1] >= 2:
        sharpes = active.mean(axis=0) / active.std(axis=0, ddof=1)
        best = active[:, int(sharpes.argmax())]
        shown["deflated_sharpe_ratio"] = deflated_sharpe_ratio(
            float(sharpes.max()),
            len(best),
            float(skew(best)),
            float(kurtosis(best, fisher=False)),
            tests.trials,
            float(sharpes.var(ddof=1)),
        )
        shown["effective_trials"] = effective_number_of_trials(trials)
        if len(trials) >= 2 * CSCV_BLOCKS:
            found = probability_of_backtest_overfitting(trials, CSCV_BLOCKS)
            shown["probability_of_backtest_overfitting"] = found.probability
    return shown
