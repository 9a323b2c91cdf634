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
        rows = [("ppo", 2 * number + k, 0, 0, name, values[k]) for k in range(2) for name in ("sharpe", "total_return")]
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


def test_without_trials_it_says_what_to_run(tmp_path):
    (tmp_path / "config").symlink_to(ROOT / "config")
    with pytest.raises(ConfigError, match=r"holds no scored trials; run the experiment first: snakemake"):
        study("quickstart", str(tmp_path / "s.db"), tmp_path)
