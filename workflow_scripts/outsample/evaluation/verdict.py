"""The verdict: a decision table over tests whose error rates and power were measured (docs/verdict.md).

p_bh joins two p-values (Stouffer, weights by the square roots of the numbers of bars): Hansen's SPA over the
beta-hedged out-of-fold returns of ALL trials, which asks whether any trial has skill, and the bootstrap p of the chosen
agent's alpha on the vault, which alone is about that agent: hence the guards. p_flat joins the same two of raw returns.

| level | rule, with m the number of this look at the vault |
|---|---|
| evidence_over_buy_and_hold | p_bh < .05 / m, vault alpha p < .5, vault return > 0, not one position throughout |
| evidence_over_flat | else p_flat < .05 / m and vault mean p < .5 |
| weak | else p_bh < .2 / m or p_flat < .2 / m: a hint, never a claim |
| none | else; and always where the agent never trades |

Where the agent holds one position throughout, or its hedged returns vanish, p_bh counts for nothing: that is buy and
hold in disguise, and "no skill over buy and hold" by construction. Measured on 480 null and 300 edge markets: false
claims over buy and hold 0.4 % (2.7 % in the worst case built), power 17 / 89 / 99 % at an oracle Sharpe of 1 / 2 / 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outsample.selection.statistics import (
    alpha_p_value,
    hedge,
    mean_p_value,
    politis_white_block_length,
    smallest_detectable_sharpe,
    stouffer,
    superior_predictive_ability,
)

LEVELS = ("none", "weak", "evidence_over_flat", "evidence_over_buy_and_hold")
CLAIM = 0.05
HINT = 0.2
POWER = 0.8
BLOCK = 10  # bars; SPA's block length, with which the error rates were measured
TOO_SHORT = 1.0  # bars that can only show a larger annual Sharpe ratio than this are too few to tell

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SkillTests:
    """The p-values of the two questions, and what they rest on."""

    out_of_fold_bars: int
    vault_bars: int
    trials: int  # those that broke down counted
    p_trials_hedged: float  # SPA, hedged returns of all trials, out of fold
    p_vault_alpha: float  # the agent on the vault
    p_trials_raw: float  # SPA, raw returns of all trials, out of fold
    p_vault_mean: float  # the agent on the vault
    vanishes: bool  # the agent's hedged vault returns are 0: a multiple of buy and hold

    @property
    def p_buy_and_hold(self) -> float:
        """Joined p-value of skill over buy and hold."""
        return self._join(self.p_trials_hedged, self.p_vault_alpha)

    @property
    def p_flat(self) -> float:
        """Joined p-value of a return above zero."""
        return self._join(self.p_trials_raw, self.p_vault_mean)

    def _join(self, out_of_fold: float, vault: float) -> float:
        return stouffer([out_of_fold, vault], [self.out_of_fold_bars**0.5, self.vault_bars**0.5])


def run_tests(
    trials: Array,
    trials_benchmark: Array,
    vault: Array,
    vault_benchmark: Array,
    resamples: int,
    seed: int,
    further_trials: int = 0,
) -> SkillTests:
    """The tests of one study; the block length is 10 bars for SPA and that of Politis and White (2004) on the vault.

    Args:
        trials: [T, N] net out-of-fold portfolio returns of all trials (mean over the seeds), fractions per bar.
        trials_benchmark: [T] buy and hold of the same sleeves on the same bars.
        vault: [V] net returns of the agent's portfolio on the vault.
        vault_benchmark: [V] buy and hold there.
        resamples: number of stationary-bootstrap resamples.
        seed: seed of the resamples.
        further_trials: trials without returns here that are counted all the same: those of the search that broke down,
            and those of an earlier study which the search was told.
    """
    hedged, _ = hedge(vault, vault_benchmark)
    return SkillTests(
        out_of_fold_bars=len(trials),
        vault_bars=len(vault),
        trials=trials.shape[1] + further_trials,
        p_trials_hedged=superior_predictive_ability(hedge(trials, trials_benchmark)[0], BLOCK, seed, resamples),
        p_vault_alpha=alpha_p_value(vault, vault_benchmark, politis_white_block_length(hedged), seed, resamples),
        p_trials_raw=superior_predictive_ability(trials, BLOCK, seed, resamples),
        p_vault_mean=mean_p_value(vault, politis_white_block_length(vault), seed, resamples),
        vanishes=not hedged.any(),
    )


def decide_level(tests: SkillTests, kind: str, vault_return: float, look: int) -> str:
    """The level of the decision table.

    Args:
        tests: the p-values.
        kind: what the agent did on the vault: "trades", "holds one position" or "never trades".
        vault_return: its total return there, a fraction.
        look: which look at this vault it is, from 1; the thresholds are divided by it.
    Raises: ValueError where look < 1 or kind is unknown.
    """
    if look < 1 or kind not in ("trades", "holds one position", "never trades"):
        raise ValueError(f"look {look} must be at least 1 and kind {kind!r} one of the market's")
    if kind == "never trades":
        return "none"
    p_buy_and_hold = 1.0 if kind == "holds one position" or tests.vanishes else tests.p_buy_and_hold
    if p_buy_and_hold < CLAIM / look and tests.p_vault_alpha < 0.5 and vault_return > 0:
        return "evidence_over_buy_and_hold"
    if tests.p_flat < CLAIM / look and tests.p_vault_mean < 0.5:
        return "evidence_over_flat"
    if min(p_buy_and_hold, tests.p_flat) < HINT / look:
        return "weak"
    return "none"


@dataclass(frozen=True)
class Estimate:
    """A number and its interval; NaN where undefined."""

    value: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Findings:
    """Everything that the verdict is made of; the portfolio on the vault unless stated otherwise."""

    tests: SkillTests
    look: int
    periods_per_year: float
    confidence: float
    simulated: bool
    activity: Mapping[str, Any]  # of the portfolio: see market.metrics.describe_activity
    activity_by_symbol: Mapping[str, Mapping[str, Any]]
    held: Mapping[str, float]  # symbol -> target, where the agent holds one position throughout
    total_return: float  # fraction
    buy_and_hold_return: float  # fraction
    mean_return: float  # fraction per year
    buy_and_hold_mean: float  # fraction per year
    sharpe: Estimate  # per year
    alpha: Estimate  # to buy and hold, fraction per year
    beta: float  # to buy and hold
    shown: Mapping[str, float]  # further numbers that gate nothing, by name

    @property
    def level(self) -> str:
        """Level of the decision table."""
        return decide_level(self.tests, self.activity["kind"], self.total_return, self.look)

    @property
    def detectable_sharpe(self) -> float:
        """Smallest true annual Sharpe ratio that the vault's bars show with a power of 0.8."""
        return smallest_detectable_sharpe(self.tests.vault_bars, self.periods_per_year, POWER, CLAIM / self.look)

    @property
    def detectable_sharpe_joined(self) -> float:
        """The same for the out-of-fold and the vault bars together, without the price of the search."""
        bars = self.tests.out_of_fold_bars + self.tests.vault_bars
        return smallest_detectable_sharpe(bars, self.periods_per_year, POWER, CLAIM / self.look)

    @property
    def too_short(self) -> bool:
        """Nothing was found, and the vault could not have shown a Sharpe ratio of 1 either."""
        return self.level in ("none", "weak") and self.detectable_sharpe > TOO_SHORT

    def document(self, title: str, sentences: list[str]) -> dict[str, Any]:
        """Document "verdict"; p-values and thresholds are pure numbers, alpha a fraction per year."""
        tests = self.tests
        return {
            "level": self.level,
            "title": title,
            "sentences": sentences,
            "tests": {
                "p_buy_and_hold": tests.p_buy_and_hold,
                "p_trials_hedged": tests.p_trials_hedged,
                "p_vault_alpha": tests.p_vault_alpha,
                "p_flat": tests.p_flat,
                "p_trials_raw": tests.p_trials_raw,
                "p_vault_mean": tests.p_vault_mean,
                "claim_below": CLAIM / self.look,
                "hint_below": HINT / self.look,
                "out_of_fold_bars": tests.out_of_fold_bars,
                "vault_bars": tests.vault_bars,
                "trials": tests.trials,
                "alpha": _estimate(self.alpha),
                "beta": self.beta,
                "sharpe": _estimate(self.sharpe),
                "hedged_returns_vanish": tests.vanishes,
                "too_short": self.too_short,
                "detectable_sharpe_joined": self.detectable_sharpe_joined,
                **self.shown,
            },
            "activity": {
                "portfolio": dict(self.activity),
                "symbols": {symbol: dict(found) for symbol, found in self.activity_by_symbol.items()},
            },
            "detectable_sharpe": self.detectable_sharpe,
            "look": self.look,
        }


def _estimate(estimate: Estimate) -> dict[str, float]:
    return {"value": estimate.value, "lower": estimate.lower, "upper": estimate.upper}
