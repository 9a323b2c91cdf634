"""What the search did beside its trials: rungs at which some were stopped, two objectives, an earlier study."""

from __future__ import annotations

from outsample.report.inputs import Tables
from outsample.report.markup import Content, Fragment, join, paragraphs, percent, table
from outsample.selection.arms import Key


def asked(tables: Tables) -> str:
    """What the sampler was asked for beyond one score of trials that are trained in one go; empty where nothing."""
    search = tables.settings["search"]
    rungs, parts = search["rungs"], []
    if rungs["levels"] > 1:
        parts.append(f"{rungs['levels']} rungs, of each of which the best 1/{rungs['reduction_factor']} go on")
    if search["objective"] == "pareto":
        parts.append("two objectives, total return and maximum drawdown")
    if search["warm_start"]:
        parts.append(f"told the trials of {search['warm_start']} beforehand, which count among the trials looked at")
    return "".join(f"; {part}" for part in parts)


def stopped(tables: Tables) -> dict[Key, str]:
    """Where each trial was stopped, in words, of those that were."""
    rows = tables.rungs[~tables.rungs["goes_on"].astype(bool)].to_dict("records")
    return {
        (row["agent"], row["trial"]): f"stopped at rung {row['rung']} after {row['updates']} updates" for row in rows
    }


def halving(tables: Tables) -> Fragment:
    """One sentence on the trials that were stopped; nothing without rungs."""
    if tables.rungs.empty:
        return join()
    reached = tables.rungs.drop_duplicates(["agent", "trial"])
    return paragraphs(
        [
            f"{len(stopped(tables))} of {len(reached)} trials were stopped at a rung. Their scores are of the models "
            "as they stood there; they are never chosen, but count among the trials. The configured settings always "
            "go on."
        ]
    )


def pareto(tables: Tables) -> Fragment:
    """The trials of the Pareto front, best return first; nothing where there was one objective."""
    if tables.settings["search"]["objective"] != "pareto":
        return join()
    front = tables.pareto[tables.pareto["front"] == 1].sort_values(
        ["total_return", "max_drawdown", "agent", "trial"], ascending=[False, True, True, True]
    )
    if front.empty:
        return paragraphs(["There is no Pareto front: no trial traded and was trained to its end."])
    chosen = (tables.selection["agent"], tables.selection["trial"])
    rows: list[list[Content]] = [
        [
            f"{row['agent']} {row['trial']}" + (" (chosen)" if (row["agent"], row["trial"]) == chosen else ""),
            percent(row["total_return"]),
            percent(row["max_drawdown"]),
        ]
        for row in front.to_dict("records")
    ]
    caption = "Pareto front: no trial has more return and no more drawdown, out of fold, means over folds and seeds"
    where = "on" if chosen in set(zip(front["agent"], front["trial"], strict=True)) else "not on"
    told = f"The arm {tables.selection['arm']} chose among all trials; its choice is {where} the front."
    return join(table("pareto", ["trial", "total return", "largest drawdown"], rows, caption), paragraphs([told]))
