"""Run the benchmarks and write their page, docs/benchmarks.md; where sections are named, only they are measured anew.

Usage: .venv/bin/python benchmarks/write.py [SECTION ...] [--repeat N] [--page docs/benchmarks.md]
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

from fresh_process import HERE, peers_exist

HEADER = """\
# Benchmarks

Written by `benchmarks/write.py` (`make benchmarks`): each section is what its command printed, in one run. The machine
decides about the seconds, so compare the figures of one section with each other.
"""
# Name of a section -> its title, and the script that prints it.
SECTIONS = {
    "training": ("Training beside Stable-Baselines3 and SBX", "training_speed.py"),
    "profile": ("Where an update of PPO spends its time", "profile_ppo.py"),
    "market": ("The market without learning", "market_speed.py"),
    "direct": ("Gradient steps of direct", "direct_speed.py"),
    "replay": ("Prioritised replay of DQN", "replay.py"),
    "start": ("Start of a shard", "shard_start.py"),
    "lanes": ("Cost of lanes", "lane_cost.py"),
    "large": ("Bars that do not fit into memory", "ingest_large.py"),
    "workflow": ("A whole experiment", "workflow_time.py"),
}


def sections_of(page: str) -> dict[str, str]:
    """Title -> text of the sections of a page.

    >>> sections_of("# Page\\n\\n## One\\n\\nText.\\n\\n## Two\\n\\nMore.\\n")
    {'One': 'Text.', 'Two': 'More.'}
    """
    parts = re.split(r"^## (.*)$", page, flags=re.MULTILINE)[1:]
    return {title: text.strip() for title, text in zip(parts[::2], parts[1::2], strict=True)}


def page_of(sections: dict[str, str]) -> str:
    """The page, its sections in their order."""
    titles = [title for title, _ in SECTIONS.values() if title in sections]
    return "\n".join([HEADER, *(f"## {title}\n\n{sections[title]}\n" for title in titles)])


def measured(script: str, options: list[str]) -> str:
    """What a benchmark printed, below the command that printed it."""
    print(f"benchmarks/{script} ...", file=sys.stderr, flush=True)
    done = subprocess.run(
        [sys.executable, str(HERE / script), *options], cwd=HERE.parent, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"benchmarks/{script} failed; the page keeps the sections that were measured before it.")
    command = " ".join([".venv/bin/python", f"benchmarks/{script}", *options])
    return f"`{command}`\n\n{done.stdout.strip()}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "sections", nargs="*", metavar="SECTION", help=f"all where none is named: {', '.join(SECTIONS)}"
    )
    parser.add_argument(
        "--repeat", type=int, help="repetitions, of each section as its own command has them if left out"
    )
    parser.add_argument("--page", type=Path, default=HERE.parent / "docs/benchmarks.md")
    options = parser.parse_args()
    unknown = sorted(set(options.sections) - set(SECTIONS))
    if unknown:
        parser.error(f"there is no section {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    peers_exist()
    sections = sections_of(options.page.read_text(encoding="utf-8")) if options.page.exists() else {}
    for name in options.sections or SECTIONS:
        title, script = SECTIONS[name]
        sections[title] = measured(script, ["--repeat", str(options.repeat)] if options.repeat else [])
        options.page.write_text(page_of(sections), encoding="utf-8")


if __name__ == "__main__":
    main()
