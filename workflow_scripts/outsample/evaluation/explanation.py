"""What drives the policy's decisions: each feature shuffled in time, and integrated gradients.

Both look at bars before the vault, which the final policy was trained on: they tell what it reacts to, not whether it
is right to. The gate is left aside; where it is closed, what is looked at is what the networks prefer, of an ensemble
the mean of what its members hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from outsample.agents.onnx import Carried, Decision, OnnxPolicy
from outsample.market.accounting import MarketRules, simulate, to_grid
from outsample.market.holding import Holding
from outsample.market.panel import Panel

RANDOM = "a random mix of all features (control)"
MOST_BARS = 750  # the last ones of each symbol
MOST_SYMBOLS = 8
REPEATS = 10
TOGETHER = 20  # features whose shuffles are decided in one batch
ATTRIBUTED = 64  # bars, spread evenly over those that are looked at
STEPS = 16  # of the path of the integrated gradients
SEED = 0

Array = NDArray[np.float64]
Asked = Callable[[Decision], Array]
"""The targets [B] of a decision, the gate left aside."""


class Explanation(NamedTuple):
    """Table "explanation" and document "explained" of the schemas."""

    table: pd.DataFrame
    document: dict[str, Any]


class _Span(NamedTuple):
    """The bars of one symbol that are looked at."""

    open: Array  # [T]
    close: Array  # [T]
    factor: Array  # [T]
    features: Array  # [T, F]


def explain(
    policy: OnnxPolicy, panel: Panel, rules: MarketRules, periods_per_year: float, members: int = 1
) -> Explanation:
    """Importance of each feature for the decisions on a panel's last bars.

    Shuffling: the policy decides anew on the same bars while one feature has its values in another order; `changed` is
    the share of its decisions that become others, `lost` the mean net return per year that is gone with the order, and
    `not_worse` the share of the shuffles that earned as much as the true order. The control shuffles a random mix of
    all features (its part of the standardised features, along a random direction) in the same way: what a feature
    of no particular meaning does.

    Integrated gradients: of the mean action under the softmax of the preferences (of an ensemble, of its members' mean
    preferences), from the mean of the features to the features of a bar, by central differences along the straight
    line. They add up to the difference of the two mean actions; `residual` is the largest error of that sum.

    Args:
        policy: the decider.
        panel: bars with the policy's features, before the vault.
        rules: costs and limits.
        periods_per_year: bars a year.
        members: policies whose targets are averaged (`members_of`).
    Reference: Breiman (2001), Random Forests, section 10; Sundararajan, Taly and Yan (2017), Axiomatic Attribution.
    """
    chosen = np.unique(np.linspace(0, len(panel.symbols) - 1, min(MOST_SYMBOLS, len(panel.symbols))).astype(int))
    spans = [_span(panel, int(index)) for index in chosen]
    every = np.concatenate([span.features for span in spans])
    center, scale = every.mean(axis=0), every.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    counts = np.array([len(span.close) for span in spans], dtype=np.float64)
    asked = asked_of(policy, members, rules)
    shuffled = [_shuffled(policy, asked, span, center, scale, rules, periods_per_year) for span in spans]
    changed, lost = (np.average(values, axis=0, weights=counts) for values in zip(*shuffled, strict=True))  # [V, R]
    attributions, residuals = zip(*(_attributions(policy, asked, span, center, scale) for span in spans), strict=True)
    found = np.concatenate(attributions)  # [N, F]
    moved = np.concatenate([span.features[_places(len(span.close))] for span in spans]) - center
    names = [*policy.features, RANDOM]
    table = pd.DataFrame(
        {
            "place": np.arange(len(names), dtype=np.int32),
            "feature": names,
            "control": [False] * len(policy.features) + [True],
            "changed": changed.mean(axis=1),
            "changed_least": changed.min(axis=1),
            "changed_most": changed.max(axis=1),
            "lost": lost.mean(axis=1),
            "not_worse": (lost <= 0).mean(axis=1),
            "attribution": [*np.abs(found).mean(axis=0), np.nan],
            "direction": [*_direction(found, moved), np.nan],
        }
    )
    document = {
        "symbols": [panel.symbols[index] for index in chosen],
        "bars": int(counts.sum()),
        "repeats": REPEATS,
        "attributed": len(found),
        "residual": float(max(residuals)),
    }
    return Explanation(table, document)


def _span(panel: Panel, index: int) -> _Span:
    rows = panel.rows(index)
    last = slice(max(rows.start, rows.stop - MOST_BARS), rows.stop)
    return _Span(panel.open[last], panel.close[last], panel.factor[last], panel.features[last])


def _direction(found: Array, moved: Array) -> Array:
    """1 where a larger value of a feature always speaks for a larger position, -1 where for a smaller one."""
    signed = found * np.sign(moved)
    total = np.abs(found).sum(axis=0)
    return np.where(total > 0, signed.sum(axis=0) / np.where(total > 0, total, 1.0), np.nan)


def _shuffled(
    policy: OnnxPolicy,
    asked: Asked,
    span: _Span,
    center: Array,
    scale: Array,
    rules: MarketRules,
    periods_per_year: float,
) -> tuple[Array, Array]:
    """Share of decisions that change, and mean net return per year that is lost: [F + 1, R] each, the control last."""
    draw = np.random.Generator(np.random.PCG64(SEED))
    bars, width = span.features.shape
    orders = [draw.permutation(bars) for _ in range(REPEATS)]
    directions = draw.normal(size=(REPEATS, width))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    axes = np.concatenate([np.eye(width)[:, None].repeat(REPEATS, axis=1), directions[None]])  # [F + 1, R, F]
    standard = (span.features - center) / scale
    true = _preferred(policy, asked, span.features[None], span.open, span.close)  # [T, 1]
    changed, earned = [], []
    for first in range(0, width + 1, TOGETHER):
        ways = zip(orders * (width + 1), axes[first : first + TOGETHER].reshape(-1, width), strict=False)
        made = np.stack([_moved(span.features, standard, *way, scale) for way in ways])
        targets = np.concatenate([true, _preferred(policy, asked, made, span.open, span.close)], axis=1)  # [T, 1 + V]
        means = simulate(targets, span.open, span.close, rules, 1.0, span.factor).net_return.mean(axis=0)
        changed.append((targets[:, 1:] != true).mean(axis=0))
        earned.append(means[0] - means[1:])
    lost = np.concatenate(earned) * periods_per_year
    return np.concatenate(changed).reshape(-1, REPEATS), lost.reshape(-1, REPEATS)


def _moved(features: Array, standard: Array, order: NDArray[np.int64], axis: Array, scale: Array) -> Array:
    """Features [T, F] whose part along an axis of the standardised ones is put into another order."""
    part = standard @ axis
    return features + (part[order] - part)[:, None] * axis * scale


def members_of(document: Mapping[str, Any]) -> int:
    """How many policies a policy averages, by the document `policy`, which names the network of each.

    >>> members_of({"network": "tanh 4"}), members_of({"network": "linear + tanh 4"})
    (1, 2)
    """
    return len(document["network"].split(" + "))


def asked_of(policy: OnnxPolicy, members: int, rules: MarketRules) -> Asked:
    """What reads the targets of a decision; where a closed gate makes them 0, those that the networks ask for.

    That is the preferred action, and of an ensemble the mean of its members' positions on the grid, as it is where the
    gate is open: its memory begins with them (`outsample.agents.policy.EnsemblePolicy`).
    """

    def asked(decision: Decision) -> Array:
        if policy.gate_open:
            return decision.target.astype(np.float64)
        if members > 1:
            mean: Array = to_grid(np, decision.carried.memory[:, :members].mean(axis=1, dtype=np.float64), rules)
            return mean
        preferred: Array = np.asarray(policy.actions)[decision.preference.argmax(axis=1)]
        return preferred

    return asked


def _preferred(policy: OnnxPolicy, asked: Asked, features: Array, open: Array, close: Array) -> Array:
    """The targets that V variants of one symbol's features lead to, [T, V], each from flat; the gate is left aside.

    Args: features: [V, T, F]; open, close: [T].
    """
    many, bars, _ = features.shape
    carried = policy.start(many)
    targets = np.zeros((bars, many))
    for t in range(bars):
        decision = policy.act(carried, features[:, t], np.full(many, open[t]), np.full(many, close[t]))
        targets[t] = asked(decision)
        carried = decision.carried._replace(target=targets[t].astype(np.float32))
    return targets


def _places(bars: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, bars - 1, min(ATTRIBUTED, bars)).astype(np.int64))


def _repeated(carried: Carried, times: int) -> Carried:
    return Carried(
        np.repeat(carried.target, times),
        Holding(*(np.repeat(part, times) for part in carried.holding)),
        np.repeat(carried.memory, times, axis=0),
    )


def _attributions(policy: OnnxPolicy, asked: Asked, span: _Span, center: Array, scale: Array) -> tuple[Array, float]:
    """Integrated gradients of the mean action at some bars, [N, F], and the largest error of their sums.

    The position, and what is remembered, are those of the policy's own path to the bar.
    """
    bars, width = span.features.shape
    step = 0.01 * scale
    middles = (np.arange(STEPS) + 0.5) / STEPS
    nudges = np.concatenate([np.diag(step), -np.diag(step)])  # [2F, F]
    found, errors, carried = [], [], policy.start(1)
    wanted = set(_places(bars).tolist())
    for t in range(bars):
        if t in wanted:
            moved = span.features[t] - center
            points = center + middles[:, None, None] * moved + nudges[None]  # [STEPS, 2F, F]
            ends = np.stack([span.features[t], center])
            tried = np.concatenate([points.reshape(-1, width), ends])
            values = _mean_action(policy, _repeated(carried, len(tried)), tried, span.open[t], span.close[t])
            slopes = values[:-2].reshape(STEPS, 2, width)
            attribution = moved * ((slopes[:, 0] - slopes[:, 1]) / (2 * step)).mean(axis=0)
            found.append(attribution)
            errors.append(abs(attribution.sum() - (values[-2] - values[-1])))
        decision = policy.act(carried, span.features[t : t + 1], span.open[t : t + 1], span.close[t : t + 1])
        carried = decision.carried._replace(target=asked(decision).astype(np.float32))
    return np.stack(found), float(max(errors))


def _mean_action(policy: OnnxPolicy, carried: Carried, features: Array, open: float, close: float) -> Array:
    """Mean of the actions under the softmax of the preferences, [B], signed fraction of equity."""
    many = len(features)
    logits = policy.act(carried, features, np.full(many, open), np.full(many, close)).preference.astype(np.float64)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    mean: Array = (odds @ np.asarray(policy.actions)) / odds.sum(axis=1)
    return mean
