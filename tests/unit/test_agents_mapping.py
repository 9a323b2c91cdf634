"""Models at once instead of in turn, as on an accelerator: the same results, whatever fills the width, and resumed."""

import dataclasses
import importlib.util
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from outsample.agents import loop
from outsample.agents.lanes import Watch, fit_final, train_lanes
from outsample.agents.loop import Callback
from outsample.agents.mapping import at_width, over_models, width_of_machine
from outsample.agents.progress import ShardProgress
from outsample.agents.studio import Lane
from outsample.config.agents import Ppo
from outsample.config.models import Gate
from outsample.errors import ConfigError
from outsample.market.accounting import MarketRules

pytestmark = pytest.mark.slow

_SPEC = importlib.util.spec_from_file_location("agents_case", Path(__file__).parents[1] / "reference/agents_case.py")
case = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(case)

RULES = MarketRules("next_open", cost_rate=6e-4, borrow_per_bar=4e-5, short_selling=True, grid=0.01, band=0.0)
PANEL = case.panel({"A": case.planted(300, 1), "B": case.planted(280, 2)})
FOLDS = case.folds(PANEL, {0: (200, 240), -1: (280, 280)})
SCALERS = case.scalers(PANEL, FOLDS)
PARAMS = {**Ppo(alternatives=[]).model_dump(), "updates": 8, "segment": 30}
BROKEN = {**PARAMS, "learning_rate": 0.05, "weight_decay": 100.0}
# Four models a lane; 12 at once are three lanes, and the last group of one is padded by eight models.
LANES = [Lane(0, 0, 0, PARAMS), Lane(0, 0, 1, PARAMS), Lane(1, 0, 0, PARAMS | {"discount": 0.5}), Lane(2, 0, 0, PARAMS)]
TABLES = ("targets", "lanes", "curves")


class KilledError(Exception):
    """Stands for the end of the process."""


class Seen(Callback):
    """What it was told; ends the process after a checkpoint."""

    def __init__(self, last=None):
        self.last, self.updates, self.ends = last, [], {}

    def on_update(self, lane, update, reward, entropy, loss):
        self.updates.append((lane, update))

    def on_checkpoint(self, lane, update):
        if (lane, update) == self.last:
            raise KilledError

    def on_end(self, lane, trained):
        self.ends[lane] = trained


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setenv("OUTSAMPLE_LANES", "vmap")
    monkeypatch.setenv("OUTSAMPLE_LANE_WIDTH", "12")


def _train(lanes, watch=None):
    return train_lanes("ppo", lanes, PANEL, FOLDS, SCALERS, RULES, Gate(), watch or Watch())


def _close(found, wanted):
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(found, name), getattr(wanted, name), rtol=1e-3, atol=1e-5)


@pytest.fixture(scope="module")
def in_turn():
    ends = Seen()
    return _train(LANES, Watch(callbacks=[ends])), ends.ends


@pytest.mark.parametrize(("count", "width"), [(5, 2), (4, 4), (3, 8), (1, 1), (6, None)])
def test_every_model_is_computed_once_and_padding_is_dropped(count, width):
    models = {"a": jnp.arange(count), "b": jnp.ones((count, 2))}
    hyper = jnp.float32(3) if width is None else jnp.arange(count, dtype=jnp.float32)
    sizes = []

    def compiled(hyper, models):
        sizes.append(len(models["a"]))
        return over_models(lambda model, factor: (model["a"] * factor, model["b"].sum()), models, hyper, width)

    found = at_width(compiled, (models,), hyper, width)
    assert sizes == [count if width is None else -(-count // width) * width]
    assert found[0].tolist() == [i * (3 if width is None else i) for i in range(count)]
    assert found[1].tolist() == [2.0] * count


def test_lanes_at_once_agree_with_lanes_in_turn(in_turn, at_once):
    wanted, ends = in_turn
    seen = Seen()
    found = _train(LANES, Watch(callbacks=[seen]))
    _close(found, wanted)
    assert seen.ends.keys() == ends.keys()
    for lane, trained in seen.ends.items():
        for name in ("kernel", "bias"):
            np.testing.assert_allclose(trained.actor["out"][name], ends[lane].actor["out"][name], rtol=1e-3, atol=1e-5)
    three = "Trial 0, fold 0, seed 0; Trial 0, fold 0, seed 1; Trial 1, fold 0, seed 0"
    assert [lane for lane, update in seen.updates if update == 8] == [three, "Trial 2, fold 0, seed 0"]
    # A lane that fills the width by its own repetitions is what it is among others, by the same program.
    compiled = loop._advance._cache_size()
    alone = _train(LANES[:1])
    assert loop._advance._cache_size() == compiled
    rows = [getattr(found, name) for name in TABLES]
    first = [frame[(frame["trial"] == 0) & (frame["seed"] == 0)].reset_index(drop=True) for frame in rows]
    for name, frame in zip(TABLES, first, strict=True):
        pd.testing.assert_frame_equal(getattr(alone, name), frame, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("mode", ["map", "vmap"])
def test_the_networks_of_a_lane_share_the_program_of_chance_though_their_updates_differ(monkeypatch, mode):
    monkeypatch.setenv("OUTSAMPLE_LANES", mode)
    monkeypatch.setenv("OUTSAMPLE_LANE_WIDTH", "12")
    other = {"torso": "relu", "units": 4, "layers": 1, "updates": 4}
    lane = dataclasses.replace(LANES[0], params=PARAMS | {"segment": 25, "alternatives": [other]})
    alone = dataclasses.replace(lane, params={**lane.params, **other, "alternatives": []})
    both, one = Seen(), Seen()
    compiled = loop._draw._cache_size()
    _train([lane], Watch(callbacks=[both]))
    assert loop._draw._cache_size() == compiled + 1
    _train([alone], Watch(callbacks=[one]))
    (trained,) = one.ends.values()
    (as_alternative,) = (found for found in both.ends.values() if found.curve.reward.shape[1] == 4)
    np.testing.assert_allclose(as_alternative.actor["out"]["kernel"], trained.actor["out"]["kernel"], rtol=1e-5)


def test_a_group_that_was_killed_goes_on(at_once, tmp_path):
    whole = _train(LANES)
    group = "Trial 0, fold 0, seed 0; Trial 0, fold 0, seed 1; Trial 1, fold 0, seed 0"
    for last, following in (((group, 4), (group, 6)), (("Trial 2, fold 0, seed 0", 2), ("Trial 2, fold 0, seed 0", 4))):
        folder = tmp_path / str(last[1])
        with pytest.raises(KilledError):
            _train(LANES, Watch(ShardProgress(folder, "key", seconds=0), [Seen(last)]))
        after = Seen()
        resumed = _train(LANES, Watch(ShardProgress(folder, "key", seconds=0), [after]))
        assert after.updates[0] == following
        for name in TABLES:
            pd.testing.assert_frame_equal(getattr(resumed, name), getattr(whole, name), check_exact=True)


def test_a_lane_that_breaks_down_leaves_its_group(in_turn, at_once, tmp_path):
    lanes = [*LANES[:2], dataclasses.replace(LANES[2], params=BROKEN), LANES[3]]
    kept = ShardProgress(tmp_path, "key", seconds=0)
    found = _train(lanes, Watch(kept))
    assert found.lanes["failure"].tolist() == ["", "", "inner fold 0, update 2", ""]
    assert kept.broken("Trial 1, fold 0, seed 0") == "inner fold 0, update 2"
    others = _train([lane for lane in lanes if lane.params is not BROKEN])
    for name in ("targets", "curves"):
        pd.testing.assert_frame_equal(getattr(found, name), getattr(others, name), rtol=1e-5, atol=1e-7)


def test_a_final_policy_of_seeds_at_once(monkeypatch):
    def fit():
        return fit_final("ppo", PARAMS, 2, PANEL, FOLDS, SCALERS, RULES, Gate())

    wanted = fit()
    monkeypatch.setenv("OUTSAMPLE_LANES", "vmap")
    monkeypatch.setenv("OUTSAMPLE_LANE_WIDTH", "12")
    found = fit()
    np.testing.assert_allclose(found.actor["out"]["kernel"], wanted.actor["out"]["kernel"], rtol=1e-3, atol=1e-5)
    assert found.gate_open == wanted.gate_open


def test_the_machine_says_how_and_how_many(monkeypatch):
    for name in ("OUTSAMPLE_LANES", "OUTSAMPLE_LANE_WIDTH"):
        monkeypatch.delenv(name, raising=False)
    assert width_of_machine() is None
    monkeypatch.setattr("jax.default_backend", lambda: "gpu")
    assert width_of_machine() == 64
    monkeypatch.setenv("OUTSAMPLE_LANE_WIDTH", "16")
    assert width_of_machine() == 16
    monkeypatch.setenv("OUTSAMPLE_LANES", "map")
    assert width_of_machine() is None
    monkeypatch.setenv("OUTSAMPLE_LANES", "pmap")
    with pytest.raises(ConfigError, match="OUTSAMPLE_LANES is pmap: set it to map or vmap"):
        width_of_machine()
    monkeypatch.setenv("OUTSAMPLE_LANES", "vmap")
    for wrong in ("0", "-3", "many"):
        monkeypatch.setenv("OUTSAMPLE_LANE_WIDTH", wrong)
        with pytest.raises(ConfigError, match=f"OUTSAMPLE_LANE_WIDTH is {wrong}: set it to a number"):
            width_of_machine()
