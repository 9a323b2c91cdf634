"""The soft policy of agent `direct` in plain loops and float64, one segment at a time, written from its formulas."""

import math


def softmax(logits):
    shift = max(logits)
    weights = [math.exp(x - shift) for x in logits]
    return [w / sum(weights) for w in weights]


def log_returns(rows, table, actions, fills, closes, unit, cost_rate, borrow_per_bar, account=None):
    """Net log return of each step of one segment, from flat at the close `unit`; lists over steps -> list.

    In weights: before the fill the position is the weight w of the equity, after it the target T of what is left when
    the trade d with w + d = T (1 - c |d|) is paid. `account` [2][A] weighs the unrealised result and the age of each
    share, which are means by size: of a share that grows the added part is new.
    """
    share = [1.0 if action == 0 else 0.0 for action in actions]
    gain, age = [0.0] * len(actions), [0.0] * len(actions)
    weight, price, result = 0.0, unit, []  # weight at the last close
    for row, fill, close in zip(rows, fills, closes, strict=True):
        logits = [r + sum(p * line[a] for p, line in zip(share, table, strict=True)) for a, r in enumerate(row)]
        if account is not None:
            for held, g, n in zip(share, gain, age, strict=True):
                read = (max(min(g, 0.2), -0.2) / 0.1, min(math.log(1 + n) / math.log(61), 1.0))
                logits = [x + held * (read[0] * u + read[1] * v) for x, u, v in zip(logits, *account, strict=True)]
        before, share = share, softmax(logits)
        for a, action in enumerate(actions):
            old = min(before[a], share[a])
            whole, new = gain[a] + action * math.log(close / price), action * math.log(close / fill)
            gain[a] = (old * whole + (share[a] - old) * new) / share[a]
            age[a] = old / share[a] * age[a] + 1 if action else 0.0
        target = sum(p * action for p, action in zip(share, actions, strict=True))
        owed = borrow_per_bar * max(-weight, 0.0)
        opened = 1 + weight * (fill / price - 1)
        held = weight * fill / price / opened
        side = 1 if target > held else -1
        trade = (target - held) / (1 + side * target * cost_rate)
        left = opened * (1 - cost_rate * abs(trade))
        growth = left * (1 + target * (close / fill - 1)) - owed
        weight, price = left * target * close / fill / growth, close
        result.append(math.log(growth))
    return result
