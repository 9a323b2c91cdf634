"""The trials of an experiment as an Optuna study."""

from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest

from outsample.cli.study import study
from outsample.config.models import Settings
from outsample.errors import ConfigError
from outsample.io import write_json, write_table

ROOT = Path(__file__).parents[2]
BASE = Settings().agents.ppo.model_dump(mode="json")


@pytest.fixture
def repository(tmp_path):
    """Two rounds of two trials; the last one broke down."""
    (tmp_path / "config").symlink_to(ROOT / "config")
    for number in range(2):
        folder = tmp_path / f"results/quickstart/trials/ppo/round_{number}"
        trials = [
            {"trial": 2 * number + k, "origin": "tpe" if number + k else "defaults",
             "params": BASE | {"learning_rate": 0.002 + 0.001 * k}}
            for k in range(2)
        ]  # fmt: skip
        write_json({"agent": "ppo", "round": number, "trials": trials}, folder / "suggestions.json", "suggestions")
        values = [0.25, 0.5] if number == 0 else [0.75, np.nan]
        share = {"sharpe": 1.0, "total_return": 1.0, "max_drawdown": 0.5}
        rows = [("ppo", 2 * number + k, 0, 0, n, values[k] * share[n]) for k in range(2) for n in sorted(share)]
        columns = ["agent", "trial", "fold", "seed", "metric", "value"]
        scores = pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(["trial", "fold", "seed"], "int32"))
        write_table(scores, folder / "scores.parquet", "scores")
    return tmp_path


def test_a_study_holds_every_trial_with_its_score_and_origin(repository, capsys):
    out = repository / "study.db"
    study("quickstart", str(out), repository)
    assert "quickstart ppo (4 trials)" in capsys.readouterr().out
    found = optuna.load_study(study_name="quickstart ppo", storage=f"sqlite:///{out}")
    assert [t.value for t in found.trials] == [0.25, 0.5, 0.75, None]
    assert found.best_trial.number == 2
    assert found.trials[3].state == optuna.trial.TrialState.FAIL
    assert found.trials[1].params["learning_rate"] == 0.003
    assert set(found.trials[1].params) == set(Settings().search.space["ppo"])
    assert [t.user_attrs["origin"] for t in found.trials] == ["defaults", "tpe", "tpe", "tpe"]
    with pytest.raises(ConfigError, match="is there already; name another file"):
        study("quickstart", str(out), repository)


def test_a_study_of_two_objectives_and_rungs_is_one_that_optuna_opens(repository):
    (repository / "config").unlink()
    (repository / "config").mkdir()
    for name in ("base", "environments"):
        (repository / "config" / name).symlink_to(ROOT / "config" / name)
    (repository / "config/experiments").mkdir()
    experiment = repository / "config/experiments/quickstart.yaml"
    experiment.write_text("search: {objective: pareto, rungs: {levels: 2}}")
    rung = pd.DataFrame({"agent": "ppo", "trial": [0, 1], "rung": 0, "updates": 30, "score": [0.25, 0.5]})
    rung = rung.assign(drawdown=np.nan, goes_on=[True, False]).astype({"trial": "int32", "rung": "int32"})
    write_table(rung, repository / "results/quickstart/trials/ppo/round_0/rung_0/rung.parquet", "rung")
    study("quickstart", str(repository / "both.db"), repository)
    storage = f"sqlite:///{repository / 'both.db'}"
    both = optuna.load_study(study_name="quickstart ppo", storage=storage)
    assert [d.name for d in both.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert [t.values for t in both.trials] == [[0.25, 0.125], None, [0.75, 0.375], None]
    assert [t.number for t in both.best_trials] == [0, 2]

    experiment.write_text("search: {rungs: {levels: 2}}")
    study("quickstart", str(repository / "one.db"), repository)
    one = optuna.load_study(study_name="quickstart ppo", storage=f"sqlite:///{repository / 'one.db'}")
    assert one.trials[1].state == optuna.trial.TrialState.PRUNED
    assert one.trials[1].intermediate_values == {0: 0.5}

    experiment.write_text("search: {rounds: 1}")  # a rung and a round that were left by an earlier search
    study("quickstart", str(repository / "now.db"), repository)
    now = optuna.load_study(study_name="quickstart ppo", storage=f"sqlite:///{repository / 'now.db'}")
    assert [t.value for t in now.trials] == [0.25, 0.5]


def test_without_trials_it_says_what_to_run(tmp_path):
    (tmp_path / "config").symlink_to(ROOT / "config")
    with pytest.raises(ConfigError, match=r"holds no scored trials; run the experiment first: snakemake"):
        study("quickstart", str(tmp_path / "s.db"), tmp_path)
