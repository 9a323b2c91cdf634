"""What runs again after a change: just that which the change concerns."""

import os
import shutil
from dataclasses import replace

import pytest

pytestmark = pytest.mark.slow

DATA = {"merge_config", "ingest_bars", "validate_bars", "build_features", "split_vault", "make_folds", "audit_leakage"}
TARGETS = ("results/tiny/report.html", "results/tiny/timings.html")


@pytest.fixture
def edit(built):
    """Change a file of the built checkout for one test."""
    kept = {}

    def change(name, old, new):
        path = built.folder / name
        text = path.read_text()
        assert old in text, f"{name} does not hold {old!r}"
        kept.setdefault(path, text)
        path.write_text(text.replace(old, new, 1))

    yield change
    for path, text in kept.items():
        path.write_text(text)


def test_second_run_has_nothing_to_do(built):
    assert built.pending(*TARGETS) == set()


def test_number_of_cores_changes_nothing(built):
    assert built.pending("--cores", "16", *TARGETS) == set()


def test_touched_files_rerun_nothing(built):
    names = ["workflow_scripts/run_trials.py", "workflow_scripts/outsample/agents/ppo.py", "Snakefile"]
    names += ["rules/training.smk", "reports/report.ipynb", "requirements.lock", "results/tiny/bars.parquet"]
    for name in names:
        os.utime(built.folder / name)
    assert built.pending(*TARGETS) == set()


def test_comment_and_docstring_rerun_nothing(built, edit):
    edit("workflow_scripts/outsample/agents/ppo.py", '"""', '"""Another first sentence. ')
    edit("workflow_scripts/outsample/market/accounting.py", "\nimport", "\n# a remark\nimport")
    edit("workflow_scripts/run_trials.py", "\n\ndef main", "\n\n# a remark\ndef main")
    assert built.pending(*TARGETS) == set()


def test_code_of_the_agent_reruns_trials_and_what_follows_but_no_data(built, edit):
    edit("workflow_scripts/outsample/agents/ppo.py", "\ndef ", "\nEDITED = 1\n\n\ndef ")
    pending = built.pending(*TARGETS)
    assert {"run_trials", "account_trials", "select_strategy", "train_final", "evaluate", "build_report"} <= pending
    assert not pending & DATA


def test_code_of_an_agent_that_is_not_searched_reruns_nothing(built, edit):
    for agent in ("a2c", "dqn"):
        edit(f"workflow_scripts/outsample/agents/{agent}.py", "\ndef ", "\nEDITED = 1\n\n\ndef ")
    assert built.pending(*TARGETS) == set()


def test_code_of_the_report_reruns_the_report_only(built, edit):
    edit("workflow_scripts/outsample/report/page.py", "\ndef ", "\nEDITED = 1\n\n\ndef ")
    assert built.pending(*TARGETS) == {"build_report", "build_timings"}


def test_notebook_of_the_report_reruns_the_report_only(built, edit):
    edit("reports/report.ipynb", '"cell_type": "markdown"', '"cell_type": "raw"')
    assert built.pending(*TARGETS) == {"build_report", "build_timings"}


def test_style_of_the_report_reruns_the_report_only(built):
    style = next((built.folder / "workflow_scripts/outsample/report/assets").glob("*.css"))
    text = style.read_text()
    style.write_text(text + "\nbody { margin: 1px; }\n")
    pending = built.pending(*TARGETS)
    style.write_text(text)
    assert pending == {"build_report", "build_timings"}


def test_title_reruns_the_report_only(built):
    pending = built.pending("--config", "experiment=tiny", "report={title: Another}", "--", *TARGETS)
    assert pending == {"merge_config", "build_report", "build_timings"}


def test_cost_reruns_trials_but_no_data(built):
    pending = built.pending("--config", "experiment=tiny", "market={commission: 4}", "--", *TARGETS)
    assert {"run_trials", "account_trials", "train_final", "evaluate"} <= pending
    assert not pending & (DATA - {"merge_config", "audit_leakage"})  # fills are audited by the market's rules


def test_weights_of_an_arm_train_no_trial_again(built):
    pending = built.pending("--config", "experiment=tiny", "selection={multi_metric: {win_rate: 0.3}}", "--", *TARGETS)
    assert pending == {"merge_config", "select_strategy", "compare_approaches", "build_report", "build_timings"}


def test_weights_of_an_arm_keep_the_surrogates(built, tmp_path):
    own = replace(built, folder=tmp_path / "checkout")
    shutil.copytree(built.folder, own.folder, symlinks=True)
    control = "null_control={surrogates: 1, positives: 1}"
    own.build("--config", "experiment=tiny", control, "--", "results/tiny/null_control.json")
    weights = "selection={multi_metric: {win_rate: 0.3}}"
    pending = own.pending("--config", "experiment=tiny", control, weights, "--", *TARGETS)
    assert pending == {"merge_config", "select_strategy", "compare_approaches", "build_report", "build_timings"}


def test_a_further_round_keeps_the_rounds_before(built):
    jobs = built.planned("--config", "experiment=tiny", "search={rounds: 3}", "--", *TARGETS)
    assert (jobs["suggest_trials"], jobs["run_trials"], jobs["account_trials"]) == (1, 2, 1)
