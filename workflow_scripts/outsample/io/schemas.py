"""The schema of every Parquet and JSON file that crosses a rule: its columns or keys, their types and meanings.

A table may be `extensible`: then it holds further float64 columns (the features). Dates are naive timestamps at
which the bar closes (midnight for daily bars). All rows are sorted by `keys`, which are unique together.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class TableSchema:
    """Columns of a Parquet table: name -> type; `nullable` ones may hold nulls; rows are sorted by `keys`, which are
    unique together where `unique`."""

    columns: dict[str, str]
    keys: tuple[str, ...]
    nullable: frozenset[str] = field(default_factory=frozenset)
    extensible: bool = False
    unique: bool = True


_BAR = {"open": "float64", "high": "float64", "low": "float64", "close": "float64", "volume": "float64"}
_ADJUSTED_BAR = _BAR | {"factor": "float64"}  # raw price = adjusted price / factor
_LANE = {"trial": "int32", "fold": "int32", "seed": "int32"}

TABLES: dict[str, TableSchema] = {
    # As they came, unadjusted; adj_close is null where the source does not know it. A date may be there twice:
    # validation judges it.
    "bars": TableSchema(
        {"symbol": "string", "date": "timestamp[us]"} | _BAR | {"adj_close": "float64"},
        ("symbol", "date"),
        frozenset({"open", "high", "low", "close", "volume", "adj_close"}),
        unique=False,
    ),
    # Each value that a repair of the bars changed, in the order of the changes; after is null where the bar is gone.
    "repairs": TableSchema(
        {
            "symbol": "string",
            "order": "int64",
            "date": "timestamp[us]",
            "rule": "string",
            "column": "string",
            "before": "float64",
            "after": "float64",
        },
        ("symbol", "order"),
        frozenset({"before", "after"}),
    ),
    # Checked and adjusted: prices times factor = adj_close / close.
    "validated_bars": TableSchema({"symbol": "string", "date": "timestamp[us]"} | _ADJUSTED_BAR, ("symbol", "date")),
    # Adjusted bars and one column a feature; NaN in the warm-up rows of a symbol only.
    "features": TableSchema(
        {"symbol": "string", "date": "timestamp[us]"} | _ADJUSTED_BAR, ("symbol", "date"), extensible=True
    ),
    # The rows of features before the vault, without warm-up rows.
    "development": TableSchema(
        {"symbol": "string", "date": "timestamp[us]"} | _ADJUSTED_BAR, ("symbol", "date"), extensible=True
    ),
    # The rows of the vault (in_vault) and the warm-up rows before it (not in_vault).
    "vault": TableSchema(
        {"symbol": "string", "date": "timestamp[us]"} | _ADJUSTED_BAR | {"in_vault": "bool"},
        ("symbol", "date"),
        extensible=True,
    ),
    # Half-open row ranges [start, end) within a symbol's development rows. fold -1 is the whole development span
    # (the final policy). part "test" has inner -1; "train" and "validate" belong to one inner fold of the gate, and
    # a part may consist of several blocks.
    "folds": TableSchema(
        {
            "fold": "int32",
            "inner": "int32",
            "part": "string",
            "symbol": "string",
            "block": "int32",
            "start": "int64",
            "end": "int64",
            "first_date": "timestamp[us]",
            "last_date": "timestamp[us]",
        },
        ("fold", "inner", "part", "symbol", "block"),
    ),
    # Scaling of each feature, fitted on the train rows of (fold, inner), all symbols together. Further columns:
    # knot_00, knot_01 ... of the scalings that are clipped (outsample.folds.scalers).
    "scalers": TableSchema(
        {"fold": "int32", "inner": "int32", "feature": "string", "center": "float64", "scale": "float64"},
        ("fold", "inner", "feature"),
        extensible=True,
    ),
    # kind: feature, scaler, fold or decision; rows compared up to the cut, and how many of them changed.
    "audit": TableSchema(
        {"kind": "string", "name": "string", "cut": "timestamp[us]", "rows": "int64", "changed": "int64"},
        ("kind", "name", "cut"),
    ),
    # Out-of-fold targets of each lane, before its gate; none of a lane that broke down. row counts within the symbol's
    # development rows.
    "targets": TableSchema(
        _LANE | {"symbol": "string", "row": "int64", "target": "float64"}, ("trial", "fold", "seed", "symbol", "row")
    ),
    # One row a lane: the network that was taken, the gate's bound (quantile of the bootstrapped mean validated return
    # per bar) and its outcome.
    # failure: where parameters or losses ceased to be finite, "inner fold 1, update 37"; empty where they never did. A
    # lane that broke down has no bound, and its gate is closed.
    "lanes": TableSchema(
        {"agent": "string"}
        | _LANE
        | {"network": "string", "gate_bound": "float64", "gate_open": "bool", "failure": "string"},
        ("agent", "trial", "fold", "seed"),
        frozenset({"gate_bound"}),
    ),
    # Learning curves: mean net reward per bar (log return, of the policy that acts in training; of DQN's greedy one),
    # entropy (nats; 0 of a greedy policy) and loss of each update, of the network that was taken; a run that stopped
    # early has no later ones, a lane that broke down none.
    "curves": TableSchema(
        {"agent": "string"}
        | _LANE
        | {"inner": "int32", "update": "int32", "reward": "float64", "entropy": "float64", "loss": "float64"},
        ("agent", "trial", "fold", "seed", "inner", "update"),
    ),
    # The trial matrix of one agent and round: float64 replay of every lane's targets, each fold from flat to flat. A
    # trial of which a lane broke down stands neither here nor in the portfolios.
    # position: fraction of the sleeve's equity at the close; returns and cost: fractions of the equity one bar ago.
    "matrix": TableSchema(
        {
            "symbol": "string",
            "agent": "string",
            "trial": "int32",
            "fold": "int32",
            "seed": "int32",
            "date": "timestamp[us]",
            "target": "float64",
            "position": "float64",
            "gross_return": "float64",
            "cost": "float64",
            "net_return": "float64",
        },
        ("symbol", "trial", "fold", "seed", "date"),
    ),
    # The portfolio (sum of the sleeves) of each lane, and buy and hold of the same sleeves on the same bars.
    "portfolios": TableSchema(
        {"agent": "string"}
        | _LANE
        | {"date": "timestamp[us]", "net_return": "float64", "cost": "float64", "buy_and_hold_return": "float64"},
        ("agent", "trial", "fold", "seed", "date"),
    ),
    # Metrics of each lane's out-of-fold portfolio on one fold; null where undefined, which the total return is only in
    # a trial of which a lane broke down.
    "scores": TableSchema(
        {"agent": "string"} | _LANE | {"metric": "string", "value": "float64"},
        ("agent", "trial", "fold", "seed", "metric"),
        frozenset({"value"}),
    ),
    # Successive halving: the trials of one agent and round on one rung, with the updates done (of the network with most
    # that was taken; 0 where none has a curve), the score so far or the return and drawdown of the objective pareto,
    # and whether the trial goes on to the next rung.
    "rung": TableSchema(
        {"agent": "string", "trial": "int32", "rung": "int32", "updates": "int64"}
        | {"score": "float64", "drawdown": "float64", "goes_on": "bool"},
        ("agent", "trial"),
        frozenset({"score", "drawdown"}),
    ),
    # Two objectives (means over folds of means over seeds, fractions) of every trial that was trained to its end and
    # traded; front 1 is beaten by none in both, front 2 by those of front 1 only, and so on.
    "pareto": TableSchema(
        {"agent": "string", "trial": "int32", "total_return": "float64", "max_drawdown": "float64", "front": "int32"},
        ("agent", "trial"),
    ),
    # Ways to choose a trial by nested walk-forward, against `defaults`: annual Sharpe ratio and mean return of what
    # each chose, its Sharpe ratio by fold in four summaries, the difference of Sharpe ratios with its interval, and its
    # two-sided p-value, alone and by Holm. seen: suggested by scores of the very folds, so an upper bound. choices:
    # "fold 1: ppo 3; ...". No rows where there is one fold, or folds train on dates after their test.
    "approach_comparison": TableSchema(
        {"arm": "string", "seen": "bool", "folds": "int64", "bars": "int64"}
        | dict.fromkeys(("mean_return", "sharpe", "sharpe_lower", "sharpe_upper"), "float64")
        | dict.fromkeys(("fold_mean", "fold_median", "fold_worst", "fold_iqm"), "float64")
        | dict.fromkeys(("difference", "difference_lower", "difference_upper", "p_value", "p_holm"), "float64")
        | {"choices": "string"},
        ("arm",),
    ),
    # Each trial over its folds: folds on which the metric is defined, and their mean, median, worst and interquartile
    # mean (outsample.selection.folds); null where it is defined on none. Metrics of which neither is better have none.
    "fold_metrics": TableSchema(
        {"agent": "string", "trial": "int32", "metric": "string", "folds": "int64"}
        | dict.fromkeys(("mean", "median", "worst", "iqm"), "float64"),
        ("agent", "trial", "metric"),
        frozenset({"mean", "median", "worst", "iqm"}),
    ),
    # Each trial on each path through the tested blocks (outsample.selection.paths), the mean of its seeds; one path
    # where every bar is tested once. sharpe: per year, null where undefined.
    "paths": TableSchema(
        {"agent": "string", "trial": "int32", "path": "int32", "bars": "int64"}
        | dict.fromkeys(("total_return", "sharpe", "max_drawdown"), "float64"),
        ("agent", "trial", "path"),
        frozenset({"sharpe"}),
    ),
    # The vault: series is agent, buy_and_hold, scaled_buy_and_hold, sma_cross or flat; symbol is a symbol or
    # "portfolio". price: raw close (0 for the portfolio). Returns and cost as in the matrix; equity in currency.
    "returns": TableSchema(
        {
            "series": "string",
            "symbol": "string",
            "date": "timestamp[us]",
            "equity": "float64",
            "net_return": "float64",
            "cost": "float64",
            "target": "float64",
            "position": "float64",
            "price": "float64",
        },
        ("series", "symbol", "date"),
    ),
    # Value of each metric (outsample.market.metrics.METRICS) and its interval; null where undefined. One more
    # series, best_in_hindsight, has the total return only: a bound that knows every bar and that nobody could earn.
    "metrics": TableSchema(
        {
            "series": "string",
            "symbol": "string",
            "metric": "string",
            "value": "float64",
            "lower": "float64",
            "upper": "float64",
        },
        ("series", "symbol", "metric"),
        frozenset({"value", "lower", "upper"}),
    ),
    # Round trips of the agent on the vault: from flat (or a flip) to flat (or a flip). prices are raw fill prices.
    "trades": TableSchema(
        {
            "symbol": "string",
            "entry_date": "timestamp[us]",
            "exit_date": "timestamp[us]",
            "direction": "int32",
            "bars": "int64",
            "entry_price": "float64",
            "exit_price": "float64",
            "profit": "float64",
            "cost": "float64",
        },
        ("symbol", "entry_date"),
    ),
    # Random agents of the agent's exposure and turnover on the vault, portfolio only.
    "random_agents": TableSchema(
        {"draw": "int32", "total_return": "float64", "sharpe": "float64"}, ("draw",), frozenset({"sharpe"})
    ),
    # Equity (currency) of the portfolio of each training seed's policy alone, on the vault.
    "seeds": TableSchema({"seed": "int32", "date": "timestamp[us]", "equity": "float64"}, ("seed", "date")),
    # The agent's portfolio on the vault in other circumstances (outsample.evaluation.robustness), in the order of
    # place; cost: of a fill, basis points.
    "robustness": TableSchema(
        {"kind": "string", "place": "int32", "scenario": "string", "cost": "float64", "bars": "int64"}
        | dict.fromkeys(("total_return", "buy_and_hold_return", "sharpe", "max_drawdown"), "float64"),
        ("kind", "place"),
        frozenset({"sharpe"}),
    ),
    # The vault seen more closely (outsample.evaluation.tear_sheet): series is agent or buy_and_hold, of the portfolio.
    # Of each full window of bars that ends at date: Sharpe ratio per year and its band, null where returns do not
    # vary, and the mean absolute position.
    "rolling": TableSchema(
        {"series": "string", "date": "timestamp[us]", "window": "int64"}
        | dict.fromkeys(("sharpe", "lower", "upper", "exposure"), "float64"),
        ("series", "date"),
        frozenset({"sharpe", "lower", "upper"}),
    ),
    # Return of each calendar month, fraction, over its bars.
    "months": TableSchema(
        {"series": "string", "year": "int64", "month": "int64", "bars": "int64", "net_return": "float64"},
        ("series", "year", "month"),
    ),
    # Bars whose return (fraction) lies in [left, right); the last bin holds its right end.
    "histogram": TableSchema(
        {"series": "string", "left": "float64", "right": "float64", "bars": "int64"}, ("series", "left")
    ),
    # Quantiles of the returns, and of the normal distribution with their mean and standard deviation.
    "quantiles": TableSchema(
        {"series": "string", "place": "int64"} | dict.fromkeys(("probability", "net_return", "normal"), "float64"),
        ("series", "place"),
    ),
    # The deepest falls of equity, depth a fraction of the highest value; recovered is null where it was not.
    "drawdowns": TableSchema(
        {"series": "string", "rank": "int64", "depth": "float64"}
        | dict.fromkeys(("peak", "trough", "recovered"), "timestamp[us]")
        | {"bars_down": "int64", "bars": "int64"},
        ("series", "rank"),
        frozenset({"recovered"}),
    ),
    # How often the agent asked for each target, by symbol; entropy (nats) of the symbol's shares.
    "actions": TableSchema(
        {"symbol": "string", "target": "float64", "bars": "int64", "share": "float64", "entropy": "float64"},
        ("symbol", "target"),
    ),
    # The search as it went: score by the configured arm, null where undefined or broken down, and the best so far
    # of the trials that were not stopped at a rung.
    "search_history": TableSchema(
        {
            "agent": "string",
            "trial": "int32",
            "round": "int32",
            "origin": "string",
            "failed": "bool",
            "score": "float64",
            "best": "float64",
        },
        ("agent", "trial"),
        frozenset({"score", "best"}),
    ),
    # How strongly the score follows each varied parameter (outsample.selection.history); direction is null where a
    # parameter is no number.
    "parameter_importance": TableSchema(
        {"agent": "string", "parameter": "string", "trials": "int64"}
        | dict.fromkeys(("strength", "direction", "p_value"), "float64"),
        ("agent", "parameter"),
        frozenset({"direction"}),
    ),
    # What drives the policy on bars before the vault (outsample.evaluation.explanation), by feature: share of decisions
    # that change when it is shuffled (mean, least, most), mean net return per year lost (fraction), share of shuffles
    # that earned as much; mean absolute integrated gradient of the mean action, and its direction (-1 to 1).
    "explanation": TableSchema(
        {"place": "int32", "feature": "string", "control": "bool"}
        | dict.fromkeys(("changed", "changed_least", "changed_most", "lost", "not_worse"), "float64")
        | dict.fromkeys(("attribution", "direction"), "float64"),
        ("place",),
        frozenset({"attribution", "direction"}),
    ),
    # The chosen settings out of fold, and with one searched number 10 % lower or higher, in the order of place; columns
    # as in robustness, means over the seeds; undefined where a lane broke down.
    "perturbed": TableSchema(
        {"place": "int32", "scenario": "string", "cost": "float64", "bars": "int64"}
        | dict.fromkeys(("total_return", "buy_and_hold_return", "sharpe", "max_drawdown"), "float64"),
        ("place",),
        frozenset({"total_return", "buy_and_hold_return", "sharpe", "max_drawdown"}),
    ),
    # The null control, one row a surrogate market: kind (volatility, blocks, gaussian, gaussian_drift, or planted where
    # there is an edge), the level of the verdict, what the agent did on the surrogate's vault, the p-values of the
    # verdict, total return (fraction) and Sharpe ratio (per year; null where undefined) there.
    "null_control": TableSchema(
        {"kind": "string", "number": "int32", "level": "string", "activity": "string"}
        | dict.fromkeys(("p_buy_and_hold", "p_flat", "p_trials_hedged", "p_trials_raw"), "float64")
        | dict.fromkeys(("p_vault_alpha", "p_vault_mean", "vault_return", "sharpe"), "float64"),
        ("kind", "number"),
        frozenset({"sharpe"}),
    ),
    # The tests of all trials after the number-th shift of their targets in time.
    "shifted_targets": TableSchema(
        {"number": "int32", "p_trials_hedged": "float64", "p_trials_raw": "float64"}, ("number",)
    ),
    # The vault traded on paper: columns as in returns, and paid: fees and borrow costs in currency; shares: raw, at the
    # close; price: raw close. symbol "portfolio" is the sum of the sleeves (shares and price 0).
    "paper_ledger": TableSchema(
        {
            "symbol": "string",
            "date": "timestamp[us]",
            "equity": "float64",
            "net_return": "float64",
            "cost": "float64",
            "paid": "float64",
            "target": "float64",
            "position": "float64",
            "shares": "float64",
            "price": "float64",
        },
        ("symbol", "date"),
    ),
    # Each fill: raw shares (negative when sold) at a raw price; notional and fee in currency.
    "paper_fills": TableSchema(
        {
            "symbol": "string",
            "date": "timestamp[us]",
            "target": "float64",
            "shares": "float64",
            "price": "float64",
            "notional": "float64",
            "fee": "float64",
        },
        ("symbol", "date"),
    ),
}

# Top-level keys of each JSON file and their JSON types; a file holds these keys and no others.
DOCUMENTS: dict[str, dict[str, str]] = {
    # settings: every key of the experiment; sha256: hash of the settings in canonical JSON.
    "config": {"experiment": "string", "environment": "string", "settings": "object", "sha256": "string"},
    # Beside the answers that `outsample fetch` has stored for a symbol. query: what was asked for, secrets as ${VAR},
    # and start and end where it holds them; files: [{file, sha256, bytes, ...}] in order; retrieved (ISO date), note:
    # what the caller said of the retrieval.
    "origin": {
        "kind": "string",
        "symbol": "string",
        "query": "object",
        "files": "array",
        "retrieved": "string?",
        "note": "string?",
    },
    # symbols: symbol -> {file, rows, first, last, sha256, and origin of what was fetched}; adjustment: what was done to
    # prices.
    "bars_manifest": {"source": "object", "simulated": "boolean", "symbols": "object", "sha256": "string"},
    # symbols: symbol -> {rows, first, last}; calendar: {name, inferred, periods_per_year};
    # checks: [{id, severity, symbol, count, detail}]; repairs: [{rule, symbol, bars, values, detail}] of those that
    # were asked for; adjustment: sentence.
    "quality": {
        "simulated": "boolean",
        "calendar": "object",
        "symbols": "object",
        "checks": "array",
        "repairs": "array",
        "adjustment": "string",
    },
    # features: [{name, group, formula, warm_up, indicator, parameters, inputs}] in the order of the policy's inputs;
    # warm_up: longest, in bars. indicator: id in outsample.features.registry; parameters: name -> bars.
    # others: {symbols, max_age}: the symbols whose closes the features take, and the days at which a close is too old.
    "feature_spec": {"features": "array", "warm_up": "integer", "others": "object"},
    # vault: {first, last, dates, sha256}; development: {first, last, dates}.
    "split": {"vault": "object", "development": "object"},
    # trials: [{trial, origin, params}]; params holds every setting of the agent.
    "suggestions": {"agent": "string", "round": "integer", "trials": "array"},
    # agent, trial, params and score: of the best; members: [{agent, trial, origin, params}] whose targets are averaged,
    # the best first, or the best alone; ranking: [{agent, trial, score}] of all trials from best to worst, score null
    # where undefined.
    "selection": {
        "arm": "string",
        "agent": "string",
        "trial": "integer",
        "params": "object",
        "score": "number?",
        "members": "array",
        "ranking": "array",
    },
    # arrays: [{path, dtype, shape, sha256}] of the Orbax folder; sha256 over them all.
    "policy_manifest": {"arrays": "array", "sha256": "string"},
    # features: names in input order; actions: targets; inputs, outputs: names and shapes of the ONNX graph;
    # network: what was taken of the networks that were tried; gate: {bound, level, open}; models: how many fold models
    # are averaged; onnx_sha256: hash of policy.onnx.
    "policy": {
        "agent": "string",
        "network": "string",
        "networks": "array",
        "features": "array",
        "actions": "array",
        "inputs": "object",
        "outputs": "object",
        "gate": "object",
        "models": "integer",
        "seeds": "integer",
        "fill": "string",
        "onnx_sha256": "string",
    },
    # look: which look at this vault this evaluation was, from 1 (no total: later looks would change it).
    "looks": {"look": "integer", "vault": "string", "model": "string"},
    # The verdict and everything it rests on; see outsample.evaluation.verdict.
    "verdict": {
        "level": "string",
        "title": "string",
        "sentences": "array",
        "tests": "object",
        "activity": "object",
        "detectable_sharpe": "number",
        "look": "integer",
    },
    # symbols, bars: what was looked at; repeats: shuffles of each feature; attributed: bars with integrated gradients;
    # residual: largest error of their sums.
    "explained": {
        "symbols": "array",
        "bars": "integer",
        "repeats": "integer",
        "attributed": "integer",
        "residual": "number",
    },
    # null, planted: level of the verdict -> {count, total, rate, lower, upper} over the surrogates without and with an
    # edge; by_kind: the first by kind; active: surrogates on whose vault the agent traded; shifted: over_buy_and_hold,
    # over_flat -> the same of the shifted targets. Intervals of 95 % by Clopper and Pearson, null of nothing.
    "null_control": {
        "surrogates": "integer",
        "null": "object",
        "by_kind": "object",
        "active": "object",
        "planted": "object",
        "shifted": "object",
    },
    # agent, buy_and_hold: metric -> value of the portfolio on the vault (null where undefined); lower, upper: metric ->
    # bound of the agent's interval; tests: name -> p value; verdict: level, and the look that it was.
    "metrics_summary": {
        "agent": "object",
        "lower": "object",
        "upper": "object",
        "buy_and_hold": "object",
        "tests": "object",
        "verdict": "object",
    },
    # file: name in the folder package/; size (bytes) and sha256 of the archive; gates: {passed, value, detail} of each.
    "package": {
        "model": "string",
        "version": "string",
        "file": "string",
        "size": "integer",
        "sha256": "string",
        "gates": "object",
    },
    # symbols: symbol -> {begins_in, first, last, bars, fills, paid, equity_first, equity_last}; largest_difference:
    # column -> largest difference from the evaluation, as a fraction of the column's largest value (at least 1).
    "paper": {
        "model": "string",
        "version": "string",
        "calendar": "string",
        "gaps_checked": "boolean",
        "symbols": "object",
        "largest_difference": "object",
    },
    # config, code, data, vault, lock, policy -> sha256.
    "provenance": {"hashes": "object", "versions": "object"},
}
