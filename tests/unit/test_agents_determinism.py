"""The final parameters of a lane are the same bits alone, in a shard of 7 or 40, and with 1 or 2 threads allowed.

`test_agents_progress.py` adds the lanes that are killed and go on.
"""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from outsample.agents.registry import AGENTS

_SCRIPT = Path(__file__).parents[1] / "reference/train_shard.py"
_SPEC = importlib.util.spec_from_file_location("train_shard", _SCRIPT)
shard = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(shard)


@pytest.mark.slow
@pytest.mark.parametrize("agent", sorted(AGENTS))
def test_neither_the_shard_nor_the_threads_change_a_bit(agent, tmp_path):
    started = [
        subprocess.Popen(
            [sys.executable, str(_SCRIPT), agent, str(threads), str(tmp_path / "cache")], stdout=subprocess.PIPE
        )
        for threads in (1, 2)
    ]
    lanes = shard.lanes_of(agent, 40)
    of_forty = shard.hashes_of(agent, lanes)
    assert len(set(of_forty.values())) == 40  # no lane is another: each has settings of its own
    of_seven = {name: of_forty[name] for name in list(of_forty)[:7]}
    assert shard.hashes_of(agent, lanes[:7][::-1]) == of_seven
    for alone in (0, 5):
        assert shard.hashes_of(agent, lanes[alone : alone + 1]).items() <= of_seven.items()
    for process in started:
        said, _ = process.communicate(timeout=300)
        assert process.returncode == 0
        assert json.loads(said) == of_seven
