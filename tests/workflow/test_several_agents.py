"""An experiment that searches several agents: one choice among them all, and no file mixes their trials up."""

import json
import re

import pandas as pd
import pytest
from tests.workflow.conftest import TINY, copy_checkout

pytestmark = pytest.mark.slow

AGENTS = ("a2c", "dqn", "ppo")
SEVERAL = TINY.replace(
    "agents: {ppo: {alternatives: [], updates: 2, passes: 1, segment: 25}}",
    "agents:\n"
    "  a2c: {alternatives: [], updates: 3, passes: 1, segment: 25}\n"
    "  dqn: {alternatives: [], updates: 4, steps: 2, segment: 25}\n"
    "  ppo: {alternatives: [{torso: tanh, units: 2}], updates: 2, passes: 1, segment: 25}",
).replace("search: {rounds: 2", "search: {agents: [ppo, a2c, dqn], rounds: 1")
REPORT = "results/several/report.html"


@pytest.fixture(scope="module")
def several(repository, tmp_path_factory):
    made = copy_checkout(repository, tmp_path_factory.mktemp("several") / "checkout")
    assert SEVERAL.count("dqn") == 2  # both texts were found in the tiny experiment
    (made.folder / "config/experiments/several.yaml").write_text(SEVERAL)
    made.build(REPORT, "results/several/timings.html", "results/several/package", "results/several/paper/paper.json")
    return made


@pytest.fixture(scope="module")
def results(several):
    return several.folder / "results/several"


def of(results, name):
    return pd.concat([pd.read_parquet(path) for path in sorted(results.glob(f"trials/*/round_*/{name}.parquet"))])


def test_every_agent_has_its_own_rows_under_its_own_name(results):
    for name in ("lanes", "scores", "portfolios", "curves"):
        table = of(results, name)
        keys = table[["agent", "trial", "fold", "seed"]].drop_duplicates()
        assert keys.groupby("agent").size().to_dict() == dict.fromkeys(AGENTS, 2 * 2), name  # 2 trials, 2 folds
    updates = of(results, "curves").groupby("agent")["update"].max()
    assert updates.to_dict() == {"a2c": 2, "dqn": 3, "ppo": 1}


def test_the_choice_is_among_the_trials_of_all_agents(results):
    selection = json.loads((results / "selection/sharpe_only.json").read_text())
    ranked = [(trial["agent"], trial["trial"]) for trial in selection["ranking"]]
    assert sorted(ranked) == [(agent, trial) for agent in AGENTS for trial in range(2)]
    scores = of(results, "scores")
    sharpe = scores[scores["metric"] == "sharpe"].groupby(["agent", "trial"])["value"].mean()
    assert (selection["agent"], selection["trial"]) == ranked[0] == sharpe.idxmax()
    assert json.loads((results / "policy/policy.json").read_text())["agent"] == ranked[0][0]
    assert json.loads((results / "evaluation/verdict.json").read_text())["tests"]["trials"] == 6


def test_the_reports_table_of_trials_is_right(results):
    html = (results / "report.html").read_text()
    table = re.search(r'<table[^>]*id="trials".*?</table>', html, re.DOTALL).group()
    rows = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL) for row in re.findall(r"<tr.*?</tr>", table, re.S)]
    shown = {re.sub("<[^>]*>", "", row[0]).removesuffix(" (chosen)"): row for row in rows[1:]}
    assert len(shown) == 6
    lanes, suggested = of(results, "lanes"), {}
    for path in results.glob("trials/*/round_*/suggestions.json"):
        document = json.loads(path.read_text())
        suggested |= {f"{document['agent']} {trial['trial']}": trial for trial in document["trials"]}
    headers = [re.sub("<[^>]*>", "", cell) for cell in rows[0]]
    assert headers[-5:] == ["discount", "entropy", "learning_rate", "target_rate", "weight_decay"]
    for name, row in shown.items():
        agent, trial = name.split()
        of_trial = lanes[(lanes["agent"] == agent) & (lanes["trial"] == int(trial))]
        assert row[3] == f"{of_trial['gate_open'].sum()} of {len(of_trial)}"
        params = suggested[name]["params"]
        assert float(row[headers.index("discount")]) == pytest.approx(params["discount"], rel=1e-3)
        assert (row[headers.index("entropy")] == "") == ("entropy" not in params)


def test_second_run_has_nothing_to_do(several):
    assert several.pending(REPORT) == set()


@pytest.mark.parametrize(
    ("module", "trained"), [("dqn", {"dqn"}), ("ppo", {"ppo"}), ("a2c", {"a2c"}), ("actor_critic", {"a2c", "ppo"})]
)
def test_code_of_an_agent_reruns_the_trials_of_the_agents_that_run_it(several, module, trained):
    path = several.folder / f"workflow_scripts/outsample/agents/{module}.py"
    text = path.read_text()
    path.write_text(text + "\nEDITED = 1\n")
    jobs = several.planned(REPORT)
    others = several.pending(*(f"results/several/trials/{a}/round_0/matrix.parquet" for a in {*AGENTS} - trained))
    path.write_text(text)
    assert jobs["run_trials"] == 2 * len(trained)  # 2 shards
    assert others == set()
    assert jobs["train_final"] == 1


def test_the_space_of_an_agent_reruns_its_own_search_only(several):
    space = "search={space: {dqn: {discount: {high: 0.96}}}}"
    jobs = several.planned("--config", "experiment=several", space, "--", REPORT)
    assert jobs["suggest_trials"] == 1
    assert jobs["run_trials"] == 2
