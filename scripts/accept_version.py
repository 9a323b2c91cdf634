"""Tell Snakemake that the results on disk are those of the version that Git has checked out.

Usage, after `git checkout VERSION && dvc checkout`:  python scripts/accept_version.py

Nothing is marked unless each file has the hash that dvc.lock of this version names. Snakemake then finds nothing to do,
because its records of code and settings, which were those of the other version, are written anew (`snakemake --touch`).
"""

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]


def output_of(*command):
    if shutil.which(command[0]) is None:
        sys.exit(f"{command[0]} is not on the PATH; activate the environment first: . .venv/bin/activate.")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{shlex.join(command)} failed; its words: {(done.stderr or done.stdout).strip().splitlines()[-1]}")
    return done.stdout


def differences():
    """What DVC finds changed: (path, state) in the order of its report."""
    for stage in json.loads(output_of("dvc", "status", "--json")).values():
        for entry in stage:
            if isinstance(entry, str):
                yield "dvc.yaml", entry
                continue
            for paths in entry.values():
                yield from paths.items() if isinstance(paths, dict) else [("dvc.yaml", str(paths))]


def main():
    lock = ROOT / "dvc.lock"
    if not lock.is_file():
        sys.exit("This version has no dvc.lock, so nothing says which results are its own; run `dvc repro`.")
    if first := next(differences(), None):
        path, state = first
        sys.exit(
            f"{path} is not what dvc.lock of this version says (DVC: {state}), so nothing was marked; run "
            "`dvc checkout`, `dvc pull` first where the cache lacks it, take away files that this version does not "
            "have, or make the results again by `dvc repro`."
        )
    stages = yaml.safe_load(lock.read_text())["stages"]
    for stage in stages.values():
        program, *arguments = shlex.split(stage["cmd"])
        # --forceall: else Snakemake marks only what it would run, and knows nothing of the rest in a fresh clone.
        output_of(program, "--touch", "--forceall", "--quiet", "all", *arguments)
    print(f"The results of {', '.join(stages)} are accepted as this version's; Snakemake has nothing to do for them.")


if __name__ == "__main__":
    main()
