"""Ways to choose a trial, compared on bars that no choice has seen: nested walk-forward over the trial matrix.

At fold k an arm chooses by the scores of the folds before k, and what its choice earns on fold k counts. Nothing is
trained: the comparison is a function of the portfolios and scores of all trials. The vault is not in it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import trim_mean

from outsample.config.search import ADAPTIVE
from outsample.config.selection import RECIPES, MultiMetric
from outsample.io.schemas import TABLES
from outsample.selection.arms import (
    ARMS,
    Key,
    broken_trials,
    candidates,
    default_trial,
    key_of,
    rank,
    trial_scores,
)
from outsample.selection.bootstrap import bootstrap_multiplicities
from outsample.selection.mixture import Mixtures

Array = NDArray[np.float64]
REFERENCE = "defaults"
SEARCH = "hpo"
BLOCK = 10  # bars; mean length of the blocks of the bootstrap, that of the verdict's test of all trials
NOISE = 1e-12  # standard deviation per bar below which a series does not vary


class _Arm(NamedTuple):
    name: str
    score: str  # arm of `outsample.selection.arms` by which it chooses
    candidates: list[Key]
    size: int  # how many it takes; the mean of their targets is traded
    seen: bool  # whether its candidates were suggested by scores of the folds on which it is judged


def compare_arms(
    trials: Sequence[Mapping[str, Any]],
    scores: pd.DataFrame,
    portfolios: pd.DataFrame,
    weights: MultiMetric,
    periods_per_year: float,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    mixtures: Mixtures | None = None,
    size: int = 3,
    stopped: Collection[Key] = (),
    walks_forward: bool = True,
    warm: bool = False,
) -> pd.DataFrame:
    """Compare every arm with the configured settings of the first agent (`defaults`).

    The series of an arm is the mean over seeds of the out-of-fold returns of its choices, fold after fold from the
    second on. A resample draws blocks of bars (stationary bootstrap), the same for all arms, and in each fold the
    seeds, the same for all arms as well; so arms that choose alike differ by exactly 0. The p-value of a difference of
    Sharpe ratios is two-sided, ties counted against it, and Holm's for all arms but the reference.

    Trials of later rounds of an adaptive sampler were suggested by the scores of all folds. So they are no candidates,
    except of the row `hpo`, which chooses among all by Sharpe ratio and whose figures are therefore an upper bound
    (`seen`); it is there where the sampler was adaptive and had more than one round.

    Args:
        trials: one mapping a trial with keys agent, trial, origin, round and params, those of the first agent first.
        scores, portfolios: tables of these names, of every round and agent.
        weights: of the multi-metric arms.
        periods_per_year: bars a year.
        mixtures: replays of several trials' mean targets; None leaves out the arms that need them.
        size: trials that an arm with an ensemble takes the mean of; all, where it has fewer.
        stopped: trials that were stopped at a rung. They are no candidates, and since the scores of all folds said who
            goes on, every arm is `seen` where there are any.
        walks_forward: whether earlier folds precede later ones; else no fold is one where an arm could not look.
        warm: whether an earlier study was told to the sampler. It may have scored these folds, so every arm is `seen`.
    Returns: table "approach_comparison", of all arms that can be had: those with transfer need trials of that origin.
        Sharpe ratios and mean returns are per year. No rows where there is one fold, where folds train on dates after
        their test, or where the configured settings broke down.
    Reference: Varma and Simon (2006) for nesting the choice; Holm (1979).
    """
    columns = list(TABLES["approach_comparison"].columns)
    folds = sorted(int(fold) for fold in portfolios["fold"].unique())
    broken = broken_trials(scores)
    if not walks_forward or len(folds) < 2 or default_trial(trials) in broken:
        return pd.DataFrame(columns=columns)
    arms = [arm for arm in _arms(trials, broken, size, stopped, warm) if arm.candidates and (arm.size == 1 or mixtures)]
    choices = {arm.name: _choices(arm, scores, folds, weights) for arm in arms}
    series = _Series(portfolios, folds[1:], mixtures)
    drawn = _Resamples(series, resamples, seed)
    found = {arm.name: series.of(choices[arm.name]) for arm in arms}
    sharpes = {name: _sharpe(parts.mean(axis=1)) for name, parts in found.items()}
    resampled = {name: drawn.sharpe(parts) for name, parts in found.items()}
    rows = []
    for arm in arms:
        own, mean = resampled[arm.name], found[arm.name].mean(axis=1)
        difference = own - resampled[REFERENCE]
        year = periods_per_year**0.5
        of_folds = np.array([_sharpe(mean[series.fold == fold]) for fold in folds[1:]]) * year
        rows.append(
            {
                "arm": arm.name,
                "seen": arm.seen,
                "folds": len(folds) - 1,
                "bars": len(mean),
                "mean_return": float(mean.mean()) * periods_per_year,
                "sharpe": sharpes[arm.name] * year,
                **_ends("sharpe", own * year, confidence),
                "fold_mean": float(of_folds.mean()),
                "fold_median": float(np.median(of_folds)),
                "fold_worst": float(of_folds.min()),
                "fold_iqm": float(trim_mean(of_folds, 0.25)),
                "difference": (sharpes[arm.name] - sharpes[REFERENCE]) * year,
                **_ends("difference", difference * year, confidence),
                "p_value": _two_sided(difference),
                "choices": "; ".join(
                    f"fold {fold}: {' + '.join(f'{agent} {trial}' for agent, trial in members)}"
                    for fold, members in choices[arm.name].items()
                ),
            }
        )
    table = pd.DataFrame(rows)
    others = table["arm"] != REFERENCE
    table["p_holm"] = 1.0
    table.loc[others, "p_holm"] = holm(table.loc[others, "p_value"].to_numpy())
    return table[columns]


def holm(p_values: Array) -> Array:
    """P-values corrected for their number by Holm's step-down method: never smaller, at most 1.

    >>> holm(np.array([0.01, 0.04, 0.03])).round(4).tolist()
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    stepped = p_values[order] * np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return corrected


def _arms(
    trials: Sequence[Mapping[str, Any]], broken: set[Key], size: int, stopped: Collection[Key], warm: bool
) -> list[_Arm]:
    whole = [trial for trial in trials if key_of(trial) not in broken and key_of(trial) not in stopped]
    adaptive = {key_of(t) for t in trials if t["round"] > 0 and t["origin"] in ADAPTIVE}
    arms = []
    for name in ARMS:
        own = [key_of(t) for t in candidates(name, whole)]
        clean = [default_trial(trials)] if name == REFERENCE else [key for key in own if key not in adaptive]
        seen = (bool(stopped) or warm) and name != REFERENCE
        arms.append(_Arm(name, name, clean, size if RECIPES[name].ensemble else 1, seen))
    every = [key_of(t) for t in candidates("sharpe_only", whole)]
    return [*arms, _Arm(SEARCH, "sharpe_only", every, 1, seen=True)] if adaptive & set(every) else arms


def _choices(arm: _Arm, scores: pd.DataFrame, folds: Sequence[int], weights: MultiMetric) -> dict[int, tuple[Key, ...]]:
    """What the arm chooses for each fold but the first, from the scores of the folds before it."""
    chosen = {}
    for fold in folds[1:]:
        means = trial_scores(arm.score, scores[scores["fold"] < fold], weights)
        chosen[fold] = tuple(rank(means, arm.candidates, set())[: arm.size])
    return chosen


class _Series:
    """Out-of-fold returns of every trial on the folds that are judged, by (fold, agent, trial): [T_fold, S]."""

    def __init__(self, portfolios: pd.DataFrame, folds: Sequence[int], mixtures: Mixtures | None) -> None:
        self._mixtures = mixtures
        self._returns: dict[tuple[int, str, int], Array] = {}
        for fold in folds:
            of_fold = portfolios[portfolios["fold"] == fold]
            keys = of_fold[["agent", "trial"]].drop_duplicates()
            for agent, trial in zip(keys["agent"], keys["trial"], strict=True):
                rows = of_fold[(of_fold["agent"] == agent) & (of_fold["trial"] == trial)]
                wide = rows.pivot(index="date", columns="seed", values="net_return").sort_index()
                self._returns[fold, str(agent), int(trial)] = wide.to_numpy()
        shapes = {fold: returns.shape for (fold, _, _), returns in self._returns.items()}
        self.folds = list(folds)
        self.fold = np.repeat(self.folds, [shapes[fold][0] for fold in self.folds])  # [T] fold of each bar
        self.seeds = shapes[self.folds[0]][1]

    def of(self, choices: Mapping[int, tuple[Key, ...]]) -> Array:
        """Returns of the chosen trials, of several the mean of their targets, fold after fold, [T, S]."""
        return np.concatenate([self._of(fold, choices[fold]) for fold in self.folds])

    def _of(self, fold: int, members: tuple[Key, ...]) -> Array:
        if len(members) == 1 or self._mixtures is None:
            return self._returns[(fold, *members[0])]
        return self._mixtures.returns(fold, tuple(sorted(members)))


class _Resamples:
    """Resampled Sharpe ratios: blocks of bars and seeds of each fold, the same for every arm."""

    def __init__(self, series: _Series, resamples: int, seed: int) -> None:
        bars = len(series.fold)
        self._bars = bootstrap_multiplicities(bars, BLOCK, resamples, seed)  # [B, T]
        generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, bars])))
        draws = generator.integers(0, series.seeds, (resamples, len(series.folds), series.seeds))
        # [B, K, S] weights of the seeds in each fold
        self._seeds = np.stack([(draws == s).mean(axis=2) for s in range(series.seeds)], axis=2)
        self._blocks = [series.fold == fold for fold in series.folds]

    def sharpe(self, returns: Array) -> Array:
        """Sharpe ratio per bar of each resample, [B], of returns [T, S]."""
        mean = np.concatenate([self._seeds[:, k] @ returns[rows].T for k, rows in enumerate(self._blocks)], axis=1)
        first = (self._bars * mean).mean(axis=1)
        deviation = np.sqrt(np.maximum((self._bars * mean**2).mean(axis=1) - first**2, 0.0))
        return np.divide(first, deviation, out=np.zeros_like(first), where=deviation > NOISE)


def _sharpe(returns: Array) -> float:
    """Per bar; 0 for a series that does not vary."""
    deviation = returns.std()
    return float(returns.mean() / deviation) if deviation > NOISE else 0.0


def _two_sided(differences: Array) -> float:
    return float(min(1.0, 2.0 * min((differences <= 0.0).mean(), (differences >= 0.0).mean())))


def _ends(name: str, values: Array, confidence: float) -> dict[str, float]:
    lower, upper = np.quantile(values, [(1.0 - confidence) / 2.0, (1.0 + confidence) / 2.0])
    return {f"{name}_lower": float(lower), f"{name}_upper": float(upper)}
