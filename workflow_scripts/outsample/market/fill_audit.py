"""The audit of fills: a target must earn nothing of what prices did before it was filled.

From a flat account a position is asked for at the close of bar t. Then all prices after that close are doubled, as by a
jump overnight. A position that is filled after the jump is half as many shares at twice the price, so that not a bit of
the account may change; one that is filled at the close where it was decided would earn the jump.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from outsample.errors import AuditError
from outsample.features.build import symbol_rows
from outsample.market.accounting import Ledger, MarketRules, simulate

Account = Callable[..., Ledger]
_JUMP = 2.0  # a power of two: exact in floating point
_LEAST = 4  # bars from the decision to the end: its fill, a bar to hold, and the last two, in which no target is filled


def audit_fills(
    bars: pd.DataFrame, rules: MarketRules, cuts: Sequence[pd.Timestamp], account: Account = simulate
) -> pd.DataFrame:
    """Prove that what is asked for at a close earns nothing before its fill at the next bar.

    Args:
        bars: table `validated_bars`, sorted by symbol and date.
        rules: of the experiment; shares are taken as divisible, for whole ones round.
        cuts: dates at whose close, or the last one before, a position is asked for; those near a symbol's end are left
            out.
        account: what keeps the books, called as `simulate`.
    Returns: table `audit` of kind fill, one name a symbol; `changed` is 0 throughout.
    Raises: AuditError naming the symbol and the first bar whose return changes; also where nothing is compared.
    """
    divisible, target = replace(rules, whole_shares=False), -1.0 if rules.short_selling else 1.0
    rows: list[dict[str, Any]] = []
    for symbol, of_symbol in symbol_rows(bars):
        dates = bars["date"].to_numpy()[of_symbol]
        open_, close = (bars[name].to_numpy(np.float64)[of_symbol] for name in ("open", "close"))
        asked_at = np.searchsorted(dates, np.array(list(cuts), dtype=dates.dtype), side="right") - 1
        asked_at = np.unique(asked_at[(asked_at >= 0) & (asked_at < len(dates) - _LEAST)])
        if len(asked_at) == 0:
            continue
        later = np.arange(len(dates))[:, None] > asked_at  # [T, C]
        targets = np.where(np.arange(len(dates))[:, None] >= asked_at, target, 0.0)
        plain, jumped = (
            account(targets, open_[:, None] * scale, close[:, None] * scale, divisible, 1.0).net_return
            for scale in (np.ones_like(targets), np.where(later, _JUMP, 1.0))
        )
        for column, row in enumerate(asked_at):
            changed = plain[:, column] != jumped[:, column]
            if changed.any():
                raise AuditError(
                    f"The fills of {symbol} come too early: of a position asked for at the close of {dates[row]} the "
                    f"return of {dates[int(changed.argmax())]} changes when prices jump before its fill; fill it after "
                    "that close."
                )
            rows.append({"kind": "fill", "name": symbol, "cut": dates[row], "rows": len(dates), "changed": 0})
    if not rows:
        raise AuditError("The audit of fills compared no bar at any cut; choose cuts within the span of the bars.")
    frame = pd.DataFrame(rows).astype({"cut": "datetime64[us]", "rows": "int64", "changed": "int64"})
    return frame.sort_values(["kind", "name", "cut"], kind="stable", ignore_index=True)
