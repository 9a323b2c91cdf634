"""The conda environments pin what the lock pins."""

import re

import yaml


def locked_versions(repository):
    """Version of each distribution for Python 3.11, which the environments use."""
    pattern = r"^([a-z0-9._-]+)==(\S+)(?: ; python_full_version (>=|<) '3\.12')?"
    found = re.findall(pattern, (repository / "requirements.lock").read_text(), re.MULTILINE)
    return {name: version for name, version, since in found if since != ">="}


def test_every_pin_is_that_of_the_lock(repository):
    locked = locked_versions(repository)
    environments = sorted((repository / "envs").glob("*.yaml"))
    assert len(environments) == 6
    for path in environments:
        content = yaml.safe_load(path.read_text())
        assert content["channels"] == ["conda-forge", "nodefaults"]
        for pin in content["dependencies"]:
            name, version = pin.split(" =")
            assert version == ("3.11" if name == "python" else locked[name]), f"{path.name}: {pin}"


def test_every_rule_uses_an_environment_that_exists(repository):
    text = "".join(path.read_text() for path in (repository / "rules").glob("*.smk"))
    used = set(re.findall(r'"\.\./envs/(\w+)\.yaml"', text))
    assert used == {path.stem for path in (repository / "envs").glob("*.yaml")}


def test_lock_names_no_registry(repository):
    assert "://" not in (repository / "requirements.lock").read_text()
