"""Fixtures that all layers of the tests share."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from outsample.agents.runtime import LOOPS

CACHE = "JAX_COMPILATION_CACHE_DIR"
KEPT = pytest.StashKey[str]()


def pytest_configure(config):
    """Let all processes of this run of the tests, and the workflows that they start, share what JAX compiles.

    Agents that are trained in a test's own process are compiled as those of a job, so far as the loops go.
    """
    if CACHE not in os.environ:  # the processes of pytest-xdist are given that of the one that starts them
        os.environ[CACHE] = config.stash[KEPT] = tempfile.mkdtemp(prefix="outsample-jax-")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
    if LOOPS not in os.environ.get("XLA_FLAGS", ""):
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {LOOPS}".strip()


def pytest_collection_modifyitems(items):
    """The folders whose files take minutes first, so that no process is left alone with one (`PARALLEL`, Makefile)."""
    items.sort(key=lambda item: item.path.parent.name not in {"learning", "workflow"})


def pytest_unconfigure(config):
    if KEPT in config.stash:
        del os.environ[CACHE]
        shutil.rmtree(config.stash[KEPT], ignore_errors=True)


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
