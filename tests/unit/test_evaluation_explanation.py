"""What drives a policy whose weights are known."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
import pytest
from onnx import TensorProto, helper

from outsample.agents.onnx import OnnxPolicy, decide
from outsample.config.models import Market
from outsample.evaluation.explanation import RANDOM, REPEATS, _preferred, asked_of, explain
from outsample.market.accounting import MarketRules
from outsample.market.panel import Panel

NAMES = ["strong", "weak", "idle"]
WEIGHTS = np.array([[-2.0, 0.0, 2.0], [0.2, 0.0, -0.2], [0.0, 0.0, 0.0]], dtype=np.float32)  # [F, A]
BARS = 160


def linear_policy(gate_open: bool = True) -> OnnxPolicy:
    """The action with the largest of features @ WEIGHTS."""
    floats = TensorProto.FLOAT
    nodes = [
        helper.make_node("MatMul", ["features", "weights"], ["preference"]),
        helper.make_node("ArgMax", ["preference"], ["place"], axis=1, keepdims=0),
        helper.make_node("Cast", ["place"], ["number"], to=floats),
        helper.make_node("Sub", ["number", "one"], ["target"]),
    ]
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info(n, floats, s) for n, s in (("features", ["B", 3]), ("position", ["B"]))],
        [helper.make_tensor_value_info(n, floats, s) for n, s in (("target", ["B"]), ("preference", ["B", 3]))],
        [helper.make_tensor("weights", floats, [3, 3], WEIGHTS.ravel()), helper.make_tensor("one", floats, [], [1.0])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8).SerializeToString()
    document = {
        "onnx_sha256": hashlib.sha256(model).hexdigest(),
        "features": NAMES,
        "actions": [-1.0, 0.0, 1.0],
        "gate": {"open": gate_open},
        "fill": "next_open",
        "inputs": {"features": ["B", 3], "position": ["B"]},
    }
    return OnnxPolicy(model, document)


@pytest.fixture(scope="module")
def panel() -> Panel:
    """Two symbols whose next return has the sign of the strong feature."""
    draw = np.random.Generator(np.random.PCG64(3))
    frames = []
    for symbol in ("AA", "BB"):
        features = draw.normal(size=(BARS, 3))
        moves = 0.01 * np.sign(np.r_[0.0, 0.0, features[:-2, 0]])  # decided at t, filled at t+1, earned by t+2
        close = 100 * np.exp(np.cumsum(moves))
        frame = pd.DataFrame({"symbol": symbol, "date": pd.bdate_range("2020-01-01", periods=BARS), "factor": 1.0})
        frames.append(frame.assign(open=close, close=close, **dict(zip(NAMES, features.T, strict=True))))
    return Panel.from_frame(pd.concat(frames, ignore_index=True), NAMES)


RULES = MarketRules.from_settings(Market(), 252.0)


@pytest.fixture(scope="module")
def found(panel):
    return explain(linear_policy(), panel, RULES, 252.0)


def test_what_the_policy_does_not_read_changes_nothing(found):
    idle = found.table.set_index("feature").loc["idle"]
    assert idle[["changed", "changed_most", "lost", "attribution"]].tolist() == [0.0] * 4
    assert idle["not_worse"] == 1.0
    assert np.isnan(idle["direction"])


def test_the_feature_that_decides_costs_most_and_the_control_lies_between(found):
    changed = found.table.set_index("feature")["changed"]
    assert changed["strong"] > changed[RANDOM] > changed["idle"]
    assert changed["strong"] > changed["weak"] > 0
    strong = found.table.set_index("feature").loc["strong"]
    assert strong["changed"] == pytest.approx(0.5, abs=0.1)  # a fair coin of two signs
    assert strong["lost"] > 1.0  # the market follows it: above 100 % a year
    assert strong["not_worse"] == 0.0
    assert strong["changed_least"] <= strong["changed"] <= strong["changed_most"]


def test_the_gradients_add_up_and_know_the_direction(found, panel):
    table = found.table.set_index("feature")
    assert found.document["residual"] < 0.02
    assert table["direction"]["strong"] == 1.0
    assert table["direction"]["weak"] == -1.0
    assert table["attribution"]["strong"] > 5 * table["attribution"]["weak"] > 0
    assert np.isnan(table["attribution"][RANDOM])
    assert found.document["symbols"] == ["AA", "BB"]
    assert (found.document["bars"], found.document["repeats"]) == (2 * BARS, REPEATS)


def test_a_closed_gate_is_left_aside_and_twice_is_the_same(found, panel):
    closed = explain(linear_policy(gate_open=False), panel, RULES, 252.0)
    pd.testing.assert_frame_equal(closed.table, found.table)
    assert closed.document == found.document


def test_one_bar_more_than_can_be_shuffled_is_enough(panel):
    rows = Panel(
        ("AA",), np.array([0, 3]), panel.dates[:3], panel.open[:3], panel.close[:3], panel.factor[:3],
        panel.features[:3], panel.feature_names,
    )  # fmt: skip
    few = explain(linear_policy(), rows, RULES, 252.0)
    assert few.document["attributed"] == 3
    assert few.table["changed"].between(0, 1).all()


@pytest.mark.slow
def test_a_policy_that_remembers_and_reads_its_account_is_explained_as_well(package_case):
    """Exported by the real code, a GRU; its own decisions are the ones that are looked at."""
    case = package_case.make_case(symbols=("AA", "BB"), torso="gru", account=True)
    policy = OnnxPolicy(case.onnx, case.documents["policy"])
    assert policy.memory
    panel = Panel.from_frame(case.tables.development, policy.features)
    found = explain(policy, panel, RULES, 252.0)
    assert found.document["residual"] < 0.01
    assert found.table["changed"].max() > 0.1
    span = panel.rows(0)
    own = _preferred(
        policy, asked_of(policy, 1, RULES), panel.features[span][None], panel.open[span], panel.close[span]
    )[:, 0]
    np.testing.assert_array_equal(own, decide(policy, panel).target[span])
