"""The rewards of a rollout in plain loops, written from the formulas of the papers."""


def rewards(name, log_return, terminated, rate, penalty):
    """Lists [T] of one segment -> list [T], before the scale of rewards."""
    result = []
    mean = square = 0.0
    equity = peak = 1.0
    fall = 0.0
    for step, ruined in zip(log_return, terminated, strict=True):
        variance = max(square - mean * mean, 1e-6)
        sharpe = (square * (step - mean) - 0.5 * mean * (step * step - square)) / variance**1.5
        mean, square = (1 - rate) * mean + rate * step, (1 - rate) * square + rate * step * step
        equity *= 2.718281828459045**step
        peak = max(peak, equity)
        before, fall = fall, 1 - equity / peak
        value = {
            "log_return": step,
            "differential_sharpe": 0.01 * sharpe,
            "mixed": 0.7 * 0.01 * sharpe + 0.3 * step - penalty * max(fall - before, 0.0),
        }[name]
        result.append(step if ruined else value)
    return result
