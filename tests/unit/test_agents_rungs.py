"""Successive halving: what a rung hands on goes on in the same bits as a training in one go, in any shard."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from outsample.agents.attempts import Watch
from outsample.agents.lanes import train_lanes
from outsample.agents.loop import Callback, rung_end
from outsample.agents.progress import ShardProgress
from outsample.agents.rung_files import read_paused, write_paused
from outsample.agents.rungs import Paused, Rung
from outsample.agents.studio import Lane
from outsample.config.agents import Agents
from outsample.config.models import Gate
from outsample.errors import TrainingError
from outsample.market.accounting import MarketRules

_SPEC = importlib.util.spec_from_file_location("agents_case", Path(__file__).parents[1] / "reference/agents_case.py")
case = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(case)

RULES = MarketRules("next_open", cost_rate=6e-4, borrow_per_bar=0.0, short_selling=True, grid=0.01, band=0.0)
PANEL = case.panel({"A": case.planted(300, 1), "B": case.planted(280, 2)})
FOLDS = case.folds(PANEL, {0: (200, 240), -1: (280, 280)})
SCALERS = case.scalers(PANEL, FOLDS)
TABLES = ("targets", "lanes", "curves")
CHANGES = {
    "direct": {"dropout": 0.3, "learning_rate_schedule": "cosine", "alternatives": [{"torso": "linear", "dropout": 0}]},
    "dqn": {"pairs": "sampled", "prioritised": True, "batch": 16, "patience": 2},
}


class Parameters(Callback):
    """The bytes of the actors of each lane as it ended, and the first update that was seen."""

    def __init__(self):
        self.actors, self.first = {}, None

    def on_update(self, lane, update, reward, entropy, loss):
        self.first = self.first or update

    def on_end(self, lane, trained):
        import jax

        self.actors[lane] = [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(trained.actor)]


def _lane(agent, number, **changes):
    own = {**getattr(Agents(), agent).model_dump(), "alternatives": [], "segment": 30, "updates": 8, **CHANGES[agent]}
    return Lane(number, 0, 0, own | {"learning_rate": 0.002 * (1 + number)} | changes)


def _train(agent, lanes, keeper=None, part=1):
    seen = Parameters()
    return train_lanes(agent, lanes, PANEL, FOLDS, SCALERS, RULES, Gate(), Watch(keeper, [seen]), part=part), seen


def _same(one, other, trial):
    for name in TABLES:
        mine, its = (getattr(r, name)[lambda t: t["trial"] == trial].reset_index(drop=True) for r in (one, other))
        pd.testing.assert_frame_equal(mine, its, check_exact=True)


@pytest.mark.parametrize("agent", ["direct", pytest.param("dqn", marks=pytest.mark.slow)])
def test_a_survivor_ends_in_the_bits_of_a_training_in_one_go(agent, tmp_path):
    lanes = [_lane(agent, number) for number in range(3)]
    whole, one_go = _train(agent, lanes)
    paths = []
    for shard, own in enumerate((lanes[:1], lanes[1:])):  # two shards, whose survivors ride in a third
        rung = Rung()
        partial, _ = _train(agent, own, rung, part=3)
        assert partial.curves["update"].max() == 3  # half of eight updates: the chunk by which a third is done
        paths.append(tmp_path / f"{shard}.npz")
        write_paused(rung, paths[-1])
    last, resumed = _train(agent, [lanes[2], lanes[0]], Rung(read_paused(paths)))
    assert resumed.first == 6  # nothing that was done is done again
    for trial in (0, 2):
        _same(last, whole, trial)
    for name, actor in resumed.actors.items():
        assert actor == one_go.actors[name]


def test_files_do_not_depend_on_the_order_of_training_and_hold_no_time(tmp_path):
    for number, lanes in enumerate(([0, 1], [1, 0])):
        rung = Rung()
        for lane in lanes:
            rung.pause(f"Trial {lane}", 2, {"w": np.full((2, 3), lane, np.float32)})
        rung.give_up("Trial 7", "inner fold 0, update 1")
        write_paused(rung, tmp_path / f"{number}.npz")
    assert (tmp_path / "0.npz").read_bytes() == (tmp_path / "1.npz").read_bytes()
    read = read_paused([tmp_path / "0.npz"])
    assert read.broken == {"Trial 7": "inner fold 0, update 1"}
    assert Rung(read).broken("Trial 7") == "inner fold 0, update 1"
    update, (both,) = read.joined(["Trial 1", "Trial 0"])
    assert (update, both[:, 0].tolist()) == (2, [1, 1, 0, 0])


def test_lanes_trained_as_one_are_handed_on_each_by_itself():
    rung = Rung()
    rung.pause("Trial 0; Trial 1", 4, {"w": np.arange(4.0)})
    assert [leaf.tolist() for leaf in rung.paused["Trial 1"][1]] == [[2.0, 3.0]]
    like = {"w": np.zeros(4)}
    update, found = Rung(Paused.of(rung)).restore("Trial 1; Trial 0", like)
    assert (update, found["w"].tolist()) == (4, [2.0, 3.0, 0.0, 1.0])


def test_a_killed_rung_goes_on_from_what_it_kept(tmp_path):
    lanes = [_lane("direct", 0, alternatives=[])]
    before = Rung()
    first, _ = _train("direct", lanes, before, part=3)
    kept = Rung(None, ShardProgress(tmp_path, "key", seconds=0))
    _train("direct", lanes, kept, part=3)
    again = Rung(None, ShardProgress(tmp_path, "key", seconds=0))
    second, seen = _train("direct", lanes, again, part=3)
    assert seen.first is None  # the lane was there
    _same(first, second, 0)
    for one, other in zip(before.paused.values(), again.paused.values(), strict=True):
        assert one[0] == other[0]
        assert all(a.tobytes() == b.tobytes() for a, b in zip(one[1], other[1], strict=True))


def test_what_was_not_handed_on_is_refused(tmp_path):
    rung = Rung()
    rung.pause("Trial 0, fold 0, seed 0", 2, {"w": np.zeros(2)})
    rung.pause("Trial 1, fold 0, seed 0", 4, {"w": np.zeros(2)})
    with pytest.raises(TrainingError, match="Trial 2, fold 0, seed 0 was not handed on by the rung before; delete"):
        Paused.of(rung).joined(["Trial 2, fold 0, seed 0"])
    with pytest.raises(TrainingError, match="have not come as far as each other"):
        Paused.of(rung).joined(["Trial 0, fold 0, seed 0", "Trial 1, fold 0, seed 0"])
    (tmp_path / "rung_0" / "shards").mkdir(parents=True)
    (tmp_path / "rung_0/shards/1-of-1.states.npz").write_bytes(b"PK")
    with pytest.raises(TrainingError, match=r"^rung_0/1-of-1\.states\.npz holds no lanes that can go on; delete it"):
        read_paused([tmp_path / "rung_0/shards/1-of-1.states.npz"])


def test_ends_of_rungs_are_ends_of_chunks():
    assert [rung_end(60, 15, part) for part in (1, 3, 4, 9, 100)] == [60, 30, 15, 15, 15]
    assert [rung_end(7, 1, part) for part in (1, 2, 7)] == [7, 4, 1]
    assert rung_end(1, 1, 27) == 1
