"""The procedure of an experiment in a process of its own, as its scripts run: its scores and its selection.

Usage: run_search.py CHECKOUT EXPERIMENT FOLDER
"""

import json
import sys
from pathlib import Path


def main(root: Path, experiment: str, folder: Path) -> None:
    """Write scores.parquet and selection.json into a folder."""
    from outsample.agents import runtime

    runtime.configure_jax(root / "work/jax_cache")  # before anything imports JAX

    import pandas as pd

    from outsample.config.layers import load
    from outsample.control.procedure import procedure

    results = root / "results" / experiment
    periods = json.loads((results / "quality.json").read_text())["calendar"]["periods_per_year"]
    bars = pd.read_parquet(results / "validated_bars.parquet")
    outcome = procedure(bars, load(experiment, {}, root).settings, periods)
    outcome.scores.to_parquet(folder / "scores.parquet")
    (folder / "selection.json").write_text(json.dumps(outcome.selection))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
