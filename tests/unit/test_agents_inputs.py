"""Input that cannot be trained on is refused with a sentence before anything is compiled."""

import dataclasses
import importlib.util
from pathlib import Path

import numpy as np
import pytest

from outsample.agents.inputs import fold_rows
from outsample.agents.lanes import fit_final, train_lanes
from outsample.agents.registry import AGENTS, get_agent
from outsample.agents.studio import Lane
from outsample.agents.training import Program
from outsample.config.agents import Agents, Dqn, Ppo
from outsample.config.models import Gate, Search
from outsample.errors import TrainingError
from outsample.market.accounting import MarketRules

_SPEC = importlib.util.spec_from_file_location("agents_case", Path(__file__).parents[1] / "reference/agents_case.py")
case = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(case)

RULES = MarketRules("next_open", cost_rate=6e-4, borrow_per_bar=0.0, short_selling=True, grid=0.01, band=0.0)
PANEL = case.panel({"A": case.planted(300, 1), "B": case.planted(280, 2)})
FOLDS = case.folds(PANEL, {0: (200, 240), -1: (280, 280)})
SCALERS = case.scalers(PANEL, FOLDS)
PARAMS = {**Ppo(alternatives=[]).model_dump(), "segment": 30}


@pytest.fixture(autouse=True)
def _nothing_is_compiled(monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("training was started")

    monkeypatch.setattr("outsample.agents.together.train_models", refuse)


def _refused(match, lanes=None, panel=PANEL, folds=FOLDS, scalers=SCALERS, agent="ppo"):
    with pytest.raises(TrainingError, match=match):
        train_lanes(agent, [Lane(0, 0, 0, PARAMS)] if lanes is None else lanes, panel, folds, scalers, RULES, Gate())


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"learning_rate": -1.0}, r"Trial 3, fold 0, seed 5 has learning_rate = -1.0: input should be greater than 0"),
        ({"clip": 1.0}, "clip = 1.0: input should be less than 1"),
        ({"updates": 0}, "updates = 0"),
        ({"torso": "cubic"}, "torso = 'cubic': input should be 'linear', 'tanh', 'relu' or 'gru'"),
        ({"momentum": 0.9}, "momentum = 0.9"),
        ({"discount": float("nan")}, "discount = nan"),
    ],
)
def test_hyper_parameters_outside_their_domain(changes, match):
    _refused(match, lanes=[Lane(3, 0, 5, {**PARAMS, **changes})])


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"prioritised": True}, "Trial 3, fold 0, seed 5: prioritised needs `pairs: sampled`"),
        ({"dropout": 0.2}, "Trial 3, fold 0, seed 5: dropout must be 0 with `torso: linear`"),
        (
            {"pairs": "sampled", "batch": 300, "replay": 256},
            "seed 5: batch is 300, more than the 256 decisions of `replay`",
        ),
    ],
)
def test_hyper_parameters_that_do_not_fit_together(changes, match):
    params = {**Dqn(alternatives=[]).model_dump(), "segment": 30, **changes}
    _refused(match, [Lane(3, 0, 5, params)], agent="dqn")


def test_a_batch_that_is_larger_than_the_rollout():
    # The largest train span of the table, that of fold -1, needs 14 segments of 30 bars.
    lanes = [Lane(3, 0, 5, {**PARAMS, "minibatches": 421})]
    _refused(r"seed 5 has minibatches = 421, more than the 420 bars of its rollout \(14 segments of 30\)", lanes)
    lanes = [Lane(3, 0, 5, {**Dqn().model_dump(), "segment": 30, "batch": 421})]
    _refused("has batch = 421, more than the 420 bars.*use at most 420", lanes, agent="dqn")


@pytest.mark.parametrize(
    ("actions", "short_selling", "match"),
    [
        ((), True, "The actions are none: add flat, 0"),
        ((), False, "The actions are none: add flat, 0"),
        ((1,), False, "The actions are 1: add flat, 0"),
        ((-1, 1), True, "The actions are -1, 1: add flat, 0"),
        ((-1, 0, 1), False, "The actions are -1, 0, 1 though short selling is off: leave out those below 0"),
        ((0, 1, 1), False, "The actions are 0, 1, 1: give each once, in ascending order"),
        ((1, 0), False, "The actions are 1, 0: give each once, in ascending order"),
    ],
)
def test_actions_that_an_agent_cannot_choose_among(actions, short_selling, match):
    with pytest.raises(TrainingError, match=match):
        Program("ppo", (), actions, "next_open", short_selling)


def test_a_missing_hyper_parameter():
    _refused("lacks the hyper-parameter clip", lanes=[Lane(0, 0, 0, {k: v for k, v in PARAMS.items() if k != "clip"})])


def test_a_span_that_is_too_short():
    _refused(
        r"Fold 0, inner fold \d has \d+ bars to train on, fewer than one rollout segment of 900.*at most \d+",
        lanes=[Lane(0, 0, 0, {**PARAMS, "segment": 900})],
    )


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_non_finite_feature_is_named_with_row_and_date(value):
    features = PANEL.features.copy()
    features[300 + 150, 4] = value
    panel = dataclasses.replace(PANEL, features=features)
    _refused(r"Feature f04 is (nan|inf) at row 150 of B \(2000-06-01\)", panel=panel)


def test_a_non_finite_feature_outside_every_fold_is_none_of_our_business():
    features = PANEL.features.copy()
    features[270] = np.nan  # fold 0 ends at row 240
    with pytest.raises(AssertionError, match="training was started"):
        train_lanes(
            "ppo", [Lane(0, 0, 0, PARAMS)], dataclasses.replace(PANEL, features=features), FOLDS, SCALERS, RULES, Gate()
        )


def test_lanes_that_do_not_exist_or_come_twice():
    _refused("no lane to train", lanes=[])
    _refused("given twice", lanes=[Lane(0, 0, 0, PARAMS)] * 2)
    _refused("asks for fold 7", lanes=[Lane(0, 7, 0, PARAMS)])
    _refused("fold -1 has no test rows", lanes=[Lane(0, -1, 0, PARAMS)])
    _refused("a seed must be in", lanes=[Lane(0, 0, -3, PARAMS)])
    _refused("no agent named 'sac'; use one of a2c, direct, dqn, ppo", agent="sac")


def test_scalers_that_cannot_scale():
    _refused("lack the feature f03", scalers=SCALERS[SCALERS["feature"] != "f03"])
    constant = SCALERS.copy()
    constant.loc[(constant["fold"] == 0) & (constant["inner"] == 2) & (constant["feature"] == "f01"), "scale"] = 0.0
    _refused("scale of feature f01 in fold 0, inner fold 2 is 0", scalers=constant)


def test_folds_that_do_not_fit_the_bars():
    _refused("symbol C", folds=FOLDS.assign(symbol=FOLDS["symbol"].replace("B", "C")))
    _refused(r"uses rows \d+-\d+ of A, which has 300", folds=FOLDS.assign(end=FOLDS["end"].replace(240, 301)))
    _refused("has no train rows", folds=FOLDS[(FOLDS["part"] != "train") | (FOLDS["inner"] != 1)])
    twice = FOLDS.copy()
    twice.loc[(twice["fold"] == 0) & (twice["part"] == "test"), "start"] = 190
    _refused("tests or validates a row twice", folds=twice)


def test_a_final_policy_needs_a_seed_and_its_fold():
    with pytest.raises(TrainingError, match="at least one seed"):
        fit_final("ppo", PARAMS, 0, PANEL, FOLDS, SCALERS, RULES, Gate())
    with pytest.raises(TrainingError, match="asks for fold -1"):
        fit_final("ppo", PARAMS, 1, PANEL, FOLDS[FOLDS["fold"] == 0], SCALERS, RULES, Gate())


def test_rows_of_a_fold_count_within_the_panel():
    rows = fold_rows(FOLDS, PANEL)[0]
    assert rows.test == ((0, 200, 240), (1, 500, 540))
    assert rows.inner_folds == 4
    owner, reset = rows.owners(len(PANEL.dates))
    assert (owner[200:240] == 4).all()
    assert (owner[:10] == -1).all()
    assert owner[10] == owner[310] == 0
    assert reset[[10, 200, 310, 500]].all()
    assert reset.sum() == 2 * 5


@pytest.mark.parametrize("name", AGENTS)
def test_agents_are_found_by_name_and_have_each_hyper_parameter_once(name):
    agent = get_agent(name)
    assert type(getattr(Agents(), name)) is agent.SETTINGS
    assert set(agent.STATIC) == agent.SETTINGS.structural - {"alternatives"}
    assert sorted([*agent.STATIC, *agent.Hyper._fields, "alternatives"]) == sorted(agent.SETTINGS.model_fields)


def test_the_configuration_and_the_registry_name_the_same_agents():
    assert sorted(AGENTS) == sorted(Agents.model_fields)
    for name in AGENTS:
        assert Search(agents=[name]).agents == [name]
        assert name in Search().space
