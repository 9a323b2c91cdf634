"""The procedure of an experiment in a process of its own, as its scripts run: tables, and how much was compiled.

Usage: run_procedure.py CHECKOUT EXPERIMENT FOLDER
"""

import json
import sys
from pathlib import Path


def main(root: Path, experiment: str, folder: Path) -> None:
    """Run the procedure and some surrogates; write its tables and the document outcome.json into a folder."""
    from outsample.agents import runtime

    runtime.configure_jax(folder / "jax_cache")  # before anything imports JAX

    import jax
    import pandas as pd

    from outsample.config.layers import load
    from outsample.control.control import Run, run_surrogates
    from outsample.control.procedure import procedure

    compiled = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, seconds, **_: compiled.append(event) if event.endswith("backend_compile_duration") else None
    )
    settings = load(experiment, {}, root).settings
    results = root / "results" / experiment
    bars = pd.read_parquet(results / "validated_bars.parquet")
    periods = json.loads((results / "quality.json").read_text())["calendar"]["periods_per_year"]

    outcome = procedure(bars, settings, periods)
    for name in ("targets", "portfolios", "scores"):
        getattr(outcome, name).to_parquet(folder / f"{name}.parquet")
    judged = outcome.judged
    returns = {"date": judged.dates, "net_return": judged.net_return, "buy_and_hold": judged.buy_and_hold}
    pd.DataFrame(returns).to_parquet(folder / "returns.parquet")

    runs, counts, rows = [Run("volatility", 0), Run("blocks", 1), Run("planted", 0), Run("gaussian", 5)], [], []
    for run in runs:
        before = len(compiled)
        rows.append(run_surrogates([run], bars, settings, periods))
        counts.append(len(compiled) - before)
    together = run_surrogates(runs[::-1], bars, settings, periods)
    document = {
        "selection": outcome.selection,
        "onnx_sha256": outcome.policy["onnx_sha256"],
        "level": judged.level,
        "tests": {name: getattr(judged.tests, name) for name in ("p_buy_and_hold", "p_flat", "trials", "vault_bars")},
        "compiled": counts,
        "same_in_any_company": pd.concat(rows).equals(together.iloc[::-1].set_index(pd.concat(rows).index)),
        "claims": together["level"].tolist(),
    }
    (folder / "outcome.json").write_text(json.dumps(document))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
