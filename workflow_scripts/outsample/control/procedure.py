"""The whole procedure in memory: from validated bars to the level of the verdict, by the functions of the scripts.

Nothing is read or written, no look is counted: the vault of a surrogate market is no vault.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from outsample.agents.attempts import Watch
from outsample.agents.ensemble import fit_selection
from outsample.agents.export import policy_document, to_onnx
from outsample.agents.lanes import LaneResults, train_lanes
from outsample.agents.onnx import OnnxPolicy, decide
from outsample.agents.pretraining import Pretraining
from outsample.agents.rungs import Paused, Rung
from outsample.agents.shards import lanes_of, runs_of
from outsample.config.models import Settings
from outsample.config.search import PARETO
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
from outsample.selection.arms import broken_trials, check_failures, select
from outsample.selection.matrix import Accounts, account
from outsample.selection.rungs import as_last_seen, going_on, rung_table, stopped_trials
from outsample.selection.told import told_scores


@dataclass(frozen=True)
class Outcome:
    """What the procedure gave; the tables are those of the workflow."""

    targets: pd.DataFrame  # of all agents and rounds, with their agent
    portfolios: pd.DataFrame
    scores: pd.DataFrame
    selection: dict[str, Any]
    policy: dict[str, Any]
    model: bytes  # ONNX, to which the policy belongs
    judged: Judged


class _Round(NamedTuple):
    """The trials of a round of an agent, and what became of them."""

    trials: list[dict[str, Any]]
    targets: pd.DataFrame
    accounts: Accounts
    rungs: list[pd.DataFrame]


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
    rounds = [found for agent in settings.search.agents for found in _search(agent, settings, market, panel)]
    trials = [trial for found in rounds for trial in found.trials]
    portfolios = pd.concat([found.accounts.portfolios for found in rounds], ignore_index=True)
    scores = pd.concat([found.accounts.scores for found in rounds], ignore_index=True)
    targets = [found.targets for found in rounds]
    stopped = stopped_trials(table for found in rounds for table in found.rungs)
    check_failures(scores, settings.search.max_failed)
    chosen_by = settings.selection
    selection = select(chosen_by.arm, scores, trials, chosen_by.multi_metric, chosen_by.ensemble.size, stopped)
    fitted = fit_selection(
        *(selection["members"], settings.final.seeds, panel, market.folds, market.scalers),
        *(market.rules, settings.gate),
        transfer=market.transfer,
    )
    model = to_onnx(fitted)
    policy = policy_document(fitted, model)
    judged = _open(market, settings, OnnxPolicy(model, policy), portfolios, len(broken_trials(scores)))
    return Outcome(pd.concat(targets, ignore_index=True), portfolios, scores, selection, policy, model, judged)


def _search(agent: str, settings: Settings, market: _Market, panel: Panel) -> list[_Round]:
    """All rounds of an agent."""
    search = settings.search
    rounds: list[_Round] = []
    for number in range(search.rounds):
        earlier = told_scores(
            *(search.objective, agent, [trial for before in rounds for trial in before.trials]),
            pd.concat([before.accounts.scores for before in rounds], ignore_index=True),
            *(settings.selection.multi_metric, search.max_failed),
            stopped_trials(table for before in rounds for table in before.rungs),
        ) if rounds else []  # fmt: skip
        suggested = suggest(
            *(agent, getattr(settings.agents, agent).model_dump(), search.space.get(agent, {}), search.sampler),
            *(number, search.trials_per_round, search.seed),
            earlier,
            2 if search.objective == PARETO else 1,
        )
        rounds.append(_round(agent, suggested, settings, market, panel))
    if market.transfer:
        again = transfer_trials(rounds[0].trials, search.rounds)
        rounds.append(_round(agent, again, settings, market, panel, market.transfer[agent]))
    return rounds


def _round(
    agent: str,
    suggested: list[dict[str, Any]],
    settings: Settings,
    market: _Market,
    panel: Panel,
    pretraining: Pretraining | None = None,
) -> _Round:
    """Train the trials of a round, rung after rung, and account them as they stand at the end.

    Trials of pre-trained weights are trained in one go.
    """
    search = settings.search
    rungs: list[pd.DataFrame] = []
    results: list[LaneResults] = []
    keeper = Rung()
    for number, part in enumerate([1] if pretraining else search.rungs.parts):
        on = going_on(rungs[-1]) if rungs else {trial["trial"] for trial in suggested}
        lanes = lanes_of([trial for trial in suggested if trial["trial"] in on], runs_of(market.folds, search.seeds))
        if not lanes:
            break
        keeper = Rung(Paused.of(keeper) if number else None)
        trained = train_lanes(
            *(agent, lanes, panel, market.folds, market.scalers, market.rules, settings.gate),
            *(Watch(keeper if search.rungs.levels > 1 and not pretraining else None), pretraining, part),
        )
        results.append(trained)
        if part > 1:
            scores = _account(agent, trained.targets, trained.lanes, settings, market).scores
            rungs.append(
                rung_table(
                    *(number, agent, suggested, scores, trained.curves, search.objective),
                    *(settings.selection.multi_metric, search.rungs.reduction_factor),
                )
            )
    by_rung = [of_rung.lanes for of_rung in results]
    targets = as_last_seen([of_rung.targets for of_rung in results], by_rung)
    accounts = _account(agent, targets, as_last_seen(by_rung, by_rung), settings, market)
    return _Round([trial | {"agent": agent} for trial in suggested], targets.assign(agent=agent), accounts, rungs)


def _account(agent: str, targets: pd.DataFrame, lanes: pd.DataFrame, settings: Settings, market: _Market) -> Accounts:
    return account(
        *(targets, Panel.from_frame(market.development, []), market.rules, agent, market.periods),
        settings.market.risk_free_rate,
        settings.market.replayed_equity,
        lanes,
    )


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
