"""Successive halving and two objectives, by hand: who goes on, who is never chosen, what the sampler is told."""

import math
import runpy

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from outsample.config.models import MultiMetric, Search
from outsample.errors import TrainingError
from outsample.io import empty_table, read_table, write_table
from outsample.market.metrics import METRICS
from outsample.selection.arms import select
from outsample.selection.pareto import fronts, objectives_of, pareto_table
from outsample.selection.rungs import as_last_seen, going_on, rung_table, stopped_trials
from outsample.selection.told import told_scores

NAN = math.nan


def scores_of(sharpes, returns=None, drawdowns=None):
    """Scores of trials on one fold and seed; a total return of NaN is a trial that broke down."""
    returns, drawdowns = returns or [0.1] * len(sharpes), drawdowns or [0.2] * len(sharpes)
    rows = [
        (
            "ppo",
            trial,
            0,
            0,
            name,
            NAN if r != r else {"sharpe": s, "total_return": r, "max_drawdown": d}.get(name, 0.0),
        )
        for trial, (s, r, d) in enumerate(zip(sharpes, returns, drawdowns, strict=True))
        for name in METRICS
    ]
    table = pd.DataFrame(rows, columns=["agent", "trial", "fold", "seed", "metric", "value"])
    return table.astype(dict.fromkeys(["trial", "fold", "seed"], "int32"))


def trials_of(count):
    return [
        {"agent": "ppo", "trial": n, "origin": "tpe" if n else "defaults", "params": {"x": n}} for n in range(count)
    ]


def curves_of(count, updates=2):
    return pd.DataFrame([(n, u) for n in range(count) for u in range(updates)], columns=["trial", "update"])


def rung_of(scores, count, factor=2, objective="sharpe_only", rung=0):
    return rung_table(rung, "ppo", trials_of(count), scores, curves_of(count), objective, MultiMetric(), factor)


def test_the_best_half_goes_on_and_the_configured_settings_beside_them():
    table = rung_of(scores_of([0.1, 0.9, 0.5, 0.7]), 4)
    assert going_on(table) == {0, 1, 3}
    assert table["score"].tolist() == [0.1, 0.9, 0.5, 0.7]
    assert table["updates"].tolist() == [2] * 4
    assert stopped_trials([table]) == {("ppo", 2): 0}


def test_a_further_rung_reduces_the_round_again_and_not_its_survivors_by_more():
    nine = rung_of(scores_of(list(range(9))), 9, factor=3)
    assert going_on(nine) == {0, 6, 7, 8}
    left = scores_of(list(range(9)))
    left = left[left["trial"].isin(going_on(nine))]
    second = rung_of(left, 9, factor=3, rung=1)
    assert going_on(second) == {0, 8}
    assert stopped_trials([nine, second])[("ppo", 6)] == 1


def test_what_broke_down_does_not_go_on_and_what_stayed_flat_comes_last():
    table = rung_of(scores_of([0.1, 0.2, NAN, 5.0], returns=[0.1, 0.1, 0.0, NAN]), 4)
    assert going_on(table) == {0, 1}
    assert going_on(rung_of(scores_of([0.1] * 4, returns=[NAN] * 4), 4)) == set()


def test_a_rung_that_no_trial_reached_has_no_rows_and_leaves_the_word_to_the_selection(repository, tmp_path):
    files = {name: tmp_path / f"{name}.parquet" for name in ("targets", "lanes", "curves")}
    for name, path in files.items():
        write_table(empty_table(name), path, name)
    score = runpy.run_path(str(repository / "workflow_scripts/score_rung.py"))["main"]
    nothing_read = tmp_path / "not there"
    score(
        *[nothing_read] * 3, *([path] for path in files.values()), tmp_path / "rung", agent="ppo", rung="1", settings={}
    )
    table = read_table(tmp_path / "rung", "rung")
    assert (len(table), going_on(table), stopped_trials([table])) == (0, set(), {})


def test_two_objectives_go_on_by_front_then_by_return():
    scores = scores_of([1.0] * 4, returns=[0.3, 0.2, 0.1, 0.15], drawdowns=[0.3, 0.2, 0.1, 0.3])
    assert fronts(objectives_of(scores)).tolist() == [1, 1, 1, 2]
    table = rung_of(scores, 4, objective="pareto")
    assert going_on(table) == {0, 1}
    assert table["drawdown"].tolist() == [0.3, 0.2, 0.1, 0.3]


def test_fronts_agree_with_the_definition_on_random_points():
    draw = np.random.Generator(np.random.PCG64(3)).integers(0, 6, (40, 2)) / 10
    numbers = fronts(pd.DataFrame(draw, columns=["total_return", "max_drawdown"])).to_numpy()

    def dominated(point, by):
        return by[0] >= point[0] and by[1] <= point[1] and tuple(by) != tuple(point)

    for front in range(1, numbers.max() + 1):
        rest = draw[numbers >= front]
        for point in draw[numbers == front]:
            assert not any(dominated(point, other) for other in rest)
        for point in draw[numbers > front]:
            assert any(dominated(point, other) for other in draw[numbers == front])


def test_the_pareto_table_leaves_out_the_flat_the_broken_and_the_stopped():
    scores = scores_of([1.0, NAN, 1.0, 1.0], returns=[0.1, 0.0, NAN, 0.9], drawdowns=[0.2, 0.0, NAN, 0.1])
    table = pareto_table(scores, {("ppo", 3)})
    assert table.to_dict("records") == [
        {"agent": "ppo", "trial": 0, "total_return": 0.1, "max_drawdown": 0.2, "front": 1}
    ]


def test_a_stopped_trial_ranks_behind_and_is_never_chosen():
    scores = scores_of([0.1, 0.2, 9.0, 0.3], returns=[0.1, 0.1, 0.1, NAN])
    chosen = select("sharpe_only", scores, trials_of(4), MultiMetric(), stopped={("ppo", 2): 0})
    assert chosen["trial"] == 1
    assert [one["trial"] for one in chosen["ranking"]] == [1, 0, 2, 3]
    with pytest.raises(TrainingError, match="Every trial that went beyond its rung broke down"):
        select(
            "sharpe_only",
            scores_of([1.0, 1.0], returns=[NAN, 0.1]),
            trials_of(2),
            MultiMetric(),
            stopped={("ppo", 1): 0},
        )


def test_the_sampler_is_told_of_rungs_and_of_two_objectives():
    scores = scores_of([0.5, 0.2, 0.1], returns=[0.1, 0.2, NAN])
    told = told_scores("sharpe_only", "ppo", trials_of(3), scores, MultiMetric(), stopped={("ppo", 1): 0})
    assert [(one.score, one.stopped) for one in told] == [(0.5, None), (0.2, 0), (None, None)]
    both = told_scores("pareto", "ppo", trials_of(3), scores, MultiMetric())
    assert [one.score for one in both] == [(0.1, 0.2), (0.2, 0.2), None]


def test_a_round_is_what_each_trial_was_on_its_last_rung():
    def lanes(*trials, mark):
        return pd.DataFrame({"trial": trials, "fold": 0, "seed": 0, "mark": mark})

    first, second = lanes(0, 1, 2, mark="a"), lanes(2, 0, mark="b")
    targets = first[first["trial"] != 1], second[second["trial"] != 0]  # trial 1 broke down at once, 0 later
    rounds = as_last_seen([first, second], [first, second])
    assert rounds["mark"].tolist() == ["b", "a", "b"]
    assert as_last_seen(list(targets), [first, second])["trial"].tolist() == [2]


@pytest.mark.parametrize(
    ("search", "sentence"),
    [
        (
            {"rungs": {"levels": 3}, "trials_per_round": 8},
            "levels 3 by a reduction_factor of 3 leave no trial of 8 ",
        ),
        ({"sampler": "cmaes", "objective": "pareto"}, "sampler cmaes goes by one score, .* set it to nsga2 or tpe"),
        ({"sampler": "nsga2", "trials_per_round": 2}, "sampler nsga2 breeds .* to at least 3"),
        (
            {"sampler": "nsga2", "rungs": {"levels": 2}},
            "sampler nsga2 breeds from .* set it to tpe, or rungs.levels to 1",
        ),
        (
            {"sampler": "qmc", "warm_start": "quickstart"},
            "warm_start tells .* which qmc does not hear; .* or tpe",
        ),
    ],
)
def test_contradictions_are_refused(search, sentence):
    with pytest.raises(ValidationError, match=sentence):
        Search(**search)
