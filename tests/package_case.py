"""An experiment in miniature for the tests of packages and paper trading: real stages, a policy that was drawn.

Four symbols on weekdays, with dividends, splits, holes in the data and unequal spans; nothing is trained.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from outsample.agents.export import policy_document, to_onnx
from outsample.agents.onnx import OnnxPolicy, decide
from outsample.agents.policy import FinalPolicy
from outsample.config.data import Data
from outsample.config.features import FeatureSet, UserFeatures
from outsample.config.models import Evaluation, Gates, Market, Vault
from outsample.data.validate import validate_bars
from outsample.evaluation.evaluate import EvaluationResult, evaluate
from outsample.features.build import build_features
from outsample.features.registry import own_features
from outsample.folds.vault import split_vault
from outsample.market.accounting import MarketRules
from outsample.market.panel import Panel
from outsample.packaging.build import Built, Tables, build_package

SYMBOLS = ("AA", "BB", "CC", "DD")
FEATURES = FeatureSet(
    return_lags=[0, 1], return_horizons=[5], sma=[10], ema=[12], rsi=14, macd=None, bollinger=None, atr=14,
    volatility=[20], volume=20,
)  # fmt: skip
COSTLY = Market(commission=10, slippage=5, borrow_rate=0.08, starting_equity=20_000)
BARS = 480


@dataclass(frozen=True)
class Case:
    """What the stages before packaging have made."""

    raw: pd.DataFrame  # table bars: as a source has them
    onnx: bytes
    documents: dict[str, dict[str, Any]]
    tables: Tables
    market: Market
    result: EvaluationResult

    def build(self, **changes) -> Built:
        given = {
            "onnx": self.onnx,
            "documents": self.documents,
            "tables": self.tables,
            "market": self.market,
            "lock": b"numpy==2.4.6\n",
        }
        return build_package(**(given | changes))

    def csv(self, symbol: str, first: str | None = None, columns=None) -> str:
        """The raw bars of a symbol from the last one before its vault on, or from a date on."""
        rows = self.raw[self.raw["symbol"] == symbol]
        dates = rows["date"].to_numpy()
        opened = self.tables.vault.query("in_vault and symbol == @symbol")["date"].min()
        begin = np.searchsorted(dates, opened) - 1 if first is None else np.searchsorted(dates, np.datetime64(first))
        kept = ["date", "open", "high", "low", "close", "volume", "adj_close"] if columns is None else columns
        return rows.iloc[begin:][kept].to_csv(index=False)


def raw_bars(symbols=SYMBOLS, bars: int = BARS) -> pd.DataFrame:
    """Bars as they came: the raw price halves at a split, adj_close also takes out dividends."""
    frames = []
    days = pd.bdate_range("2020-01-06", periods=bars).astype("datetime64[us]")
    for index, symbol in enumerate(symbols):
        draw = np.random.Generator(np.random.PCG64([7, index]))
        drift = 0.004 * np.where(np.cumsum(draw.random(bars) < 0.05) % 2, 1, -1)
        adjusted = 60 * np.exp(np.cumsum(drift + 0.012 * draw.standard_normal(bars)))
        factor = np.where(np.arange(bars) < bars // 3, 0.5, 1.0) * np.where(np.arange(bars) < bars - 40, 0.98, 1.0)
        close = (adjusted / factor).round(4)
        opened = (close * np.exp(0.004 * draw.standard_normal(bars))).round(4)
        frame = pd.DataFrame(
            {
                "symbol": symbol,
                "date": days,
                "open": opened,
                "high": (np.maximum(opened, close) * 1.004).round(4),
                "low": (np.minimum(opened, close) * 0.996).round(4),
                "close": close,
                "volume": draw.integers(1_000, 90_000, bars).astype(float),
                "adj_close": (close * factor).round(4),
            }
        )
        hole = (np.arange(bars) == bars - 60) & (index == 1)  # a session that the data of BB lack, in the vault
        late = np.arange(bars) < 30 * (symbol == "CC")  # it begins later
        frames.append(frame[~hole & ~late])
    return pd.concat(frames, ignore_index=True)


def drawn_policy(
    names, center, scale, seed: int = 0, gate_open: bool = True, models: int = 4, account: bool = False,
    fill: str = "next_open", torso: str = "linear", units: int = 4,
) -> FinalPolicy:  # fmt: skip
    """A policy whose parameters are drawn, "linear" or "gru"; seeds give policies of the same shape."""
    draw = np.random.Generator(np.random.PCG64(seed))

    def normal(*shape):
        return draw.standard_normal((models, *shape)).astype(np.float32)

    width = len(names) if torso == "linear" else units
    actor = {"out": {"kernel": normal(width, 3), "bias": normal(3)}, "table": 2 * normal(3, 3)}
    if torso == "gru":
        read = {"kernel": normal(len(names), 3 * units), "bias": normal(3 * units)}
        actor["out"]["kernel"] *= 5  # a memory of random weights moves little
        actor["memory"] = {"read": read, "recurrent": normal(units, 3 * units), "offset": normal(units)}
    return FinalPolicy(
        agent="ppo",
        features=tuple(names),
        actions=(-1, 0, 1),
        torso=torso,
        units=units,
        layers=1,
        networks=("linear",),
        fill=fill,
        seeds=2,
        actor=actor | ({"account": 2 * normal(2, 3)} if account else {}),
        center=np.tile(center, (models, 1)).astype(np.float32),
        scale=np.tile(scale, (models, 1)).astype(np.float32),
        gate_level=0.05,
        gate_bound=0.001 if gate_open else -0.001,
        gate_open=gate_open,
        curves=pd.DataFrame(),
    )


def other_policy(case: Case, seed: int) -> tuple[bytes, dict[str, Any]]:
    """Another policy of the case's shape, and its document."""
    final = case.tables.scalers.query("fold == -1 and inner == 0").set_index("feature")
    names = case.documents["policy"]["features"]
    gate_open = case.documents["policy"]["gate"]["open"]
    policy = drawn_policy(names, final.loc[names, "center"], final.loc[names, "scale"], seed, gate_open)
    model = to_onnx(policy)
    return model, policy_document(policy, model)


def make_case(
    market: Market = COSTLY, symbols=SYMBOLS, gate_open: bool = True, account: bool = False, torso: str = "linear",
    features: FeatureSet = FEATURES, references=(), user_code: bytes | None = None, use=(),
) -> Case:  # fmt: skip
    """Run the stages on the drawn bars; `account`: the policy reads its unrealised result and its holding time."""
    raw = raw_bars([*symbols, *references])
    data = Data(symbols=list(symbols), references=list(references), calendar="weekdays")
    validated, quality = validate_bars(raw, data, market)
    wanted = features.model_copy(update={"user": UserFeatures(file="mine.py", use=list(use))} if use else {})
    table, spec = build_features(validated, wanted, references, own_features(wanted, user_code))
    development, vault, split = split_vault(table, Vault(fraction=0.35), spec["warm_up"])
    names = [feature["name"] for feature in spec["features"]]
    center, scale = development[names].mean().to_numpy(), development[names].std(ddof=0).to_numpy()
    policy = drawn_policy(names, center, scale, gate_open=gate_open, account=account, fill=market.fill, torso=torso)
    onnx = to_onnx(policy)
    document = policy_document(policy, onnx)
    result = _evaluated(OnnxPolicy(onnx, document), vault, names, market, quality)
    scalers = pd.DataFrame({"fold": -1, "inner": 0, "feature": sorted(names), "center": 0.0, "scale": 0.0}).set_index(
        "feature"
    )
    scalers.loc[names, "center"], scalers.loc[names, "scale"] = center, scale
    audit = pd.DataFrame({"kind": "feature", "name": "x", "cut": raw["date"][:1], "rows": 9, "changed": 0})
    tables = Tables(validated, table, development, vault, scalers.reset_index(), result.metrics, audit, audit)
    documents = {
        "config": {
            "experiment": "mini",
            "environment": "development",
            "settings": {
                "evaluation": {"confidence": 0.95},
                "gates": Gates(verdict="evidence_over_buy_and_hold").model_dump(),
            },
            "sha256": "0" * 64,
        },
        "bars_manifest": {"source": {"kind": "csv"}, "simulated": False, "symbols": {}, "sha256": "1" * 64},
        "quality": quality,
        "feature_spec": spec,
        "split": split,
        "policy": document,
        "verdict": result.verdict,
    }
    return Case(raw, onnx, documents, tables, market, result)


def _evaluated(policy, vault, names, market, quality) -> EvaluationResult:
    """As the script evaluate does, with trials that were drawn."""
    inside = vault["in_vault"].to_numpy()
    opened = Panel.from_frame(vault[inside], names)
    targets = decide(policy, opened).target
    days = pd.bdate_range("2019-01-07", periods=60).astype("datetime64[us]")
    noise = np.random.Generator(np.random.PCG64(5)).normal(0, 0.01, (2, 60))
    trials = pd.DataFrame({"agent": "ppo", "trial": 0, "fold": 0, "seed": 0, "date": days})
    trials = trials.assign(net_return=noise[0], cost=0.0, buy_and_hold_return=noise[1])
    periods = quality["calendar"]["periods_per_year"]
    return evaluate(
        {symbol: targets[opened.rows(index)] for index, symbol in enumerate(opened.symbols)},
        Panel.from_frame(vault, []),
        inside,
        MarketRules.from_settings(market, periods),
        periods,
        Evaluation(resamples=100, random_agents=5),
        trials,
        1,
        quality["simulated"],
        market.risk_free_rate,
        market.starting_equity,
    )
