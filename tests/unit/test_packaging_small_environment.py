"""A package verifies and trades where there are NumPy, ONNX Runtime and the wheel of Outsample, and nothing else."""

import shutil
import subprocess
import sys
import sysconfig
import venv
from importlib import metadata
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

DISTRIBUTIONS = ("numpy", "onnxruntime", "flatbuffers", "packaging", "protobuf")  # the last three: of onnxruntime


@pytest.fixture(scope="module")
def small(repository, tmp_path_factory) -> Path:
    """A virtual environment with copies of the locked distributions and the wheel, made without a network."""
    folder = tmp_path_factory.mktemp("small")
    source = folder / "source"
    shutil.copytree(
        repository / "workflow_scripts", source / "workflow_scripts", ignore=shutil.ignore_patterns("*.egg-info")
    )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(repository / name, source)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*build, "--wheel-dir", folder, source], check=True, capture_output=True)
    environment = folder / "environment"
    venv.create(environment, symlinks=True, with_pip=False)
    python = environment / "bin/python"
    ask = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    site = Path(subprocess.run(ask, check=True, capture_output=True, text=True).stdout.strip())
    for name in DISTRIBUTIONS:
        _link(name, site)
    (wheel,) = folder.glob("outsample-*.whl")
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run(install, check=True, capture_output=True)
    return environment / "bin"


def _link(distribution: str, site: Path) -> None:
    """Links to the top-level folders and files of an installed distribution."""
    here = Path(sysconfig.get_path("purelib"))
    files = metadata.distribution(distribution).files or []
    for top in sorted({Path(file).parts[0] for file in files} - {"..", "__pycache__"}):
        if not (site / top).exists():
            (site / top).symlink_to(here / top)


@pytest.fixture
def files(mini, mini_package, tmp_path) -> Path:
    (tmp_path / "p.tar.gz").write_bytes(mini_package.archive)
    (tmp_path / "AA.csv").write_text(mini.csv("AA"))
    return tmp_path


def test_nothing_else_is_there(small):
    there = "import importlib.util as u; print([n for n in {} if u.find_spec(n)])"
    names = ["jax", "pandas", "pyarrow", "pydantic", "scipy", "snakemake", "yaml", "threadpoolctl", "onnx", "numpy"]
    found = subprocess.run([small / "python", "-c", there.format(names)], capture_output=True, text=True, check=True)
    assert found.stdout == "['numpy']\n"


def test_it_verifies_and_trades(small, files):
    for arguments in (["verify", "p.tar.gz"], ["paper", "p.tar.gz", "AA.csv", "--out", "out"]):
        done = subprocess.run([small / "outsample", *arguments], cwd=files, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("mini ")
    assert (files / "out/ledger.csv").read_text().count("\n") == 1 + 2 * 168
    (files / "p.tar.gz").write_bytes((files / "p.tar.gz").read_bytes()[:-50])
    done = subprocess.run([small / "outsample", "verify", "p.tar.gz"], cwd=files, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("outsample: p.tar.gz is truncated")
    assert done.stderr.count("\n") == 1


def test_the_books_are_those_of_the_whole_environment(small, files):
    for folder, command in (("a", [small / "outsample"]), ("b", [sys.executable, "-m", "outsample.cli.main"])):
        arguments = ["paper", files / "p.tar.gz", files / "AA.csv", "--out", files / folder]
        subprocess.run([*command, *arguments], check=True, capture_output=True)
    for name in ("ledger.csv", "fills.csv", "summary.json"):
        assert (files / "a" / name).read_bytes() == (files / "b" / name).read_bytes()
