"""Compare the ways to choose a trial, and each trial over its folds and paths: scores, portfolios -> Parquet, CSV."""

from outsample.config.folds import Folds
from outsample.config.models import Evaluation, Market
from outsample.config.selection import Selection
from outsample.io import read_joined, read_json, read_table, write_csv, write_table
from outsample.io.script import run_script
from outsample.market.accounting import MarketRules
from outsample.market.panel import Panel
from outsample.selection.comparison import compare_arms
from outsample.selection.folds import summarise_folds
from outsample.selection.mixture import Mixtures
from outsample.selection.paths import path_metrics
from outsample.selection.rungs import stopped_trials


def main(
    suggestions,
    scores,
    portfolios,
    rungs,
    matrices,
    development,
    quality,
    table,
    csv,
    fold_metrics,
    paths,
    *,
    settings,
):
    periods, market = read_json(quality, "quality")["calendar"]["periods_per_year"], Market(**settings["market"])
    selection = Selection(**settings["selection"])
    documents = [read_json(path, "suggestions") for path in suggestions]
    evaluation = Evaluation(**settings["evaluation"])
    folds = Folds(**settings["folds"])
    earned = read_joined(portfolios, "portfolios")
    scored = read_joined(scores, "scores")
    matrix_of = {
        (document["agent"], trial["trial"]): path
        for document, path in zip(documents, matrices, strict=True)
        for trial in document["trials"]
    }
    compared = compare_arms(
        [
            trial | {"agent": document["agent"], "round": document["round"]}
            for document in documents
            for trial in document["trials"]
        ],
        scored,
        earned,
        selection.multi_metric,
        periods,
        evaluation.resamples,
        evaluation.confidence,
        evaluation.seed,
        Mixtures(
            lambda member, fold: read_table(matrix_of[member], "matrix", trial=member[1], fold=fold),
            Panel.from_frame(read_table(development, "development"), []),
            MarketRules.from_settings(market, periods),
            periods,
            market.replayed_equity,
        ),
        selection.ensemble.size,
        stopped=stopped_trials(read_table(path, "rung") for path in rungs),
        walks_forward=folds.walks_forward,
        warm=bool(settings["search"]["warm_start"]),
    )
    write_table(compared, table, "approach_comparison")
    write_csv(compared, csv)
    write_table(summarise_folds(scored), fold_metrics, "fold_metrics")
    write_table(path_metrics(earned, periods, market.risk_free_rate), paths, "paths")


if "snakemake" in globals():
    run_script(main, snakemake)
