"""A conda channel of two `repodata.json` files, made from the locked distributions, and a solver that sees only it.

The records have the names and versions of `requirements.lock` for Python 3.11 on Linux, one version a name, and depend
on what the installed distributions say that they require. There are no package files: the channel can be solved, not
installed. Run as a script, `conda_channel.py CHANNEL SPEC...` solves the specs and prints its answer as JSON.
"""

import json
import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PYTHON = "3.11.14"
TARGET = {
    "implementation_name": "cpython",
    "implementation_version": PYTHON,
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_release": "",
    "platform_system": "Linux",
    "platform_version": "",
    "python_full_version": PYTHON,
    "python_version": "3.11",
    "sys_platform": "linux",
}


def locked_versions(lock: str) -> dict[str, str]:
    """Version of each distribution that the text of `requirements.lock` names for Python 3.11 on Linux.

    >>> locked_versions("six==1.17.0 ; python_version >= '3.12' \\\\\\nvine==5.1.0 ; python_version < '3.12' \\\\")
    {'vine': '5.1.0'}
    """
    pins = (Requirement(line.rstrip(" \\")) for line in lock.splitlines() if re.match(r"[a-z0-9]", line))
    return {pin.name: str(pin.specifier).removeprefix("==") for pin in pins if _applies(pin)}


def make_channel(folder: Path, lock: str) -> dict[str, dict]:
    """Write the channel of `lock` to `folder`; return its records by name, for a test to change and write again."""
    locked = locked_versions(lock)
    required = {name: _required(name, version, lock) for name, version in locked.items()}
    extras = _requested_extras(required)
    records = {"python": _record("python", PYTHON, []), "pip": _record("pip", "26.0", ["python"])}
    for name, version in locked.items():
        specs = [_spec(requirement) for requirement in required[name] if _applies(requirement, extras[name])]
        depends = sorted({*specs, "python =3.11"} - {name})  # an extra of its own makes a distribution require itself
        records[name] = _record(name, version, depends)
    write_channel(folder, records)
    return records


def write_channel(folder: Path, records: dict[str, dict]) -> None:
    """Write `linux-64/repodata.json`, which holds `records`, and an empty `noarch/repodata.json` to `folder`."""
    packages = {f"{name}-{record['version']}-0.conda": record for name, record in records.items()}
    for subdir, content in (("linux-64", packages), ("noarch", {})):
        (folder / subdir).mkdir(parents=True, exist_ok=True)
        repodata = {"info": {"subdir": subdir}, "packages": {}, "packages.conda": content, "repodata_version": 1}
        (folder / subdir / "repodata.json").write_text(json.dumps(repodata, indent=1))


def solve(channel: Path, specs: list[str]) -> dict:
    """`{"solved": {name: version}}`, or `{"refused": why}`, for `specs` against `channel` alone.

    In a process of its own: py-rattler may abort the interpreter when that exits, which would end the whole test run.
    """
    command = [sys.executable, __file__, str(channel), *specs]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=channel)
    return json.loads(done.stdout)


def _applies(requirement: Requirement, extras: frozenset[str] = frozenset()) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate(TARGET | {"extra": extra}) for extra in ("", *extras))


def _required(name: str, version: str, lock: str) -> list[Requirement]:
    """What a distribution requires, extras and all.

    The tests run on later versions of Python as well, for which the lock has other versions of some distributions. What
    those of Python 3.11 require is then read from the comments of the lock: names without versions.
    """
    try:
        installed = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return _required_by_lock(name, lock)
    if installed.version != version:
        return _required_by_lock(name, lock)
    return [Requirement(text) for text in installed.requires or []]


def _required_by_lock(name: str, lock: str) -> list[Requirement]:
    """The distributions below which the lock says `via name`, so far as Python 3.11 on Linux has them."""
    found = []
    for block in re.split(r"^(?=[a-z0-9])", lock, flags=re.MULTILINE)[1:]:
        pin = Requirement(block.splitlines()[0].rstrip(" \\"))
        if _applies(pin) and re.search(rf"^    #\s+(?:via )?{re.escape(name)}$", block, re.MULTILINE):
            found.append(Requirement(pin.name))
    return found


def _requested_extras(required: dict[str, list[Requirement]]) -> dict[str, frozenset[str]]:
    """Extras of each distribution that another one asks for, directly or through an extra of its own."""
    extras = {name: frozenset[str]() for name in required}
    while True:
        before = dict(extras)
        for name, requirements in required.items():
            for requirement in requirements:
                target = canonicalize_name(requirement.name)
                if target in extras and _applies(requirement, extras[name]):
                    extras[target] |= requirement.extras
        if extras == before:
            return extras


def _spec(requirement: Requirement) -> str:
    """The requirement as conda writes it.

    >>> _spec(Requirement("Jupyter_Client!=7.1.0,==8.*"))
    'jupyter-client !=7.1.0,8.*'
    """
    parts = sorted(str(part) for part in requirement.specifier)
    parts = [part.removeprefix("==") if part.endswith(".*") else part for part in parts]
    return f"{canonicalize_name(requirement.name)} {','.join(parts)}".strip()


def _record(name: str, version: str, depends: list[str]) -> dict:
    return {
        "name": name,
        "version": version,
        "build": "0",
        "build_number": 0,
        "depends": depends,
        "subdir": "linux-64",
    }


def _answer(channel: str, specs: list[str]) -> dict:
    import asyncio

    import rattler
    from rattler.exceptions import InvalidMatchSpecError, SolverError

    gateway = rattler.Gateway(cache_dir=Path(channel) / "cache")
    try:
        strict = [rattler.MatchSpec(spec, strict=True) for spec in specs]
        found = asyncio.run(rattler.solve([Path(channel).as_uri()], strict, gateway, ["linux-64", "noarch"]))
    except (InvalidMatchSpecError, SolverError) as error:
        return {"refused": str(error)}
    return {"solved": {record.name.normalized: str(record.version) for record in found}}


if __name__ == "__main__":
    print(json.dumps(_answer(sys.argv[1], sys.argv[2:])), flush=True)
    os._exit(0)  # the usual way out runs py-rattler's clean-up, which crashed in 8 of 20 runs (0.28)
