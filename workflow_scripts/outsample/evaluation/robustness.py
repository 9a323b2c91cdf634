"""What becomes of the agent's result on the vault when costs, fills, the first bar or the weather are others.

Its decisions stay those of its policy: at other costs and with later fills the same targets are accounted anew, and
from a later first bar the policy decides anew, since it starts flat there. Nothing here enters the verdict.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from outsample.evaluation.benchmarks import VaultBars
from outsample.market.accounting import MarketRules, simulate
from outsample.market.metrics import max_drawdown, sharpe_ratio
from outsample.market.portfolio import Portfolio, portfolio_equity

Array = NDArray[np.float64]
Targets = Mapping[str, Array]

COSTS = (0.0, 1.0, 2.0, 3.0)  # times the configured costs of a fill
STARTS = (0, 1, 5, 20)  # bars by which the first one is later
DEAREST = 0.05  # cost of a fill up to which the break-even cost is looked for, fraction of the notional
WINDOW = 20  # bars whose volatility tells calm from stormy
WORST_MONTHS = 3


class _Books(NamedTuple):
    agent: Portfolio
    held: Portfolio  # buy and hold of the same sleeves


def robustness(
    decisions: Mapping[int, Targets],
    bars: Mapping[str, VaultBars],
    rules: MarketRules,
    periods_per_year: float,
    risk_free_rate: float,
    starting_equity: float,
    crash: float = 0.0,
) -> pd.DataFrame:
    """The agent's portfolio beside buy and hold of the same sleeves, in each scenario.

    | kind | scenarios |
    |---|---|
    | costs | commission and slippage times 0, 1, 2 and 3; the cost at which nothing is earned |
    | fill | each target filled one bar later |
    | start | the first bar later by 1, 5 and 20; the policy decides anew, and both sides start flat |
    | volatility | bars after calm, middling and stormy ones: thirds by buy and hold's volatility over 20 bars before |
    | month | the three months in which buy and hold lost most |
    | crash | every price lower by `crash` from the open of the middle date on; positions as decided without it |

    Args:
        decisions: bars by which the first one is later (0 among them) -> symbol -> targets from there on.
        bars: of each symbol, those of the vault.
        rules: costs and limits; borrow costs stay as they are.
        periods_per_year, risk_free_rate, starting_equity: as in `outsample.evaluation.evaluate`.
        crash: fraction of the price; 0 leaves the line out.
    Returns: table "robustness"; `cost` is that of a fill in basis points, returns are fractions over the bars
        concerned, Sharpe ratios per year.
    """
    equity = starting_equity / len(bars)
    as_asked = decisions[0]
    rows: list[dict[str, Any]] = []

    def add(
        kind: str,
        scenario: str,
        books: _Books,
        cost_rate: float = rules.cost_rate,
        where: NDArray[np.bool_] | None = None,
    ) -> None:
        agent, held = (b.net_return if where is None else b.net_return[where] for b in books)
        rows.append(
            {
                "kind": kind,
                "place": len(rows),
                "scenario": scenario,
                "cost": cost_rate * 10_000,
                "bars": len(agent),
                "total_return": float(np.prod(1.0 + agent) - 1.0),
                "buy_and_hold_return": float(np.prod(1.0 + held) - 1.0),
                "sharpe": float(sharpe_ratio(agent, periods_per_year, risk_free_rate)) if len(agent) > 1 else np.nan,
                "max_drawdown": float(max_drawdown(agent)) if len(agent) else 0.0,
            }
        )

    for times in COSTS:
        cost = replace(rules, cost_rate=rules.cost_rate * times)
        add("costs", f"{times:g} times the costs", _books(as_asked, bars, cost, equity), cost.cost_rate)
    even = break_even_cost(as_asked, bars, rules, equity)
    if np.isfinite(even):
        books = _books(as_asked, bars, replace(rules, cost_rate=even), equity)
        add("costs", "nothing is earned", books, even)
    late = {symbol: np.concatenate([[0.0], asked[:-1]]) for symbol, asked in as_asked.items()}
    add("fill", "one bar later", _books(late, bars, rules, equity))
    for shift in sorted(set(decisions) - {0}):
        cut = {symbol: _from(of_symbol, shift) for symbol, of_symbol in bars.items()}
        add("start", f"{shift} {'bar' if shift == 1 else 'bars'} later", _books(decisions[shift], cut, rules, equity))
    plain = _books(as_asked, bars, rules, equity)
    for name, where in _weather(plain.held.net_return):
        add("volatility", name, plain, where=where)
    for name, where in _worst_months(plain.held):
        add("month", name, plain, where=where)
    if crash:
        date, crashed = _crashed(bars, crash)
        add("crash", f"{crash:.0%} lower from the open of {str(date)[:10]}", _books(as_asked, crashed, rules, equity))
    return pd.DataFrame(rows).astype({"place": "int32"})


def break_even_cost(targets: Targets, bars: Mapping[str, VaultBars], rules: MarketRules, equity: float) -> float:
    """Cost of a fill at which the portfolio's total return is 0, fraction of the notional.

    Args: equity: of each sleeve at the start, currency; the others as in `robustness`.
    Returns: NaN where even without costs nothing is earned, or where 5 % a fill do not eat it up (as where nothing is
        traded).
    """

    def earned(cost: float) -> float:
        book = _portfolio(targets, bars, replace(rules, cost_rate=cost), equity)
        return float(book.equity[-1]) - equity * len(bars)

    low, high = 0.0, DEAREST
    if earned(low) <= 0 or earned(high) > 0:
        return float("nan")
    while high - low > 1e-7:  # a thousandth of a basis point
        middle = (low + high) / 2
        low, high = (middle, high) if earned(middle) > 0 else (low, middle)
    return (low + high) / 2


def _portfolio(targets: Targets, bars: Mapping[str, VaultBars], rules: MarketRules, equity: float) -> Portfolio:
    return portfolio_equity(
        {
            symbol: (of.dates, simulate(targets[symbol], of.open, of.close, rules, equity, of.factor))
            for symbol, of in bars.items()
        }
    )


def _books(targets: Targets, bars: Mapping[str, VaultBars], rules: MarketRules, equity: float) -> _Books:
    held = {symbol: np.ones(len(of.dates)) for symbol, of in bars.items()}
    return _Books(_portfolio(targets, bars, rules, equity), _portfolio(held, bars, rules, equity))


def _from(bars: VaultBars, first: int) -> VaultBars:
    before = np.concatenate([bars.closes_before, bars.close[:first]])
    return VaultBars(bars.dates[first:], bars.open[first:], bars.close[first:], bars.factor[first:], before)


def _crashed(bars: Mapping[str, VaultBars], share: float) -> tuple[np.datetime64, dict[str, VaultBars]]:
    """The middle date of all, and the bars whose prices are lower by a share from its open on."""
    dates = np.unique(np.concatenate([of.dates for of in bars.values()]))
    middle = dates[len(dates) // 2]
    crashed = {}
    for symbol, of in bars.items():
        left = np.where(of.dates >= middle, 1.0 - share, 1.0)
        crashed[symbol] = VaultBars(of.dates, of.open * left, of.close * left, of.factor, of.closes_before)
    return middle, crashed


def _weather(held: Array) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Bars by the thirds of the volatility of the WINDOW bars before each; what a third is is known afterwards only."""
    if len(held) < 3 * WINDOW:
        return
    moving = np.array([held[row - WINDOW : row].std() for row in range(WINDOW, len(held))])
    edges = np.quantile(moving, [1 / 3, 2 / 3])
    third = np.concatenate([np.full(WINDOW, -1), np.searchsorted(edges, moving, side="right")])
    for number, name in enumerate(("after calm bars", "after middling bars", "after stormy bars")):
        yield name, third == number


def _worst_months(held: Portfolio) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    months = held.dates.astype("datetime64[M]")
    found = {month: float(np.prod(1.0 + held.net_return[months == month]) - 1.0) for month in np.unique(months)}
    losing: Sequence[np.datetime64] = sorted((m for m in found if found[m] < 0), key=lambda m: (found[m], m))
    for month in losing[:WORST_MONTHS]:
        yield str(month), months == month
