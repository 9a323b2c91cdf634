"""Fixtures that all layers of the tests share."""

import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the checkout."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True, scope="module")
def _few_compiled_programs():
    """Let go of the programs that a module's tests compiled.

    Each holds memory maps; all of them in one process are more than Linux allows (vm.max_map_count), and XLA aborts.
    """
    yield
    if "jax" in sys.modules:
        sys.modules["jax"].clear_caches()
