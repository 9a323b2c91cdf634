"""Generalised advantages and the losses of PPO and A2C in plain loops, written from the formulas of the papers."""

import math


def advantages(reward, value, next_value, terminated, valid, discount, gae_lambda):
    """Lists [T] of one trajectory -> list [T]."""
    result = [0.0] * len(reward)
    for t in range(len(reward)):
        if not valid[t]:
            continue
        weight, total = 1.0, 0.0
        for k in range(t, len(reward)):  # sum of (discount lambda)^(k-t) delta_k until the trajectory ends
            if not valid[k]:
                break
            future = 0.0 if terminated[k] else next_value[k]
            total += weight * (reward[k] + discount * future - value[k])
            if terminated[k]:
                break
            weight *= discount * gae_lambda
        result[t] = total
    return result


def loss(logits, action, old_log_probability, advantage, value, value_target, weight, clip, entropy_weight):
    """Lists over decisions -> (loss, entropy); without a clip the surrogate is log pi(a) A."""
    surrogate = error = entropy = 0.0
    for i, row in enumerate(logits):
        shift = max(row)
        total = sum(math.exp(x - shift) for x in row)
        probabilities = [math.exp(x - shift) / total for x in row]
        if clip is None:
            surrogate += weight[i] * math.log(probabilities[action[i]]) * advantage[i]
        else:
            ratio = probabilities[action[i]] / math.exp(old_log_probability[i])
            clipped = min(max(ratio, 1 - clip), 1 + clip)
            surrogate += weight[i] * min(ratio * advantage[i], clipped * advantage[i])
        error += weight[i] * (value[i] - value_target[i]) ** 2
        entropy -= weight[i] * sum(p * math.log(p) for p in probabilities)
    n = sum(weight)
    return (-surrogate + 0.5 * error - entropy_weight * entropy) / n, entropy / n
