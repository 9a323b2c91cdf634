"""Early stopping: which parameters are kept and when a model stops, by hand and in whole runs."""

import dataclasses
import importlib.util
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from outsample.agents import stopping
from outsample.agents.inputs import fold_rows
from outsample.agents.lanes import Watch, fit_final, train_lanes
from outsample.agents.loop import Callback, LogUpdates, train_models
from outsample.agents.progress import ShardProgress
from outsample.agents.studio import Lane, Studio
from outsample.agents.training import hyper_of
from outsample.config.agents import Direct
from outsample.config.models import Gate
from outsample.market.accounting import MarketRules, simulate

pytestmark = pytest.mark.slow

_SPEC = importlib.util.spec_from_file_location("agents_case", Path(__file__).parents[1] / "reference/agents_case.py")
case = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(case)

RULES = MarketRules("next_open", cost_rate=6e-4, borrow_per_bar=0.0, short_selling=True, grid=0.01, band=0.0)
PANEL = case.panel({"A": case.planted(240, 1), "B": case.planted(240, 2)})
FOLDS = case.folds(PANEL, {0: (200, 240), -1: (240, 240)}, inner_folds=3)
SCALERS = case.scalers(PANEL, FOLDS)
# Steps that are large for this market, so that the models are at their best at different times.
PARAMS = {**Direct().model_dump(), "segment": 30, "updates": 24, "patience": 6, "learning_rate": 0.3}
STUDIO = Studio.open("direct", PANEL, FOLDS, SCALERS, RULES)


def _observed(values, patience, length=2):
    """What is kept when chunks of models with the parameters [number of the chunk, model] are worth `values`."""
    best = stopping.nothing_yet({"w": np.zeros((len(values[0]), 2))})
    for chunk, value in enumerate(values, start=1):
        actor = {"w": np.array([[chunk, model] for model in range(len(value))], float)}
        best = stopping.after_chunk(best, actor, np.array(value, float), chunk * length, patience)
    return best


def test_the_best_chunk_is_kept_and_the_model_stops_when_it_is_too_old():
    values = [(1, 5, -1), (3, 4, -1), (3, 4, 0), (2, 9, 1), (9, 9, 2)]
    best = _observed(values, patience=4)
    # The first was best at chunk 2 (an equal value is not better), and chunk 4 is 4 updates later; the second had
    # stopped when it would have become better; the third still improves.
    assert best.update.tolist() == [4, 2, 10]
    assert best.stopped.tolist() == [8, 6, 0]
    assert best.value.tolist() == [3.0, 5.0, 2.0]
    assert best.actor["w"].tolist() == [[2, 0], [1, 1], [5, 2]]
    assert stopping.updates_of(best, 10).tolist() == [8, 6, 10]


def test_patience_is_rounded_up_to_whole_chunks():
    for patience, stop in ((1, 4), (2, 4), (3, 6), (4, 6)):
        assert _observed([(1,), (0,), (0,)], patience).stopped.tolist() == [stop]


def test_a_loss_is_better_than_nothing():
    assert _observed([(-3,)], patience=2).actor["w"].tolist() == [[1, 0]]


def _trained(validate, callbacks=(), **changes):
    params = {**PARAMS, **changes}
    jobs = STUDIO.jobs(Lane(0, 0, 0, params), 30)
    arguments = (STUDIO.program(params), STUDIO.market, STUDIO.numbers, hyper_of(STUDIO.module, params), jobs)
    return train_models(*arguments, validate=validate, callbacks=callbacks)


def test_parameters_of_the_middle_are_returned_where_they_are_best():
    # Chunks of 6 updates. Worth of the three models after each.
    script = iter([(0.0, 2.0, 1.0), (1.0, 1.0, 2.0), (0.5, 3.0, 3.0), (9.0, 4.0, 4.0)])
    seen, told = [], []

    def validate(actor):
        seen.append(np.asarray(actor["out"]["kernel"]))
        return np.array(next(script))

    class Told(Callback):
        def on_update(self, lane, update, reward, entropy, loss):
            told.append((update, reward))

    trained = _trained(validate, [Told(), LogUpdates()])
    kernel = np.asarray(trained.actor["out"]["kernel"])
    assert len(seen) == 4
    for model, chunk in enumerate((1, 0, 3)):
        assert np.array_equal(kernel[model], seen[chunk][model])
        assert not np.array_equal(kernel[model], seen[chunk - 1][model])
    assert np.asarray(trained.updates).tolist() == [18, 12, 24]
    reward = np.asarray(trained.curve.reward)
    assert told[1] == (12, pytest.approx(reward[:, 11].mean()))
    assert told[3] == (24, pytest.approx(reward[2, 23]))  # who has stopped is not told of
    unstopped = _trained(None, patience=0, updates=24)
    assert unstopped.updates is None
    np.testing.assert_array_equal(unstopped.actor["out"]["kernel"], seen[3])  # patience changes no training


def test_lane_ends_when_all_models_have_stopped():
    trained = _trained(lambda actor: np.zeros(3))
    assert trained.curve.reward.shape == (3, 12)
    with pytest.raises(ValueError, match="patience needs a validation"):
        _trained(None)


def _lanes(watch=None, panel=PANEL):
    lanes = [Lane(0, 0, seed, PARAMS) for seed in range(2)]
    return train_lanes("direct", lanes, panel, FOLDS, SCALERS, RULES, Gate(), watch or Watch())


@pytest.fixture(scope="module")
def whole():
    return _lanes()


def _same(found, expected):
    for name in ("targets", "lanes", "curves"):
        pd.testing.assert_frame_equal(getattr(found, name), getattr(expected, name), check_exact=True)


def test_curves_end_where_the_models_stop(whole, tmp_path):
    from outsample.io import read_table, write_table

    last = whole.curves.groupby(["seed", "inner"])["update"].max() + 1
    assert last.nunique() > 1  # they stop at different times
    assert set(last) <= {12, 18, 24}
    rows = whole.curves.groupby(["seed", "inner"]).size()
    assert (rows == last).all()
    write_table(whole.curves, tmp_path / "curves", "curves")
    pd.testing.assert_frame_equal(read_table(tmp_path / "curves", "curves"), whole.curves)


def test_a_model_is_worth_what_it_earns_on_its_own_validated_rows():
    jobs, program = STUDIO.jobs(Lane(0, 0, 0, PARAMS), 30), STUDIO.program({**PARAMS, "torso": "linear"})
    rows = fold_rows(FOLDS, PANEL)[0]
    actor = {  # long whatever it sees
        "out": {"kernel": jnp.zeros((3, 10, 3)), "bias": jnp.tile(jnp.array([0.0, 0.0, 1.0]), (3, 1))},
        "table": jnp.zeros((3, 3, 3)),
    }
    found = STUDIO.validated(program, rows, jobs)(actor)
    for inner in range(3):
        blocks = [block for block in rows.validate if block.inner == inner]
        assert len(blocks) == 2
        equity = 0
        for block in blocks:
            span = slice(block.start, block.end)
            ledger = simulate(np.ones(block.end - block.start), PANEL.open[span], PANEL.close[span], RULES)
            equity = equity + ledger.equity / 2
        assert found[inner] == pytest.approx(np.mean(equity[1:] / equity[:-1] - 1), rel=1e-9)


class StopAt(Callback):
    def __init__(self, lane, update):
        self.at = lane, update

    def on_checkpoint(self, lane, update):
        if (lane, update) == self.at:
            raise KeyboardInterrupt


@pytest.mark.parametrize(("seed", "update"), [(0, 6), (0, 12), (1, 6), (1, 12)])
def test_interrupted_lane_ends_in_the_same_bits(seed, update, whole, tmp_path):
    stop = StopAt(f"Trial 0, fold 0, seed {seed}", update)
    with pytest.raises(KeyboardInterrupt):
        _lanes(Watch(ShardProgress(tmp_path, "key", seconds=0), [stop]))
    _same(_lanes(Watch(ShardProgress(tmp_path, "key", seconds=0))), whole)


def test_the_rows_of_the_test_stop_no_model(whole):
    later = np.zeros(len(PANEL.dates), bool)
    for symbol in range(2):
        rows = PANEL.rows(symbol)
        later[rows.start + 200 : rows.stop] = True  # fold 0 tests from row 200 on
    draw = np.random.Generator(np.random.PCG64(3))
    prices = {name: np.where(later, 50.0 + draw.random(len(later)), getattr(PANEL, name)) for name in ("open", "close")}
    features = np.where(later[:, None], draw.standard_normal(PANEL.features.shape), PANEL.features)
    other = _lanes(panel=dataclasses.replace(PANEL, features=features, **prices))
    pd.testing.assert_frame_equal(other.curves, whole.curves, check_exact=True)
    pd.testing.assert_frame_equal(other.lanes, whole.lanes, check_exact=True)
    assert not other.targets.equals(whole.targets)


def test_final_policy_is_stopped_as_its_lanes_are():
    policy = fit_final("direct", PARAMS, 2, PANEL, FOLDS, SCALERS, RULES, Gate())
    assert policy.models == 6
    last = policy.curves.groupby(["seed", "inner"])["update"].max() + 1
    assert last.nunique() > 1
