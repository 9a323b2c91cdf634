"""Two runs from scratch in two folders give the same bytes."""

import subprocess

import pytest


@pytest.mark.slow
def test_same_bytes_with_one_core_and_with_two(repository):
    script = repository / "tests/workflow/same_bytes.sh"
    done = subprocess.run([script], capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Same bytes" in done.stdout
