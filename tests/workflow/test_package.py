"""The package and the paper replay in real runs: built after the report, the same bytes again, wrong ones refused."""

import hashlib
import json
import shutil
import subprocess
import sys

import pytest

from outsample.io import read_json, read_table

pytestmark = pytest.mark.slow

REPORT = ("results/tiny/report.html", "results/tiny/timings.html")
PACKAGE = ("results/tiny/package", "results/tiny/package.json", "results/tiny/paper/paper.json")


@pytest.fixture(scope="module")
def packed(built, tmp_path_factory):
    """A copy of the built checkout with the package and the paper replay."""
    folder = tmp_path_factory.mktemp("packed") / "checkout"
    shutil.copytree(built.folder, folder, symlinks=True)
    made = type(built)(folder)
    made.build(*REPORT, *PACKAGE)
    return made


def archive_of(checkout):
    results = checkout.folder / "results/tiny"
    return results / "package" / read_json(results / "package.json", "package")["file"]


def test_the_report_needs_neither(built):
    assert built.pending(*PACKAGE) == {"package_model", "paper_trade"}
    assert built.pending(*REPORT) == set()


def test_a_second_run_has_nothing_to_do(packed):
    assert packed.pending(*REPORT, *PACKAGE) == set()


def test_the_document_names_the_archive(packed):
    document = read_json(packed.folder / "results/tiny/package.json", "package")
    archive = archive_of(packed)
    assert [path.name for path in archive.parent.glob("*.tar.gz")] == [document["file"]]
    assert document["file"] == f"tiny-{document['version']}.tar.gz"
    content = archive.read_bytes()
    assert (hashlib.sha256(content).hexdigest(), len(content)) == (document["sha256"], document["size"])
    assert document["gates"]["audit_leakage"]["passed"] is True


def test_paper_trading_repeats_the_evaluation(packed):
    results = packed.folder / "results/tiny"
    paper = json.loads((results / "paper/paper.json").read_text())
    assert max(paper["largest_difference"].values()) <= 1e-9
    returns = read_table(results / "evaluation/returns.parquet", "returns", series="agent")
    ledger = read_table(results / "paper/ledger.parquet", "paper_ledger")
    assert len(ledger) == len(returns)
    fills = read_table(results / "paper/fills.parquet", "paper_fills")
    assert len(fills) == sum(symbol["fills"] for symbol in paper["symbols"].values())


def test_the_command_verifies_it(packed):
    command = [sys.executable, "-m", "outsample.cli.main", "verify", str(archive_of(packed))]
    done = subprocess.run(command, env=packed.environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "500 decisions on 2 symbols came out the same" in done.stdout


def test_the_same_bytes_again(packed):
    archive = archive_of(packed)
    before = archive.read_bytes()
    packed.build("--forcerun", "package_model", "--", *PACKAGE)
    assert archive_of(packed) == archive
    assert archive.read_bytes() == before


def test_the_title_makes_another_version_and_trains_nothing(packed):
    arguments = ("--config", "experiment=tiny", "report={title: Another}", "--", *PACKAGE)
    assert packed.pending(*arguments) == {"merge_config", "package_model", "paper_trade"}


@pytest.mark.parametrize(
    ("module", "rules"),
    [("packaging/card.py", {"package_model", "paper_trade"}), ("paper/broker.py", {"paper_trade"})],
)
def test_code_reruns_what_it_concerns(packed, module, rules):
    path = packed.folder / "workflow_scripts/outsample" / module
    text = path.read_text()
    path.write_text(text.replace("\ndef ", "\nEDITED = 1\n\n\ndef ", 1))
    pending = packed.pending(*REPORT, *PACKAGE)
    path.write_text(text)
    assert pending == rules


def test_an_archive_that_was_changed_is_not_traded(packed):
    archive = archive_of(packed)
    content = archive.read_bytes()
    archive.write_bytes(content[:-1])
    done = packed.snakemake("--forcerun", "paper_trade", "--", "results/tiny/paper/paper.json")
    archive.write_bytes(content)
    assert done.returncode == 1
    assert f"The package {archive.name} is not the one that was built; run package_model again" in done.stdout
    packed.build(*PACKAGE)
    assert packed.pending(*PACKAGE) == set()
