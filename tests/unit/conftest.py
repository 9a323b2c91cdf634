"""Fixtures that several unit tests share because they take seconds to make."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest


@pytest.fixture(scope="session")
def package_case():
    """The module tests/package_case.py."""
    return SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "package_case.py")))


@pytest.fixture(scope="session")
def mini(package_case):
    """The miniature experiment with costs, shorts and fractions of shares."""
    return package_case.make_case()


@pytest.fixture(scope="session")
def mini_package(mini):
    """Its package: bytes of the archive and document."""
    return mini.build()
