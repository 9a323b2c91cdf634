"""The market in plain Python, one bar and one sleeve at a time: slow, and written without the library's formulas.

Used by property tests as the second opinion on `outsample.market.accounting`.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction


def round_target(target: float, grid: float, short_selling: bool) -> float:
    """Nearest multiple of the grid within the limits, halves away from zero, in decimal arithmetic."""
    step = Decimal(repr(grid))
    multiples = (abs(Decimal(repr(target))) / step).quantize(Decimal(1), rounding=ROUND_HALF_UP)
    while multiples * step > 1:
        multiples -= 1
    size = float(multiples * step)
    if target < 0:
        return -size if short_selling else 0.0
    return size


def most_whole_shares(goal, worth, held, price, rate):
    """The largest whole number of shares worth no more than the goal's part of what is left when they are paid for.

    In exact arithmetic; `held` and `worth` in currency, `price` that of one raw share, all before the fill.
    """
    part, worth, held, price, rate = map(Fraction, (abs(goal), worth, held, price, rate))
    side = -1 if goal < 0 else 1

    def allowed(count):
        return count * price <= part * (worth - rate * abs(side * count * price - held))

    low, high = 0, 1
    while allowed(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if allowed(middle) else (low, middle)
    return side * low


def _row(equity, cash, units, position, traded, cost, ruined):
    return {
        "equity": equity,
        "cash": cash,
        "units": units,
        "position": position,
        "traded": traded,
        "cost": cost,
        "ruined": ruined,
    }


def run(
    targets,
    opens,
    closes,
    *,
    fill,
    cost_rate,
    borrow_per_bar,
    short_selling,
    grid,
    band,
    equity,
    whole_shares=False,
    factors=None,
):
    """Books of one sleeve: a list of dicts, one a bar."""
    asked = [round_target(t, grid, short_selling) for t in targets]
    for last in (-1, -2):
        if len(asked) >= -last:
            asked[last] = 0.0
    cash, shares, in_force, broke, short_before = equity, 0.0, 0.0, False, 0.0
    rows = [_row(equity, cash, 0.0, 0.0, 0.0, 0.0, False)]
    for t in range(1, len(asked)):
        traded = cost = 0.0
        if not broke:
            price = opens[t] if fill == "next_open" else closes[t]
            goal = asked[t - 1]
            worth = cash + shares * price
            if worth <= 0:
                cash, shares, broke = worth, 0.0, True
            else:
                held = shares * price
                weight = held / worth
                drift = abs(weight - goal)
                if whole_shares:
                    factor = factors[t] if factors else 1.0
                    count = most_whole_shares(goal, worth, held, price / factor, cost_rate)
                    drift = min(drift, abs(count / factor * price - held) / worth)
                if goal != in_force or (band > 0 and drift > band):
                    if whole_shares:
                        after = count / factor * price
                    elif goal > weight:  # buy: after = goal * (worth - rate * (after - before))
                        after = goal * (worth + cost_rate * shares * price) / (1 + goal * cost_rate)
                    else:  # sell: after = goal * (worth - rate * (before - after))
                        after = goal * (worth - cost_rate * shares * price) / (1 - goal * cost_rate)
                    traded = abs(after - shares * price)
                    cost = cost_rate * traded
                    if worth - cost <= 0:
                        cash, shares, broke = worth - cost, 0.0, True
                    else:
                        cash, shares = worth - cost - after, count / factor if whole_shares else after / price
                in_force = goal
            if not broke:
                cost += borrow_per_bar * short_before
                cash -= borrow_per_bar * short_before
                if cash + shares * closes[t] <= 0:
                    cash, shares, broke = cash + shares * closes[t], 0.0, True
        now = cash + shares * closes[t]
        short_before = -shares * closes[t] if shares < 0 else 0.0
        position = shares * closes[t] / now if shares else 0.0
        rows.append(_row(now, cash, shares, position, traded, cost, broke))
    return rows
