"""The search told from its suggestions and scores, and what the scores follow."""

from __future__ import annotations

import math

import pytest

from outsample.io import write_table
from outsample.selection.history import parameter_importance, search_history


def documents(count=8, agent="ppo"):
    """`rate` rises with the trial, `kind` alternates, `fixed` never changes."""
    trials = [
        {
            "trial": t,
            "origin": "tpe" if t else "defaults",
            "params": {"rate": 0.1 * t, "kind": "ab"[t % 2], "fixed": 1, "on": t >= count // 2},
        }
        for t in range(count)
    ]
    half = count // 2
    return [{"agent": agent, "round": r, "trials": trials[r * half : (r + 1) * half]} for r in range(2)]


def ranking(scores, agent="ppo"):
    return [{"agent": agent, "trial": t, "score": s} for t, s in enumerate(scores)]


def test_the_best_so_far_only_rises_and_skips_what_has_no_score():
    found = search_history(documents(), ranking([0.1, None, 0.3, 0.2, None, 0.25, 0.5, 0.4]), {("ppo", 4)})
    assert found["best"].tolist() == [0.1, 0.1, 0.3, 0.3, 0.3, 0.3, 0.5, 0.5]
    assert found["failed"].tolist() == [t == 4 for t in range(8)]
    assert found["round"].tolist() == [0] * 4 + [1] * 4
    assert found["origin"].tolist()[:2] == ["defaults", "tpe"]
    nothing = search_history(documents(), ranking([None] * 8), set())
    assert nothing["best"].isna().all()


def test_agents_have_a_best_each(tmp_path):
    both = [*documents(agent="ppo"), *documents(agent="dqn")]
    found = search_history(both, [*ranking(range(8)), *ranking(range(8, 0, -1), "dqn")], set())
    assert found.loc[found["agent"] == "dqn", "best"].tolist() == [8.0] * 8
    assert found.loc[found["agent"] == "ppo", "best"].tolist() == list(range(8))
    write_table(found, tmp_path / "history", "search_history")
    write_table(parameter_importance(found, both), tmp_path / "importance", "parameter_importance")


def importance(scores):
    told = documents(len(scores))
    return parameter_importance(search_history(told, ranking(scores), set()), told).set_index("parameter")


def test_a_score_that_follows_a_parameter_is_found_and_noise_is_not():
    found = importance([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0])
    assert "fixed" not in found.index
    assert found.loc["rate", ["strength", "direction"]].tolist() == pytest.approx([1.0, 1.0])
    assert found.loc["rate", "p_value"] < 0.01
    assert found.loc["kind", "p_value"] > 0.3
    assert math.isnan(found.loc["kind", "direction"])
    assert found.loc["kind", "strength"] == pytest.approx(math.sqrt(8 * 0.25 / 42))  # ranks 1..8: 42; means 4 and 5
    assert importance([-s for s in range(8)]).loc["rate", "direction"] == -1.0
    assert set(found["trials"]) == {8}


def test_copies_for_pre_trained_weights_and_what_was_stopped_are_not_counted():
    told, scores = documents(), [0.0, 1.0, 2.0, 3.0, 4.0, 9.0, 6.0, 7.0]
    copies = [one | {"trial": 8 + one["trial"], "origin": "transfer"} for one in told[0]["trials"]]
    everything = [*told, {"agent": "ppo", "round": 2, "trials": copies}]
    stopped = {("ppo", 5): 0, ("dqn", 7): 0}
    history = search_history(everything, ranking([*scores, 8.0, 8.0, 8.0, 8.0]), set(), stopped)
    assert history["best"].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 4.0, 6.0, 7.0, *[8.0] * 4]
    assert history["score"].tolist()[5] == 9.0  # what it had there
    found = parameter_importance(history, everything, stopped).set_index("parameter")
    assert found["trials"].unique().tolist() == [7]
    assert found.loc["rate", "strength"] == pytest.approx(1.0)


def test_scores_that_are_all_the_same_follow_nothing():
    found = importance([1.0] * 8)
    assert (found["strength"] == 0).all()
    assert (found["p_value"] == 1).all()


def test_of_few_trials_nothing_is_said():
    assert importance([1.0, 2.0, 3.0, 4.0]).empty
    assert importance([1.0, None, 3.0, 4.0, None, 5.0]).empty
