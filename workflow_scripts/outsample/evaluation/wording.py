"""The verdict in words: a title and sentences that are generated from the findings, every number with its unit."""

from __future__ import annotations

import math
from collections.abc import Callable

from outsample.evaluation.verdict import CLAIM, HINT, Estimate, Findings

_TITLES = {
    "none": "No evidence of skill",
    "weak": "A hint of skill, but no evidence",
    "evidence_over_flat": "Evidence of a return above zero, but not of skill over buy and hold",
    "evidence_over_buy_and_hold": "Evidence of skill over buy and hold",
}


def title_of(findings: Findings) -> str:
    """Title of the verdict, in a few words."""
    title = _TITLES[findings.level]
    kind = findings.activity["kind"]
    if kind == "never trades":
        title += ": the agent never trades"
    elif kind == "holds one position":
        title += ": the agent holds one position throughout"
    elif findings.too_short:
        title += ", on too few bars to tell"
    return f"{title} (simulated data)" if findings.simulated else title


def sentences_of(findings: Findings) -> list[str]:
    """The verdict in sentences: what is claimed over what, what the agent did and earned, and what could have shown."""
    sentences = [_claim(findings), _activity(findings), _earned(findings), _tests(findings), _look(findings)]
    sentences += [_detectable(findings), _simulated(findings)]
    return [sentence for sentence in sentences if sentence]


def _claim(f: Findings) -> str:
    tests, kind = f.tests, f.activity["kind"]
    over_bh = f"over buy and hold (joined {_p(tests.p_buy_and_hold)})"
    over_flat = f"a return above zero (joined {_p(tests.p_flat)})"
    claim = _threshold(CLAIM, f)
    if f.level == "evidence_over_buy_and_hold":
        return f"The agent earned more than its share of the market's own movement: skill {over_bh}, below {claim}."
    if f.level == "evidence_over_flat":
        return f"There is evidence of {over_flat}, below {claim}. {_no_skill(f)} {_drift(f)}"
    if kind == "never trades":
        return "An agent that never trades has shown neither skill nor a lack of it."
    if f.level == "weak":
        return (
            f"{_hint(f)} This is no evidence: without any skill about 1 study in 12 gets this far, and 1 in 4 where "
            "trading is free."
        )
    if kind == "holds one position" or tests.vanishes:
        return f"{_no_skill(f)} Nor is there evidence of {over_flat}."
    return f"There is evidence neither of skill {over_bh} nor of {over_flat}."


def _no_skill(f: Findings) -> str:
    if f.activity["kind"] == "holds one position":
        return "The agent shows no skill over buy and hold: an agent that holds one position takes no decision."
    if f.tests.vanishes:
        return "The agent shows no skill over buy and hold: its returns are a fixed multiple of buy and hold's."
    return f"The agent is not shown to have skill over buy and hold (joined {_p(f.tests.p_buy_and_hold)})."


def _drift(f: Findings) -> str:
    return (
        f"Its mean return is {_percent(f.mean_return)} per year; its share of the market's own drift alone (beta "
        f"{_ratio(f.beta)} times buy and hold's {_percent(f.buy_and_hold_mean)}) is "
        f"{_percent(f.beta * f.buy_and_hold_mean)}."
    )


def _hint(f: Findings) -> str:
    """Which p-value is below the looser threshold, and where it is below the strict one, why that is not enough."""
    tests = f.tests
    counts = not (f.activity["kind"] == "holds one position" or tests.vanishes)
    found = [(tests.p_buy_and_hold, "skill over buy and hold")] if counts else []
    found.append((tests.p_flat, "a return above zero"))
    p, what = min(found)
    hint = f"There is a hint of {what} (joined {_p(p)}, below {_threshold(HINT, f)})."
    if p < CLAIM / f.look:
        hint = f"{hint[:-1]}, but the vault alone does not bear it out."
    return hint if counts else f"{_no_skill(f)} {hint}"


def _activity(f: Findings) -> str:
    kind, bars = f.activity["kind"], f"{f.tests.vault_bars:,} bars of the vault"
    if kind == "never trades":
        return f"It stays flat over all {bars}."
    if kind == "holds one position":
        held = ", ".join(f"{symbol} {target:.2f}" for symbol, target in f.held.items())
        idle = [symbol for symbol, found in f.activity_by_symbol.items() if found["kind"] == "never trades"]
        rest = f"; it never trades {', '.join(idle)}" if idle else ""
        return f"Over the {bars} it holds one position throughout, as a fraction of the sleeve's equity: {held}{rest}."
    trips = "1 round trip" if f.activity["trades"] == 1 else f"{f.activity['trades']:,} round trips"
    still = [
        f"{symbol} {'is never traded' if found['kind'] == 'never trades' else 'is held throughout'}"
        for symbol, found in f.activity_by_symbol.items()
        if found["kind"] != "trades"
    ]
    rest = f" ({', '.join(still)})" if still else ""
    return (
        f"Over the {bars} it made {trips}{rest}, with {_percent(f.activity['exposure'])} of its equity in the market "
        f"on average (net {_percent(f.activity['net_exposure'])})."
    )


def _earned(f: Findings) -> str:
    held = _percent(f.buy_and_hold_return)
    earned = f"It earned {_percent(f.total_return)} net of costs, where buy and hold earned {held}"
    if math.isnan(f.sharpe.value):
        return f"{earned}; its Sharpe ratio is undefined, since its returns do not vary."
    return f"{earned}; its Sharpe ratio is {_estimate(f, f.sharpe, _ratio)} per year."


def _tests(f: Findings) -> str:
    if f.activity["kind"] == "never trades":
        return ""
    t = f.tests
    trials = "1 trial" if t.trials == 1 else f"{t.trials:,} trials"
    alpha = ""
    if not t.vanishes:
        alpha = (
            f" Its alpha to buy and hold is {_estimate(f, f.alpha, _percent)} per year, at a beta of {_ratio(f.beta)}."
        )
    return (
        f"Each joined p-value puts together {trials} on {t.out_of_fold_bars:,} bars out of fold (over buy and hold "
        f"{_p(t.p_trials_hedged)}, above zero {_p(t.p_trials_raw)}) and the chosen agent on the vault "
        f"({_p(t.p_vault_alpha)} and {_p(t.p_vault_mean)}).{alpha}"
    )


def _look(f: Findings) -> str:
    if f.look == 1:
        return ""
    return (
        f"This is look {f.look} at this vault, and every look makes luck likelier: a claim needs a joined p below "
        f"{_threshold(CLAIM, f)} instead of {CLAIM}."
    )


def _detectable(f: Findings) -> str:
    bars, sharpe = f"{f.tests.vault_bars:,} bars", f"{f.detectable_sharpe:.2f}"
    shown = (
        f"The smallest true Sharpe ratio that the vault's {bars} show with a probability of 80 % is {sharpe} per year "
        f"({f.detectable_sharpe_joined:.2f} together with the {f.tests.out_of_fold_bars:,} bars out of fold)"
    )
    if f.level not in ("none", "weak"):
        return f"{shown}."
    if f.too_short:
        return f"{shown}: they are too few to tell no skill from a smaller one."
    return f"{shown}: a Sharpe ratio of 1 would probably have shown."


def _simulated(f: Findings) -> str:
    if not f.simulated:
        return ""
    return "The prices are simulated: this says something about the procedure, and nothing about a market."


def _estimate(f: Findings, estimate: Estimate, write: Callable[[float], str]) -> str:
    value = write(estimate.value)
    if math.isnan(estimate.lower):
        return value
    return f"{value} ({f.confidence * 100:g} % interval {write(estimate.lower)} to {write(estimate.upper)})"


def _percent(value: float) -> str:
    return f"{_without_minus_zero(value * 100, 1)} %"


def _ratio(value: float) -> str:
    return _without_minus_zero(value, 2)


def _without_minus_zero(value: float, digits: int) -> str:
    return f"{round(value, digits) + 0.0:,.{digits}f}"


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}" if value < 0.1 else f"p = {value:.2f}"


def _threshold(level: float, f: Findings) -> str:
    return f"{level / f.look:.3g}"
