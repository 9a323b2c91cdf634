"""The whole procedure in memory: from validated bars to the level of the verdict, by the functions of the scripts.

Nothing is read or written, no look is counted: the vault of a surrogate market is no vault.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from outsample.agents.ensemble import fit_selection
from outsample.agents.export import policy_document, to_onnx
from outsample.agents.lanes import LaneResults, train_lanes
from outsample.agents.onnx import OnnxPolicy, decide
from outsample.agents.pretraining import Pretraining
from outsample.agents.studio import Lane
from outsample.config.models import Settings
from outsample.evaluation.judge import Judged, judge
from outsample.features.build import build_features
from outsample.features.user import UserFeature
from outsample.folds.make import make_folds
from outsample.folds.scalers import fit_scalers
from outsample.folds.transfer import transfer_tables
from outsample.folds.vault import split_vault
from outsample.market.accounting import MarketRules
from outsample.market.panel import Panel
from outsample.search.rounds import suggest
from outsample.search.transfer import transfer_trials
from outsample.selection.arms import broken_trials, check_failures, select, told_scores
from outsample.selection.matrix import Accounts, account


@dataclass(frozen=True)
class Outcome:
    """What the procedure gave; the tables are those of the workflow."""

    targets: pd.DataFrame  # of all agents and rounds, with their agent
    portfolios: pd.DataFrame
    scores: pd.DataFrame
    selection: dict[str, Any]
    policy: dict[str, Any]
    judged: Judged


@dataclass(frozen=True)
class _Market:
    """The tables that training and evaluation read."""

    development: pd.DataFrame
    vault: pd.DataFrame
    folds: pd.DataFrame
    scalers: pd.DataFrame
    names: list[str]  # of the features
    rules: MarketRules
    periods: float
    transfer: dict[str, Pretraining]  # agent -> on what it is pre-trained; empty without symbols for it

    @classmethod
    def of(
        cls, validated_bars: pd.DataFrame, settings: Settings, periods: float, own: Sequence[UserFeature]
    ) -> _Market:
        table, spec = build_features(validated_bars, settings.features, settings.data.untraded, own)
        development, vault, split = split_vault(table, settings.vault, spec["warm_up"])
        folds = make_folds(development, settings.folds, spec["warm_up"])
        names = [feature["name"] for feature in spec["features"]]
        scalers = fit_scalers(development, folds, names, settings.folds.scaling)
        rules = MarketRules.from_settings(settings.market, periods)
        transfer: dict[str, Pretraining] = {}
        if settings.data.transfer:
            start = pd.Timestamp(split["vault"]["first"])
            rows, divided = transfer_tables(validated_bars, settings, development, start, own)
            others = Panel.from_frame(rows, names)
            transfer = {
                agent: Pretraining(others, divided, getattr(settings.agents, agent).model_dump())
                for agent in settings.search.agents
            }
        return cls(development, vault, folds, scalers, names, rules, periods, transfer)


def procedure(
    validated_bars: pd.DataFrame, settings: Settings, periods_per_year: float, own: Sequence[UserFeature] = ()
) -> Outcome:
    """Features, vault, folds, search, selection, final training, decisions and verdict, at the first look.

    Args:
        validated_bars: table `validated_bars`.
        settings: of the experiment; of `data` only the symbols that are not traded are read.
        periods_per_year: bars a year.
        own: features of the user.
    Raises: what the stages raise.
    """
    market = _Market.of(validated_bars, settings, periods_per_year, own)
    panel = Panel.from_frame(market.development, market.names)
    trials: list[dict[str, Any]] = []
    targets: list[pd.DataFrame] = []
    accounts: list[tuple[pd.DataFrame, pd.DataFrame]] = []
    for agent in settings.search.agents:
        found = _search(agent, settings, market, panel)
        trials += found[0]
        targets += found[1]
        accounts += found[2]
    portfolios, scores = (pd.concat(parts, ignore_index=True) for parts in zip(*accounts, strict=True))
    check_failures(scores, settings.search.max_failed)
    chosen_by = settings.selection
    selection = select(chosen_by.arm, scores, trials, chosen_by.multi_metric, chosen_by.ensemble.size)
    fitted = fit_selection(
        *(selection["members"], settings.final.seeds, panel, market.folds, market.scalers),
        *(market.rules, settings.gate),
        transfer=market.transfer,
    )
    model = to_onnx(fitted)
    policy = policy_document(fitted, model)
    judged = _open(market, settings, OnnxPolicy(model, policy), portfolios, len(broken_trials(scores)))
    return Outcome(pd.concat(targets, ignore_index=True), portfolios, scores, selection, policy, judged)


def _search(
    agent: str, settings: Settings, market: _Market, panel: Panel
) -> tuple[list[dict[str, Any]], list[pd.DataFrame], list[tuple[pd.DataFrame, pd.DataFrame]]]:
    """The trials of all rounds of an agent, their targets, and the portfolios and scores of each round."""
    search = settings.search
    trials: list[dict[str, Any]] = []
    targets: list[pd.DataFrame] = []
    accounts: list[tuple[pd.DataFrame, pd.DataFrame]] = []

    def run(suggested: list[dict[str, Any]], pretraining: Pretraining | None = None) -> None:
        found, accounted = _train(agent, suggested, settings, market, panel, pretraining)
        trials.extend(trial | {"agent": agent} for trial in suggested)
        targets.append(found.targets.assign(agent=agent))
        accounts.append((accounted.portfolios, accounted.scores))

    for number in range(search.rounds):
        earlier = told_scores(
            *(search.objective, agent, trials, pd.concat([scores for _, scores in accounts], ignore_index=True)),
            *(settings.selection.multi_metric, search.max_failed),
        ) if accounts else []  # fmt: skip
        run(
            suggest(
                *(agent, getattr(settings.agents, agent).model_dump(), search.space.get(agent, {}), search.sampler),
                *(number, search.trials_per_round, search.seed),
                earlier,
            )
        )
    if market.transfer:
        run(transfer_trials(trials[: search.trials_per_round], search.rounds), market.transfer[agent])
    return trials, targets, accounts


def _train(
    agent: str,
    suggested: list[dict[str, Any]],
    settings: Settings,
    market: _Market,
    panel: Panel,
    pretraining: Pretraining | None,
) -> tuple[LaneResults, Accounts]:
    """Trials of an agent on every tested fold, and their accounts."""
    tested = sorted(market.folds.loc[market.folds["part"] == "test", "fold"].unique().tolist())
    lanes = [Lane(t["trial"], fold, seed, t["params"]) for t in suggested for fold in tested
             for seed in range(settings.search.seeds)]  # fmt: skip
    trained = train_lanes(
        *(agent, lanes, panel, market.folds, market.scalers, market.rules, settings.gate), pretraining=pretraining
    )
    accounted = account(
        *(trained.targets, Panel.from_frame(market.development, []), market.rules, agent, market.periods),
        settings.market.risk_free_rate,
        settings.market.starting_equity if settings.market.whole_shares else 1.0,
        trained.lanes,
    )
    return trained, accounted


def _open(market: _Market, settings: Settings, policy: OnnxPolicy, portfolios: pd.DataFrame, broken: int) -> Judged:
    inside = market.vault["in_vault"].to_numpy()
    opened = Panel.from_frame(market.vault[inside], market.names)
    targets = decide(policy, opened).target
    return judge(
        {symbol: targets[opened.rows(index)] for index, symbol in enumerate(opened.symbols)},
        Panel.from_frame(market.vault, []),
        inside,
        market.rules,
        market.periods,
        settings.evaluation,
        portfolios,
        1,
        settings.market.risk_free_rate,
        settings.market.starting_equity,
        broken,
    )
