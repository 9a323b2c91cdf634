"""The ways to choose a trial: what each chose, and whether one earned more than another where it could not look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from outsample.config.folds import Folds
from outsample.config.selection import RECIPES, arms_of
from outsample.report.inputs import Tables
from outsample.report.markup import (
    Content,
    Fragment,
    interval,
    join,
    number,
    paragraphs,
    percent,
    table,
    unbroken,
)

NOISE = 0.05  # Holm's p-value below which a difference is more than noise
WORDS = {
    "defaults": "the configured settings, without a search",
    "sharpe_only": "Sharpe ratio",
    "multi_metric": "weighted sum of four metrics",
    "multi_metric_filtered": "the same sum, over folds that did not lose",
    "transfer": "Sharpe ratio, weights pre-trained on other symbols",
    "ensemble": "Sharpe ratio, the mean of the best trials",
    "enhanced": "weighted sum, pre-trained weights, the mean of the best trials",
    "enhanced_without_multi_metric": "Sharpe ratio, pre-trained weights, the mean of the best trials",
    "enhanced_without_transfer": "weighted sum, the mean of the best trials",
    "enhanced_without_ensemble": "weighted sum, pre-trained weights",
    "hpo": "Sharpe ratio, trials of the later rounds included",
}


def arms(tables: Tables) -> Fragment:
    """What each selection arm chose from the same trials; only the configured one went to the vault."""
    rows: list[list[Content]] = [
        [
            s["arm"],
            choice(s),
            number(s["score"]),
            "yes" if s["arm"] == tables.selection["arm"] else "no",
        ]
        for s in tables.selections
    ]
    headers = ["arm", "its choice", "its score", "went to the vault"]
    caption = "Selection arms: each is a function of the same trials; the score is that of its best trial"
    return join(table("arms", headers, rows, caption), paragraphs(missing(tables)))


def choice(selection: Mapping[str, Any]) -> str:
    """The trial of a selection, or the trials whose targets are averaged.

    >>> choice({"members": [{"agent": "ppo", "trial": 3}, {"agent": "a2c", "trial": 0}]})
    'ppo 3 + a2c 0'
    """
    return " + ".join(f"{member['agent']} {member['trial']}" for member in selection["members"])


def choice_in_words(selection: Mapping[str, Any]) -> str:
    """What a selection is, and the score of its best trial."""
    best = f"{selection['agent']}, trial {selection['trial']}, score {number(selection['score']).text}"
    if len(selection["members"]) == 1:
        return best
    return f"the mean of the targets of {choice(selection)}; the best of them is {best}"


def missing(tables: Tables) -> list[str]:
    """Which arms cannot be had, and what they need."""
    transfer = tables.settings["data"]["transfer"]
    without = [arm for arm in RECIPES if arm not in arms_of(transfer)]
    if not without:
        return [f"Weights are pre-trained on {', '.join(transfer)}, which are never traded."]
    return [
        f"Not among them are {', '.join(without[:-1])} and {without[-1]}: they start from weights that are pre-trained "
        "on other symbols, and data.transfer names none."
    ]


def comparison(tables: Tables) -> Fragment:
    """The arms by nested walk-forward, and in words which differences are larger than noise."""
    found = tables.comparison
    if found.empty:
        return paragraphs([not_compared(tables)])
    rows: list[list[Content]] = [
        [
            f"{row['arm']}{' (upper bound)' if row['seen'] else ''}",
            WORDS.get(row["arm"], ""),
            number(row["sharpe"]),
            unbroken(interval(number(row["sharpe_lower"]), number(row["sharpe_upper"]))),
            percent(row["mean_return"]),
            number(row["fold_median"]),
            number(row["fold_worst"]),
            number(row["difference"]),
            unbroken(interval(number(row["difference_lower"]), number(row["difference_upper"]))),
            number(row["p_holm"], 3),
        ]
        for row in in_order(found).to_dict("records")
    ]
    headers = [
        *("arm", "chooses by", "Sharpe ratio", "interval", "mean return a year", "median fold", "worst fold"),
        *("less defaults", "interval", "p (Holm)"),
    ]
    caption = "Arms where they could not look: at each fold the choice is made from the folds before it"
    return join(table("comparison", headers, rows, caption), paragraphs(sentences(found)))


def not_compared(tables: Tables) -> str:
    """Why the comparison has no rows."""
    scheme = tables.settings["folds"]["scheme"]
    if Folds(**tables.settings["folds"]).walks_forward:
        return "The arms are not compared: there is one fold, or the configured settings broke down."
    return (
        f"The arms are not compared: with folds.scheme {scheme} models learn from bars after those that they are "
        "tested on, so there is no fold on which an arm, choosing from the others, could not have looked."
    )


def in_order(found: pd.DataFrame) -> pd.DataFrame:
    """The rows in the order of `WORDS`."""
    order = {name: place for place, name in enumerate(WORDS)}
    return found.sort_values("arm", key=lambda names: names.map(order), kind="stable", ignore_index=True)


def sentences(found: pd.DataFrame) -> list[str]:
    """What the comparison says: which arms beat the configured settings by more than noise, and what it rests on."""
    rows = in_order(found)
    reference = rows[rows["arm"] == "defaults"].iloc[0]
    clean = rows[(rows["arm"] != "defaults") & ~rows["seen"]]
    beyond = clean[clean["p_holm"] < NOISE]
    basis = (
        f"On {reference['bars']:,} bars of {reference['folds']} folds, "
        "one resample of blocks of bars and of seeds for all arms together"
    )
    if clean.empty:
        return [
            "Which trials went on from a rung was decided by the scores of these very folds, so every arm but the "
            "configured settings is an upper bound, and none of them is shown to be better."
        ]
    if (clean["choices"] == reference["choices"]).all():
        told = ["Every arm chose the configured settings on every fold, so they do not differ."]
    elif beyond.empty:
        told = [f"{basis}, no arm differs from the configured settings by more than noise."]
    else:
        parts = [
            f"{row['arm']} is {'better' if row['difference'] > 0 else 'worse'} by {abs(row['difference']):.2f}"
            for row in beyond.to_dict("records")
        ]
        told = [f"{basis}, more than noise by their Sharpe ratio: {', '.join(parts)}."]
    if rows["seen"].any():
        told.append(
            "Later rounds of the search were suggested by the scores of these very folds; hpo, which may choose them, "
            "is therefore an upper bound, and the other arms choose among the first round."
        )
    return told
