"""A shard that is interrupted between any two updates goes on from its checkpoint and ends in the same bits."""

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from outsample.agents import loop
from outsample.agents.lanes import Watch, fit_final, train_lanes
from outsample.agents.loop import Callback
from outsample.agents.progress import ShardProgress, open_progress
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
CHANGES = {
    "a2c": {
        **{"updates": 8, "torso": "gru", "units": 3, "gradient_norm": 0.5},
        **{"learning_rate_schedule": "cosine", "entropy_schedule": "linear", "reward": "mixed"},
    },
    "direct": {"updates": 8, "dropout": 0.3},
    "dqn": {"updates": 8, "pairs": "sampled", "prioritised": True, "batch": 16, "n_step": 2},
    "ppo": {"updates": 8},
}


class InterruptedTrainingError(Exception):
    """Stands for the end of the process between two updates."""


class StopAt(Callback):
    """Interrupts the lane after an update, when its checkpoint has been written."""

    def __init__(self, lane, update):
        self.at = lane, update
        self.seen = []

    def on_update(self, lane, update, reward, entropy, loss):
        self.seen.append((lane, update))

    def on_checkpoint(self, lane, update):
        if (lane, update) == self.at:
            raise InterruptedTrainingError


def _params(agent):
    return {**getattr(Agents(), agent).model_dump(), "alternatives": [], "segment": 30, **CHANGES[agent]}


def _train(agent, watch=None):
    lanes = [Lane(0, 0, seed, _params(agent)) for seed in range(2)]
    return train_lanes(agent, lanes, PANEL, FOLDS, SCALERS, RULES, Gate(), watch or Watch())


@pytest.mark.slow
@pytest.mark.parametrize("agent", sorted(CHANGES))
def test_interrupted_shard_ends_in_the_same_bits(agent, tmp_path):
    whole = _train(agent)
    for seed, update in ((0, 2), (0, 6), (1, 2), (1, 4), (1, 6)):
        folder = tmp_path / f"{seed}-{update}"
        stop = StopAt(f"Trial 0, fold 0, seed {seed}", update)
        with pytest.raises(InterruptedTrainingError):
            _train(agent, Watch(ShardProgress(folder, "key", seconds=0), [stop]))
        after = StopAt(None, None)
        resumed = _train(agent, Watch(ShardProgress(folder, "key", seconds=0), [after]))
        for name in ("targets", "lanes", "curves"):
            pd.testing.assert_frame_equal(getattr(resumed, name), getattr(whole, name), check_exact=True)
        # Nothing that was done is done again: the first update that is seen is the next one.
        assert after.seen[0] == (f"Trial 0, fold 0, seed {seed}", update + 2)
        assert len(stop.seen) + len(after.seen) == 8


@pytest.mark.slow
def test_interrupted_final_policy_has_the_same_weights(tmp_path):
    def fit(watch=None):
        return fit_final("ppo", _params("ppo"), 2, PANEL, FOLDS, SCALERS, RULES, Gate(), watch or Watch())

    whole = fit()
    with pytest.raises(InterruptedTrainingError):
        fit(Watch(ShardProgress(tmp_path, "key", seconds=0), [StopAt("Trial 0, fold -1, seed 1", 4)]))
    resumed = fit(Watch(ShardProgress(tmp_path, "key", seconds=0)))
    for name in ("out", "table"):
        for a, b in zip(*(np.ravel(list(_arrays(policy.actor[name]))) for policy in (whole, resumed)), strict=True):
            assert a.tobytes() == b.tobytes()


def _arrays(tree):
    if isinstance(tree, dict):
        for name in sorted(tree):
            yield from _arrays(tree[name])
    else:
        yield from np.ravel(tree)


@pytest.mark.slow
def test_checkpoint_of_other_work_is_not_taken(tmp_path):
    with pytest.raises(InterruptedTrainingError):
        _train("ppo", Watch(ShardProgress(tmp_path, "key", seconds=0), [StopAt("Trial 0, fold 0, seed 1", 4)]))
    other = ShardProgress(tmp_path, "another key", seconds=0)
    assert not list(tmp_path.glob("*"))
    after = StopAt(None, None)
    _train("ppo", Watch(other, [after]))
    assert after.seen[0] == ("Trial 0, fold 0, seed 0", 2)


def test_checkpoint_of_another_network_is_named_before_anything_is_compiled(tmp_path):
    with pytest.raises(InterruptedTrainingError):
        _train("ppo", Watch(ShardProgress(tmp_path, "key", seconds=0), [StopAt("Trial 0, fold 0, seed 1", 4)]))
    compiled = loop._begin._cache_size()
    for seed in (0, 1):  # one is finished, the other was at work
        lanes = [Lane(0, 0, seed, {**_params("ppo"), "torso": "tanh"})]
        watch = Watch(ShardProgress(tmp_path, "key", seconds=0))
        with pytest.raises(TrainingError, match=rf"seed {seed} is that of another network \(an array of shape .*, not"):
            train_lanes("ppo", lanes, PANEL, FOLDS, SCALERS, RULES, Gate(), watch)
    assert loop._begin._cache_size() == compiled


@pytest.mark.slow
def test_latest_checkpoint_counts_and_is_the_only_one(tmp_path):
    with pytest.raises(InterruptedTrainingError):
        _train("ppo", Watch(ShardProgress(tmp_path, "key", seconds=0), [StopAt("Trial 0, fold 0, seed 1", 4)]))
    (latest,) = tmp_path.glob("[0-9]*")
    assert int(latest.name) > 3
    # As a kill between the writing of a checkpoint and the deletion of the one before leaves them.
    with pytest.raises(InterruptedTrainingError):
        _train(
            "ppo", Watch(ShardProgress(tmp_path / "older", "key", seconds=0), [StopAt("Trial 0, fold 0, seed 0", 2)])
        )
    shutil.move(tmp_path / "older" / "1", tmp_path / str(int(latest.name) - 1))
    after = StopAt(None, None)
    _train("ppo", Watch(ShardProgress(tmp_path, "key", seconds=0), [after]))
    assert after.seen[0] == ("Trial 0, fold 0, seed 1", 6)


@pytest.mark.slow
def test_short_lanes_write_nothing(tmp_path):
    _train("direct", Watch(ShardProgress(tmp_path / "shard", "key", seconds=3600)))
    assert not (tmp_path / "shard").exists()


def _emptied(folder):
    for path in folder.rglob("*"):
        if path.is_file():
            path.write_bytes(b"")


def _flipped(folder):
    """One bit in the middle of the largest file, which holds the arrays."""
    path = max((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [_emptied, _flipped])
def test_damaged_checkpoint_is_named(tmp_path, damage):
    with pytest.raises(InterruptedTrainingError):
        _train("ppo", Watch(ShardProgress(tmp_path, "key", seconds=0), [StopAt("Trial 0, fold 0, seed 1", 4)]))
    damage(tmp_path)
    with pytest.raises(TrainingError, match=r"of an interrupted run is damaged; delete the folder work/"):
        ShardProgress(tmp_path, "key", seconds=0)


@pytest.mark.slow
def test_folder_is_left_to_the_process_that_holds_it(tmp_path):
    folder = tmp_path / "shard"
    held = open_progress(folder, "key", seconds=0)
    with pytest.raises(InterruptedTrainingError):
        _train("ppo", Watch(held, [StopAt("Trial 0, fold 0, seed 0", 4)]))
    before = sorted(folder.rglob("*"))
    assert before
    assert open_progress(folder, "another key") is None
    assert sorted(folder.rglob("*")) == before
    held.lock.close()  # as the kernel does when the process ends
    after = StopAt(None, None)
    _train("ppo", Watch(open_progress(folder, "key", seconds=0), [after]))
    assert after.seen[0] == ("Trial 0, fold 0, seed 0", 6)


def test_callbacks_see_every_chunk_and_the_end():
    class Ends(Callback):
        lanes = ()

        def on_end(self, lane, trained):
            self.lanes += (lane,)
            assert trained.curve.reward.shape == (4, 8)

    seen, ends = StopAt(None, None), Ends()
    _train("direct", Watch(callbacks=[seen, ends]))
    assert [update for _, update in seen.seen] == [2, 4, 6, 8] * 2
    assert ends.lanes == ("Trial 0, fold 0, seed 0", "Trial 0, fold 0, seed 1")
