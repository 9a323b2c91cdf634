"""The conda environments pin what the lock pins, and what they pin can be installed together."""

import re
import runpy
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from packaging.utils import canonicalize_name

from outsample.agents.registry import AGENTS
from outsample.io.code import import_closure

conda_channel = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "conda_channel.py")))
ENVIRONMENTS = ["control", "core", "decide", "package", "report", "search", "train"]


@pytest.fixture(scope="module")
def locked(repository):
    return conda_channel.locked_versions((repository / "requirements.lock").read_text())


@pytest.fixture(scope="module")
def channel(repository, tmp_path_factory):
    """A channel of the locked distributions, and its records."""
    folder = tmp_path_factory.mktemp("channel")
    records = conda_channel.make_channel(folder, (repository / "requirements.lock").read_text())
    return SimpleNamespace(folder=folder, records=records)


@pytest.fixture(scope="module")
def solutions(repository, channel):
    """Each environment solved against the channel, its pip section as well: pip installs beside what conda chose."""
    return {
        name: conda_channel.solve(channel.folder, [*conda, *(pin.replace("==", "=") for pin in pip)])
        for name, (conda, pip) in ((name, pins_of(repository, name)) for name in ENVIRONMENTS)
    }


def content_of(repository, name):
    return yaml.safe_load((repository / "envs" / f"{name}.yaml").read_text())


def pins_of(repository, name):
    """The pins for conda and those for pip."""
    entries = content_of(repository, name)["dependencies"]
    pip = [pin for entry in entries if isinstance(entry, dict) for pin in entry["pip"]]
    return [entry for entry in entries if isinstance(entry, str)], pip


def test_every_pin_is_that_of_the_lock(repository, locked):
    assert sorted(path.stem for path in (repository / "envs").glob("*.yaml")) == ENVIRONMENTS
    for name in ENVIRONMENTS:
        assert content_of(repository, name)["channels"] == ["conda-forge", "nodefaults"]
        conda, pip = pins_of(repository, name)
        assert ("pip" in conda) == bool(pip)
        pins = dict(pin.split(" =") for pin in conda if pin != "pip") | dict(pin.split(" ==") for pin in pip)
        assert pins == {"python": "3.11"} | {pin: locked.get(pin) for pin in pins if pin != "python"}, name


def test_every_rule_uses_an_environment_that_exists(repository):
    text = "".join(path.read_text() for path in (repository / "rules").glob("*.smk"))
    assert sorted(set(re.findall(r'"\.\./envs/(\w+)\.yaml"', text))) == ENVIRONMENTS


def test_lock_has_one_version_of_each_distribution_for_all_pythons(repository):
    """Another JAX would compute other last digits, and refuse options of the compiler."""
    names = re.findall(r"^([a-z0-9-]+)==", (repository / "requirements.lock").read_text(), re.MULTILINE)
    assert "jaxlib" in names
    assert sorted(set(names)) == sorted(names)


def test_lock_names_no_registry(repository):
    assert "://" not in (repository / "requirements.lock").read_text()


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_environment_solves_to_its_pins(repository, locked, solutions, name):
    """What the pins require of each other, and of everything below them, has a solution, and that is the lock's.

    The specs are read as strictly as py-rattler can. This cannot prove that conda-forge has each package under this
    name and in this version, with a build for Python 3.11, nor that its recipe requires what the wheel requires.
    """
    solution = solutions[name]
    assert "refused" not in solution, solution["refused"]
    assert solution["solved"].pop("python") == conda_channel.PYTHON
    solution["solved"].pop("pip", None)
    conda, pip = pins_of(repository, name)
    assert {re.split(" =+", pin)[0] for pin in conda + pip} - {"python", "pip"} <= set(solution["solved"])
    assert solution["solved"] == {package: locked[package] for package in solution["solved"]}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_environment_brings_what_its_scripts_import(repository, solutions, name):
    text = "".join(path.read_text() for path in (repository / "rules").glob("*.smk"))
    scripts = re.findall(rf'envs/{name}\.yaml"(?:\n(?!rule ).*)*?"\.\./workflow_scripts/(\w+)\.py"', text)
    assert scripts
    entries = [repository / "workflow_scripts" / f"{script}.py" for script in scripts]
    if name == "report":
        entries += (repository / "reports").glob("*.ipynb")
    agents = AGENTS.values() if name == "train" else ()
    providers = metadata.packages_distributions()
    for entry in entries:
        for module in import_closure(entry, agents)[1]:
            brought = {canonicalize_name(provider) for provider in providers[module]} & set(solutions[name]["solved"])
            assert brought, f"{entry.name} imports {module}"


def test_channel_depends_on_what_holds_for_the_target(channel):
    """Markers and extras: uvloop is for all but Windows, nest_asyncio for Windows; etils is asked for with extras."""
    orbax = channel.records["orbax-checkpoint"]["depends"]
    assert {"uvloop", "tensorstore >=0.1.74", "python =3.11"} <= set(orbax)
    assert "nest-asyncio" not in orbax
    assert {"fsspec", "zipp"} <= set(channel.records["etils"]["depends"])
    assert not {"torch", "etils"} & set(channel.records["etils"]["depends"])


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("numpy =2.4.5", "No candidates were found for numpy 2.4.5.*"),
        ("nonumpy =2.4.6", "No candidates were found for nonumpy"),
        ("python =3.12", "No candidates were found for python 3.12.*"),
        ("numpy ==2.4.*", "'*' is incompatible with '==' operator"),
        ("numpy =", "unable to parse version spec"),
    ],
)
def test_wrong_pin_is_refused(channel, spec, why):
    assert why in conda_channel.solve(channel.folder, ["pandas =3.1.1", spec])["refused"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda records: records.pop("python-dateutil"), "python-dateutil >=2.9.0, for which no candidates were found"),
        (lambda records: records["numpy"].update(version="1.26.4"), "numpy >=2.0.2"),
    ],
    ids=["missing", "too old"],
)
def test_unmet_dependency_is_refused(channel, tmp_path, change, why):
    records = {name: dict(record) for name, record in channel.records.items()}
    change(records)
    conda_channel.write_channel(tmp_path, records)
    assert why in conda_channel.solve(tmp_path, ["python =3.11", "pandas =3.1.1"])["refused"]


def test_where_another_version_is_installed_the_lock_says_what_is_required(repository, tmp_path, locked):
    """As under a later Python, for which the lock has other versions of JAX and Flax."""
    lock = (repository / "requirements.lock").read_text()
    other = lock.replace(f"flax=={locked['flax']} ", "flax==0.0.1 ")
    assert other != lock
    records = conda_channel.make_channel(tmp_path, other)
    assert records["flax"]["version"] == "0.0.1"
    assert {"jax", "msgpack", "tensorstore"} <= set(records["flax"]["depends"])
    assert not {"equinox", "pandas"} & set(records["flax"]["depends"])
    assert conda_channel.solve(tmp_path, ["flax"])["solved"]["jax"] == locked["jax"]
