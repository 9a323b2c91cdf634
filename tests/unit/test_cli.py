"""The console script: its output, its exit codes, and that help needs no heavy import."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import outsample
from outsample.cli.main import main
from outsample.config.layers import load
from outsample.features.listing import with_table

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch):
    monkeypatch.chdir(ROOT)


def test_show_prints_all_settings_and_their_hash(capsys):
    assert main(["config", "show", "planted_edge"]) == 0
    shown = yaml.safe_load(capsys.readouterr().out)
    loaded = load("planted_edge", root=ROOT)
    assert (shown["experiment"], shown["sha256"]) == ("planted_edge", loaded.sha256)
    assert shown["settings"] == loaded.settings.model_dump(mode="json")


def test_an_error_is_one_sentence_on_stderr(capsys):
    assert main(["config", "show", "planted_edg"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("outsample: The experiment planted_edg is unknown")
    assert err.endswith("did you mean planted_edge?\n")


def test_features_lists_every_feature_or_those_of_an_experiment(capsys):
    assert main(["features"]) == 0
    every = capsys.readouterr().out.splitlines()
    assert every[0].split()[:2] == ["feature", "group"]
    row = next(line for line in every if line.startswith("adx_14"))
    for cell in (
        "W(100 * |+DI - -DI| / (+DI + -DI))",
        "27",
        "mean of the first values (Wilder)",
        "Wilder (1978)",
        "ADX",
    ):
        assert cell in row
    assert main(["features", "quickstart"]) == 0
    shipped = capsys.readouterr().out.splitlines()
    assert len(shipped) == 23
    assert len(every) == 48
    assert not any(line.startswith("adx_14") for line in shipped)


def test_the_table_of_the_documentation_is_not_stale(capsys, tmp_path, monkeypatch):
    page = (ROOT / "docs/features.md").read_text(encoding="utf-8")
    assert with_table(page) == page, "run `outsample features --write`"
    monkeypatch.chdir(tmp_path)
    assert main(["features", "--write"]) == 1
    assert "docs/features.md is not there, or lacks" in capsys.readouterr().err
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/features.md").write_text(page.replace("Wilder (1978)", "Wilder (1979)"), encoding="utf-8")
    assert main(["features", "--write"]) == 0
    assert capsys.readouterr().out == "docs/features.md is written.\n"
    assert (tmp_path / "docs/features.md").read_text(encoding="utf-8") == page


def test_check_and_write(capsys, tmp_path, monkeypatch):
    assert main(["config", "check"]) == 0
    assert "quickstart" in capsys.readouterr().out
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    assert main(["config", "check"]) == 1
    assert "differ from the models; run `outsample config write`" in capsys.readouterr().err
    assert main(["config", "write"]) == 0
    assert capsys.readouterr().out == "Written: config/base/default.yaml, config/schema.json.\n"
    assert main(["config", "write"]) == 0
    assert main(["config", "check"]) == 0
    (tmp_path / "config/environments").mkdir()
    (tmp_path / "config/environments/development.yaml").touch()
    (tmp_path / "config/experiments").mkdir()
    (tmp_path / "config/experiments/mine.yaml").write_text("fold: {}")
    assert main(["config", "check"]) == 1
    assert "mine.yaml (experiment layer): fold is not a key; did you mean folds?" in capsys.readouterr().err


def test_as_a_module_and_without_heavy_imports():
    run = subprocess.run([sys.executable, "-m", "outsample.cli.main", "--version"], capture_output=True, text=True)
    assert run.stdout == f"outsample {outsample.__version__}\n"
    code = (
        "import sys; from outsample.cli.main import main; main(['config', 'check']); "
        "print(sorted({'pandas', 'jax', 'numpy', 'pyarrow'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout.endswith("\n[]\n")


@pytest.mark.parametrize("arguments", [[], ["config"], ["confg"], ["config", "show"]])
def test_a_wrong_command_is_a_usage_error(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: outsample" in capsys.readouterr().err
