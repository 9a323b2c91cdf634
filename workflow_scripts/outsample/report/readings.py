"""How to read the tests of the verdict: a name, a way to write the value, and a sentence for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from outsample.report.inputs import Tables
from outsample.report.markup import Content, Fragment, Number, hundredths, interval, number, percent, table, unbroken


class Reading(NamedTuple):
    """What a test is called, how its value is written, and how to read it."""

    label: str
    written: Literal["p", "percent", "hundredths", "number", "count", "yes"]
    meaning: str


READINGS = {
    "p_buy_and_hold": Reading(
        "Skill over buy and hold, joined p",
        "p",
        "Evidence where it is below the claim's threshold.",
    ),
    "p_trials_hedged": Reading(
        "… of all trials, out of fold",
        "p",
        "Superior predictive ability (Hansen 2005) of all trials' returns hedged by their beta: it pays for the "
        "search.",
    ),
    "p_vault_alpha": Reading(
        "… of the agent's alpha, on the vault",
        "p",
        "Bootstrap. This alone is about the chosen agent; it must be below 0.5 for any claim.",
    ),
    "p_flat": Reading(
        "A return above zero, joined p",
        "p",
        "A rising market helps here; read it together with beta.",
    ),
    "p_trials_raw": Reading(
        "… of all trials, out of fold",
        "p",
        "Superior predictive ability of all trials' raw returns.",
    ),
    "p_vault_mean": Reading(
        "… of the agent's mean return, on the vault",
        "p",
        "Bootstrap; it must be below 0.5 for a claim.",
    ),
    "claim_below": Reading(
        "Threshold of a claim",
        "p",
        "0.05 divided by the number of looks at this vault.",
    ),
    "hint_below": Reading(
        "Threshold of a hint",
        "p",
        "0.2 divided by the looks. A hint is never evidence.",
    ),
    "out_of_fold_bars": Reading(
        "Bars out of fold",
        "count",
        "Bars of all test folds together; they weigh in the joined p by their square root.",
    ),
    "vault_bars": Reading(
        "Bars of the vault",
        "count",
        "Likewise.",
    ),
    "trials": Reading(
        "Trials",
        "count",
        "All of them enter the tests, not the best one alone.",
    ),
    "alpha": Reading(
        "Alpha to buy and hold, a year",
        "percent",
        "Mean return that is left after beta times buy and hold is taken away. An interval that holds 0 shows nothing.",
    ),
    "beta": Reading(
        "Beta to buy and hold",
        "number",
        "1 moves with buy and hold, 0 is independent of it.",
    ),
    "sharpe": Reading(
        "Sharpe ratio",
        "number",
        "An interval that holds 0 shows no return above zero.",
    ),
    "hedged_returns_vanish": Reading(
        "A multiple of buy and hold",
        "yes",
        "Then there is no skill over buy and hold, by construction.",
    ),
    "too_short": Reading(
        "Too short to tell",
        "yes",
        "Nothing was found, and a Sharpe ratio of 1 would hardly have shown either.",
    ),
    "detectable_sharpe_joined": Reading(
        "Smallest Sharpe ratio, out of fold and vault together",
        "number",
        "What these bars show with a probability of 0.8, were there no search to pay for.",
    ),
    "random_agents_below_total_return": Reading(
        "Random agents below, by total return",
        "hundredths",
        "About half are below an agent without timing.",
    ),
    "random_agents_below_sharpe": Reading(
        "Random agents below, by Sharpe ratio",
        "hundredths",
        "About half are below an agent without timing.",
    ),
    "probabilistic_sharpe_ratio": Reading(
        "Probabilistic Sharpe ratio",
        "number",
        "Of the vault (Bailey and López de Prado 2012): near 1 speaks for a Sharpe ratio above 0. Shown only; it "
        "decides nothing.",
    ),
    "minimum_track_record_bars": Reading(
        "Shortest telling record",
        "count",
        "Bars that a Sharpe ratio like the vault's needs to be told from 0. Shown only.",
    ),
    "deflated_sharpe_ratio": Reading(
        "Deflated Sharpe ratio",
        "number",
        "Of the best trial out of fold, corrected for the number of trials. Too strict where trials are alike. "
        "Shown only.",
    ),
    "effective_trials": Reading(
        "Trials, were they independent",
        "number",
        "Trials that trade alike count as fewer (by their mean correlation out of fold). Shown only.",
    ),
    "seeds_least_return": Reading(
        "Least return of a seed alone",
        "percent",
        "The vault's return of the policy of that training seed; the agent is the mean of all seeds. Shown only.",
    ),
    "seeds_most_return": Reading(
        "Most return of a seed alone",
        "percent",
        "Likewise. Far from the least: what is earned is luck in the seeds as well.",
    ),
    "seeds_agreement": Reading(
        "Bars at which all seeds agree",
        "percent",
        "On one target, of all bars of all symbols. Shown only.",
    ),
    "probability_of_backtest_overfitting": Reading(
        "Probability of backtest overfitting",
        "hundredths",
        "How often the best trial of one half of the bars is below the median on the other half (Bailey et al. 2017). "
        "About 50 % without skill, and also where a search has crowded its trials together. Shown only.",
    ),
}


def _written(value: float | None, how: str) -> Number:
    if how == "percent":
        return percent(value)
    if how == "hundredths":
        return hundredths(value)
    return number(value, {"p": 3, "count": 0}.get(how, 2))


def statistics(tables: Tables) -> Fragment:
    """Every number that the verdict rests on, and how to read each."""
    rows: list[list[Content]] = []
    for name, found in tables.verdict["tests"].items():
        label, how, meaning = READINGS.get(name, Reading(name.replace("_", " "), "number", ""))
        if how == "yes":
            rows.append([label, Fragment("yes" if found else "no"), "", meaning])
            continue
        ends = ""
        if isinstance(found, Mapping):
            ends = interval(_written(found["lower"], how), _written(found["upper"], how))
            found = found["value"]
        rows.append([label, _written(found, how), unbroken(ends), meaning])
    headers = ["what", "value", "interval", "how to read it"]
    return table("statistics", headers, rows, "What the verdict rests on")
