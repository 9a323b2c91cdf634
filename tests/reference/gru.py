"""A gated recurrent unit in plain loops and float64, one unit and one bar at a time, written from its equations."""

import math


def _sigmoid(x):
    return 1.0 / (1.0 + math.exp(-x))


def _dot(vector, matrix, column):
    return sum(v * line[column] for v, line in zip(vector, matrix, strict=True))


def step(params, x, memory):
    """Lists x [F] and memory [U] -> memory [U]; the columns of the matrices are the gates r, z and c, U of each."""
    units = len(memory)
    kernel, bias = params["read"]["kernel"], params["read"]["bias"]
    recurrent, offset = params["recurrent"], params["offset"]
    after = []
    for u in range(units):
        r, z, c = u, units + u, 2 * units + u
        sees = _sigmoid(_dot(x, kernel, r) + bias[r] + _dot(memory, recurrent, r))
        stays = _sigmoid(_dot(x, kernel, z) + bias[z] + _dot(memory, recurrent, z))
        held = _dot(memory, recurrent, c) + offset[u]
        candidate = math.tanh(_dot(x, kernel, c) + bias[c] + sees * held)
        after.append((1 - stays) * candidate + stays * memory[u])
    return after


def rows(actor, features, reset):
    """Outputs [T][A] of lists of features [T][F], before the position is added; the memory is 0 at each of `reset`."""
    memory, result = None, []
    for x, fresh in zip(features, reset, strict=True):
        if memory is None or fresh:
            memory = [0.0] * len(actor["memory"]["offset"])
        memory = step(actor["memory"], x, memory)
        kernel, bias = actor["out"]["kernel"], actor["out"]["bias"]
        result.append([_dot(memory, kernel, a) + b for a, b in enumerate(bias)])
    return result


def decisions(models, features, owner, reset, actions):
    """Targets of rows, each by the mean of the centred outputs of the models that own it; from flat at each reset.

    Args:
        models: list over inner folds of lists over seeds of (actor, center [F], scale [F]), nested lists.
        features: [T][F] raw.
        owner: [T] inner fold, their number for all of them.
    """
    outputs = []
    for group in models:
        of_seeds = []
        for actor, center, scale in group:
            scaled = [[(v - m) / s for v, m, s in zip(x, center, scale, strict=True)] for x in features]
            of_seeds.append((rows(actor, scaled, reset), actor["table"]))
        outputs.append(of_seeds)
    flat = actions.index(0)
    position, result = flat, []
    for t, (own, fresh) in enumerate(zip(owner, reset, strict=True)):
        position = flat if fresh else position
        chosen = [m for group in outputs for m in group] if own == len(models) else outputs[own]
        total = [0.0] * len(actions)
        for of_rows, table in chosen:
            logits = [r + p for r, p in zip(of_rows[t], table[position], strict=True)]
            mean = sum(logits) / len(logits)
            total = [x + logit - mean for x, logit in zip(total, logits, strict=True)]
        position = total.index(max(total))
        result.append(actions[position])
    return result
