"""The control: the procedure on every surrogate market, one row each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from outsample.config.agents import Direct
from outsample.config.control import PLANTED, NullControl
from outsample.config.models import Settings
from outsample.config.search import Rungs
from outsample.config.selection import RECIPES
from outsample.control.planted import plant
from outsample.control.procedure import Outcome, procedure
from outsample.control.surrogates import surrogate
from outsample.features.user import UserFeature
from outsample.market.accounting import MarketRules

_TYPES = {
    **{"kind": "str", "number": "int32", "level": "str", "activity": "str"},
    **dict.fromkeys(("p_buy_and_hold", "p_flat", "p_trials_hedged", "p_trials_raw"), "float64"),
    **dict.fromkeys(("p_vault_alpha", "p_vault_mean", "vault_return", "sharpe"), "float64"),
}


class Run(NamedTuple):
    """One surrogate market: a kind of `NullControl.kinds`, or `PLANTED`."""

    kind: str
    number: int


def runs_of(control: NullControl) -> list[Run]:
    """All surrogates: those without predictability, their kinds in turn, and those with a planted edge.

    >>> runs_of(NullControl(surrogates=3, positives=1))[-2:]
    [Run(kind='volatility', number=2), Run(kind='planted', number=0)]
    """
    if not control.surrogates:
        return []
    null = [Run(control.kinds[number % len(control.kinds)], number) for number in range(control.surrogates)]
    return null + [Run(PLANTED, number) for number in range(control.positives)]


def settings_of(settings: Settings) -> Settings:
    """The settings with which the surrogates are run: the experiment's, or one trial of `direct` with one seed.

    That one trial is trained from pre-trained weights as well only where the arm chooses among such.
    """
    control = settings.null_control
    if control.search:
        return settings
    direct = Direct(**{**settings.agents.direct.model_dump(), **control.changes})
    data = settings.data
    if not RECIPES[settings.selection.arm].transfer:
        data = data.model_copy(update={"references": data.untraded, "transfer": []})
    search = settings.search.model_copy(
        update={"agents": ["direct"], "rounds": 1, "trials_per_round": 1, "seeds": 1, "space": {}, "rungs": Rungs()}
    )
    return settings.model_copy(
        update={
            "agents": settings.agents.model_copy(update={"direct": direct}),
            "data": data,
            "search": search,
            "final": settings.final.model_copy(update={"seeds": 1}),
        }
    )


def run_surrogates(
    runs: Sequence[Run],
    validated_bars: pd.DataFrame,
    settings: Settings,
    periods_per_year: float,
    own: Sequence[UserFeature] = (),
) -> pd.DataFrame:
    """The procedure on surrogates; each row depends on its own surrogate alone.

    All surrogates have the shapes of the user's bars, so that what is compiled for the first serves all.

    Args:
        runs: which, see `runs_of`.
        validated_bars: table `validated_bars` of the experiment.
        settings: of the experiment, see `settings_of`.
        periods_per_year: bars a year.
        own: features of the user.
    Returns: table `null_control`.
    Raises: what the procedure raises.
    """
    control, used = settings.null_control, settings_of(settings)
    rules = MarketRules.from_settings(settings.market, periods_per_year)
    rows: list[dict[str, Any]] = []
    for run in runs:
        if run.kind == PLANTED:
            bars = plant(
                *(validated_bars, control.edge, control.oracle_sharpe, run.number, control.seed),
                *(rules, periods_per_year),
            )
        else:
            bars = surrogate(validated_bars, run.kind, run.number, control.seed, control.block)
        rows.append({"kind": run.kind, "number": run.number} | row_of(procedure(bars, used, periods_per_year, own)))
    return pd.DataFrame(rows, columns=list(_TYPES)).astype(_TYPES)


def row_of(outcome: Outcome) -> dict[str, Any]:
    """What the table `null_control` says of one outcome."""
    judged, tests = outcome.judged, outcome.judged.tests
    return {
        "level": judged.level,
        "activity": judged.kind,
        "p_buy_and_hold": tests.p_buy_and_hold,
        "p_flat": tests.p_flat,
        "p_trials_hedged": tests.p_trials_hedged,
        "p_trials_raw": tests.p_trials_raw,
        "p_vault_alpha": tests.p_vault_alpha,
        "p_vault_mean": tests.p_vault_mean,
        "vault_return": judged.total_return,
        "sharpe": judged.sharpe,
    }
