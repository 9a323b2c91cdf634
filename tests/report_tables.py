"""A small consistent set of the report's tables, written with their real schemas: fixtures of the report's tests."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd

from outsample.config.control import PLANTED, NullControl
from outsample.config.models import Evaluation, Settings
from outsample.control.rates import summarise_control
from outsample.evaluation.evaluate import evaluate, vault_bars
from outsample.evaluation.robustness import robustness
from outsample.evaluation.tear_sheet import tear_sheet
from outsample.evaluation.verdict import LEVELS
from outsample.io import read_json, read_table, sha256_of, write_json, write_table
from outsample.market.accounting import MarketRules
from outsample.market.panel import Panel
from outsample.selection.arms import broken_trials
from outsample.selection.folds import summarise_folds
from outsample.selection.history import parameter_importance, search_history
from outsample.selection.paths import path_metrics

DEVELOPMENT, VAULT = 300, 120
PERIODS = 252.0
RULES_RUN = (
    *("ingest_bars", "validate_bars", "build_features", "split_vault", "make_folds", "suggest_trials", "run_trials"),
    *("account_trials", "select_strategy", "train_final", "evaluate"),
)


def write_tables(
    folder: Path,
    symbols: tuple[str, ...] = ("AAA", "BBB"),
    *,
    trades: bool = True,
    simulated: bool = False,
    title: str = "",
    agents: tuple[str, ...] = ("ppo",),
) -> dict[str, Path | list[Path]]:
    """Write every input of the report; an agent that `trades`, or one whose gate is closed and which never does.

    The first of the `agents` has the chosen trial; the same trial numbers stand for each of them.
    """
    rng = np.random.Generator(np.random.PCG64(7))
    dates = pd.bdate_range("2020-01-01", periods=DEVELOPMENT + VAULT)
    inputs: dict[str, Path | list[Path]] = {}
    inputs |= _documents(folder, symbols, dates, trades, simulated, title, agents)
    inputs |= _training(folder, symbols, dates[:DEVELOPMENT], rng, trades, agents)
    inputs |= _vault(folder, symbols, dates, rng, trades, simulated, agents)
    inputs |= _described(folder, inputs)
    return inputs


def _settings(symbols: tuple[str, ...], simulated: bool, title: str, agents: tuple[str, ...]) -> dict:
    settings = Settings().model_dump(mode="json")
    settings["data"]["symbols"] = list(symbols)
    settings["report"]["title"] = title
    settings["search"]["agents"] = list(agents)
    if simulated:
        settings["data"]["source"] = {
            "kind": "simulated", "bars": 420, "drift": 0.004, "volatility": 0.01, "persistence": 0.95, "seed": 0,
        }  # fmt: skip
    return settings


def null_control_document(surrogates: int = 10, claimed: int = 1) -> dict:
    """The control of surrogates of two kinds, of the first of which some had a claim; of planted edges half."""
    rows = [(("volatility", "blocks")[n % 2], LEVELS[-1] if n < claimed else "none") for n in range(surrogates)]
    rows += [(PLANTED, LEVELS[-1 if n % 2 else 0]) for n in range(surrogates // 2)]
    table = pd.DataFrame(rows, columns=["kind", "level"]).assign(activity="trades")
    shifted = pd.DataFrame({"p_trials_hedged": [0.01, 0.2], "p_trials_raw": [0.3, 0.4]})
    return summarise_control(table, shifted, NullControl(surrogates=surrogates))


def _documents(folder, symbols, dates, trades, simulated, title, agents) -> dict[str, Path | list[Path]]:
    settings = _settings(symbols, simulated, title, agents)
    checks = [{"id": "high_low", "severity": "error", "symbol": s, "count": 0, "detail": "none"} for s in symbols]
    gaps = {"id": "gaps", "severity": "warning", "symbol": symbols[0], "count": 3, "detail": "3 sessions without a bar"}
    first, last = str(dates[0].date()), str(dates[-1].date())
    span = {"first": first, "last": last}
    suggestions = [
        {"agent": agent, "round": r, "trials": [
            {"trial": 2 * r + k, "origin": "defaults" if r + k == 0 else "tpe",
             "params": settings["agents"][agent]
             | {"learning_rate": 0.003 * (1 + 2 * r + k), "discount": 0.9 - 0.01 * k}}
            for k in range(2)]}
        for agent in agents for r in range(2)
    ]  # fmt: skip
    documents = {
        "config": {
            "experiment": "small",
            "environment": "development",
            "settings": settings,
            "sha256": sha256_of(settings),
        },
        "bars_manifest": {
            "source": settings["data"]["source"],
            "simulated": simulated,
            "symbols": {s: {"file": f"{s}.csv", "rows": 421, **span, "sha256": "ab" * 32} for s in symbols},
            "sha256": "cd" * 32,
        },
        "quality": {
            "simulated": simulated,
            "calendar": {"name": "XNYS", "inferred": True, "periods_per_year": PERIODS},
            "symbols": {s: {"rows": 420, **span} for s in symbols},
            "checks": [*checks, gaps],
            "repairs": [],
            "adjustment": "Open, high, low and close are multiplied by adj_close / close of the same day.",
        },
        "feature_spec": {
            "features": [
                {"name": "return_0", "group": "returns", "formula": "log(close / close one bar before)", "warm_up": 1},
                {"name": "sma_50", "group": "averages", "formula": "close / mean of 50 closes < 1", "warm_up": 50},
            ],
            "warm_up": 50,
            "others": {"symbols": [], "max_age": 5},
        },
        "split": {
            "vault": {"first": str(dates[DEVELOPMENT].date()), "last": last, "dates": VAULT, "sha256": "ef" * 32},
            "development": {"first": first, "last": str(dates[DEVELOPMENT - 1].date()), "dates": DEVELOPMENT},
        },
        "policy": {
            "agent": agents[0], "features": ["return_0", "sma_50"], "actions": [-1.0, 0.0, 1.0],
            "inputs": {"features": [None, 2], "position": [None]}, "outputs": {"target": [None]},
            "network": "linear", "networks": ["linear", "tanh 8"], "models": 4, "seeds": 4,
            "gate": {"bound": 0.0004 if trades else -0.0002, "level": 0.025, "open": trades},
            "fill": "next_open", "onnx_sha256": "12" * 32,
        },
        "looks": {"look": 2, "vault": "ef" * 32, "model": "12" * 32},
        "null_control": null_control_document(),
        "provenance": {
            "hashes": {"config": sha256_of(settings), "data": "cd" * 32, "lock": "56" * 32}
            | {f"code: {rule}": "34" * 32 for rule in RULES_RUN},
            "versions": {"numpy": "2.0.0", "jax": "0.9.0"},
        },
    }  # fmt: skip
    chosen = {
        "arm": "sharpe_only",
        "agent": agents[0],
        "trial": 1,
        "params": suggestions[0]["trials"][1]["params"],
        "score": 0.83,
        "members": [
            {"agent": agents[0], "trial": 1, "origin": "random", "params": suggestions[0]["trials"][1]["params"]}
        ],
        "ranking": [
            {"agent": agent, "trial": t, "score": s}
            for t, s in ((1, 0.83), (0, 0.41), (3, -0.12), (2, None))
            for agent in agents
        ],
    }
    inputs: dict[str, Path | list[Path]] = {}
    for name, content in documents.items():
        inputs[name] = folder / f"{name}.json"
        write_json(content, folder / f"{name}.json", name)
    inputs["suggestions"] = [folder / f"suggestions{i}.json" for i in range(len(suggestions))]
    for content, path in zip(suggestions, inputs["suggestions"], strict=True):
        write_json(content, path, "suggestions")
    inputs["selections"] = [folder / f"{arm}.json" for arm in ("multi_metric", "sharpe_only")]
    for arm, path in zip(("multi_metric", "sharpe_only"), inputs["selections"], strict=True):
        write_json(chosen | {"arm": arm}, path, "selection")
    return inputs


def _fold_rows(symbols, dates) -> pd.DataFrame:
    rows = []
    edges = [120, 180, 240, 300]

    def add(fold, inner, part, start, end, block=0):
        for symbol in symbols:
            rows.append((fold, inner, part, symbol, block, start, end, dates[start], dates[end - 1]))

    for fold, (start, end) in enumerate(itertools.pairwise(edges)):
        add(fold, -1, "test", start, end)
    for fold, end in [*enumerate(start - 2 for start in edges[:-1]), (-1, 300)]:
        half = end // 2
        for inner, (validate, train) in enumerate((((0, half), (half + 52, end)), ((half, end), (0, half - 2)))):
            add(fold, inner, "validate", *validate)
            add(fold, inner, "train", *train)
    columns = ["fold", "inner", "part", "symbol", "block", "start", "end", "first_date", "last_date"]
    return pd.DataFrame(rows, columns=columns).astype({"fold": "int32", "inner": "int32", "block": "int32"})


def _training(folder, symbols, dates, rng, trades, agents) -> dict[str, Path | list[Path]]:
    inputs: dict[str, Path | list[Path]] = {"folds": folder / "folds.parquet"}
    write_table(_fold_rows(symbols, dates), folder / "folds.parquet", "folds")
    for name, kind, names in (("leakage", "feature", ("return_0", "sma_50")), ("decisions", "decision", symbols)):
        rows = [(kind, n, dates[cut], cut, 0) for n in names for cut in (100, 200)]
        inputs[name] = folder / f"{name}.parquet"
        write_table(
            pd.DataFrame(rows, columns=["kind", "name", "cut", "rows", "changed"]), folder / f"{name}.parquet", "audit"
        )
    for name in ("lanes", "curves", "scores"):
        inputs[name] = [folder / f"{name}.{agent}{r}.parquet" for agent in agents for r in range(2)]
    for agent, r in itertools.product(agents, range(2)):
        keys = pd.DataFrame(
            [(t, f, s) for t in (2 * r, 2 * r + 1) for f in range(3) for s in range(2)],
            columns=["trial", "fold", "seed"],
        ).astype("int32")
        lanes = keys.assign(gate_bound=rng.normal(0, 1e-3, len(keys)))
        lanes["gate_open"] = (lanes["gate_bound"] > 0) & trades
        lanes["network"] = np.where(lanes["seed"] % 2, "tanh 8", "linear")
        lanes["failure"] = ""
        write_table(lanes.assign(agent=agent), folder / f"lanes.{agent}{r}.parquet", "lanes")
        updates = keys.merge(pd.DataFrame({"inner": [0, 1]}, dtype="int32"), how="cross")
        updates = updates.merge(pd.DataFrame({"update": range(20)}, dtype="int32"), how="cross")
        level = updates["update"].to_numpy() / 20
        updates["reward"] = 1e-3 * level + rng.normal(0, 3e-4, len(updates))
        updates["entropy"], updates["loss"] = 1.09 - 0.5 * level, 1.0 - level
        write_table(updates.assign(agent=agent), folder / f"curves.{agent}{r}.parquet", "curves")
        scores = keys.merge(pd.DataFrame({"metric": ["sharpe", "total_return"]}), how="cross").assign(agent=agent)
        scores["value"] = rng.normal(0.3, 1.0, len(scores))
        closed = np.repeat(~lanes["gate_open"].to_numpy(), 2) & (scores["metric"] == "sharpe").to_numpy()
        scores.loc[closed, "value"] = np.nan
        write_table(scores, folder / f"scores.{agent}{r}.parquet", "scores")
    every = pd.concat([read_table(path, "scores") for path in inputs["scores"]], ignore_index=True)
    inputs["fold_metrics"] = folder / "fold_metrics.parquet"
    write_table(summarise_folds(every), folder / "fold_metrics.parquet", "fold_metrics")
    return inputs


def _bars(symbols, dates, rng) -> pd.DataFrame:
    """Adjusted bars of a random walk; raw prices are twice as high."""
    frames = []
    for symbol in sorted(symbols):
        close = 100 * np.exp(np.cumsum(rng.normal(5e-4, 0.015, len(dates))))
        frame = pd.DataFrame({"symbol": symbol, "date": dates, "open": close * 1.001, "close": close, "factor": 0.5})
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def _portfolios(dates, rng, agents) -> pd.DataFrame:
    rows = []
    for agent, trial, fold, seed in itertools.product(agents, range(4), range(3), range(2)):
        of_fold = dates[120 + 60 * fold : 180 + 60 * fold]
        frame = pd.DataFrame({"trial": trial, "fold": fold, "seed": seed, "date": of_fold, "agent": agent, "cost": 0.0})
        rows.append(frame.assign(net_return=rng.normal(0, 0.01, len(of_fold))))
    portfolios = pd.concat(rows, ignore_index=True)
    market = pd.Series(rng.normal(0, 0.01, len(dates)), index=dates)
    return portfolios.assign(buy_and_hold_return=market.loc[portfolios["date"]].to_numpy())


def _vault(folder, symbols, dates, rng, trades, simulated, agents) -> dict[str, Path | list[Path]]:
    """The real evaluation of made-up decisions, with few resamples."""
    development, vault = dates[:DEVELOPMENT], dates[DEVELOPMENT:]
    panel = Panel.from_frame(_bars(symbols, vault, rng), [])
    targets = {
        symbol: np.repeat(rng.choice([-1.0, 0.0, 0.5, 1.0], len(vault) // 10), 10) * trades for symbol in panel.symbols
    }
    result = evaluate(
        targets,
        panel,
        np.ones(len(panel.dates), dtype=bool),
        MarketRules.from_settings(Settings().market, PERIODS),
        PERIODS,
        Evaluation(resamples=100, random_agents=60),
        _portfolios(development, rng, agents),
        look=2,
        simulated=simulated,
        starting_equity=1_000_000.0,
        of_seeds=[{symbol: asked * share for symbol, asked in targets.items()} for share in (1.0, 0.5)],
    )
    paths: dict[str, Path | list[Path]] = {"verdict": folder / "verdict.json"}
    write_json(result.verdict, folder / "verdict.json", "verdict")
    for name in ("returns", "metrics", "trades", "random_agents", "seeds"):
        paths[name] = folder / f"{name}.parquet"
        write_table(getattr(result, name), folder / f"{name}.parquet", name)
    others = robustness(
        {0: targets, 1: {s: asked[1:] for s, asked in targets.items()}},
        vault_bars(panel, np.ones(len(panel.dates), dtype=bool), targets),
        MarketRules.from_settings(Settings().market, PERIODS),
        PERIODS,
        0.0,
        1_000_000.0,
    )
    paths["robustness"] = folder / "robustness.parquet"
    write_table(others, paths["robustness"], "robustness")
    portfolios = _portfolios(development, np.random.Generator(np.random.PCG64(8)), agents)
    paths["paths"] = folder / "paths.parquet"
    write_table(path_metrics(portfolios, PERIODS), paths["paths"], "paths")
    paths["comparison"] = folder / "approach_comparison.parquet"
    write_table(comparison_table(), paths["comparison"], "approach_comparison")
    return paths


def _described(folder, inputs) -> dict[str, Path | list[Path]]:
    """What the real descriptions make of the tables that stand already; of the policy, which is none, made up."""
    suggestions = [read_json(path, "suggestions") for path in inputs["suggestions"]]
    scores = pd.concat([read_table(path, "scores") for path in inputs["scores"]], ignore_index=True)
    ranking = read_json(inputs["selections"][1], "selection")["ranking"]
    history = search_history(suggestions, ranking, broken_trials(scores))
    sheet = tear_sheet(read_table(inputs["returns"], "returns"), PERIODS)
    found = {
        "history": ("search_history", history),
        "importance": ("parameter_importance", parameter_importance(history, suggestions)),
        "explanation": ("explanation", explanation_table()),
        **{name: (name, table) for name, table in zip(sheet._fields, sheet, strict=True)},
    }
    paths: dict[str, Path | list[Path]] = {"explained": folder / "explained.json"}
    counts = {"bars": 1500, "repeats": 10, "attributed": 128, "residual": 0.0004}
    write_json({"symbols": ["AAA"]} | counts, folder / "explained.json", "explained")
    for name, (schema, table) in found.items():
        paths[name] = folder / f"{name}.parquet"
        write_table(table, folder / f"{name}.parquet", schema)
    return paths


def explanation_table() -> pd.DataFrame:
    """Two features, one of which matters more than the control."""
    rows = [
        (0, "return_0", False, 0.31, 0.28, 0.34, 0.12, 0.1, 0.2, 0.8),
        (1, "sma_50", False, 0.04, 0.03, 0.05, -0.01, 0.6, 0.02, -0.3),
        (2, "a random mix of all features (control)", True, 0.1, 0.05, 0.2, 0.02, 0.4, np.nan, np.nan),
    ]
    columns = ["place", "feature", "control", "changed", "changed_least", "changed_most", "lost", "not_worse"]
    return pd.DataFrame(rows, columns=[*columns, "attribution", "direction"]).astype({"place": "int32"})


def comparison_table() -> pd.DataFrame:
    """Five arms, one of which is better by more than noise."""
    arms = ["defaults", "sharpe_only", "multi_metric", "multi_metric_filtered", "hpo"]
    numbers = {
        "mean_return": 0.08, "sharpe": 0.5, "sharpe_lower": -0.25, "sharpe_upper": 1.25, "fold_mean": 0.5,
        "fold_median": 0.625, "fold_worst": -0.375, "fold_iqm": 0.5,
    }  # fmt: skip
    table = pd.DataFrame({"arm": arms, "seen": [name == "hpo" for name in arms], "folds": 2, "bars": 120} | numbers)
    table["difference"] = [0.0, 0.25, 0.75, -0.125, 1.5]
    table["difference_lower"], table["difference_upper"] = table["difference"] - 0.5, table["difference"] + 0.5
    table["p_value"] = [1.0, 0.3, 0.01, 0.6, 0.001]
    table["p_holm"] = [1.0, 0.6, 0.03, 0.6, 0.004]
    table["choices"] = ["fold 1: ppo 0; fold 2: ppo 0", *["fold 1: ppo 1; fold 2: ppo 1"] * 4]
    return table
