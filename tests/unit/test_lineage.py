"""The lineage of a result: what it was made of, and whether that is still what was read."""

import hashlib
import json
import os
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest

from outsample.cli.main import main
from outsample.io.lineage import dvc_hash, read_record

RAW = "data/fetched/http/UP"
STEPS = {
    "results/mine/bars.parquet": ("ingest_bars", [f"{RAW}/origin.json", f"{RAW}/page-0001.csv"]),
    "results/mine/bars.manifest.json": ("ingest_bars", [f"{RAW}/origin.json", f"{RAW}/page-0001.csv"]),
    "results/mine/features.parquet": ("build_features", ["results/mine/bars.parquet"]),
    "results/mine/package": ("package_model", ["results/mine/features.parquet"]),
    "results/mine/report.html": (
        "build_report",
        ["requirements.lock", "results/mine/features.parquet", "results/mine/bars.manifest.json"],
    ),
}


def sha256(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A repository in which the workflow has run: files, the notes that Snakemake leaves, and DVC's."""
    monkeypatch.chdir(tmp_path)
    for name in ("requirements.lock", f"{RAW}/page-0001.csv", *STEPS):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        if not name.endswith("package"):
            Path(name).write_text(f"bytes of {name}")
    Path("results/mine/package").mkdir()
    Path("results/mine/package/model.tar.gz").write_text("archive")
    files = [{"file": "page-0001.csv", "sha256": sha256(f"{RAW}/page-0001.csv")}]
    origin = {"kind": "http", "query": {"url": "https://x/{symbol}"}, "retrieved": "2024-02-01", "files": files}
    Path(f"{RAW}/origin.json").write_text(json.dumps(origin))
    Path(f"{RAW}.dvc").write_text(f"outs:\n- md5: {dvc_hash(Path(RAW))}\n  path: UP\n")
    entry = {"file": f"{RAW}/origin.json", "sha256": sha256(f"{RAW}/origin.json")}
    Path("results/mine/bars.manifest.json").write_text(json.dumps({"symbols": {"UP": entry}}))
    for name in STEPS:
        note(name)
    return tmp_path


def note(name, **keys):
    """Leave the note of Snakemake 9.27 on a job's output."""
    rule, inputs = STEPS[name]
    content = {"rule": rule, "input": inputs, "input_checksums": {i: f"sha256:{sha256(i)}" for i in inputs}} | keys
    path = Path(".snakemake/metadata", urlsafe_b64encode(name.encode()).decode())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def run(capsys, path="results/mine/report.html", *options):
    code = main(["lineage", path, *options])
    out, err = capsys.readouterr()
    return code, out, err


def test_the_tree_goes_back_to_the_raw_files(folder, capsys):
    code, out, err = run(capsys)
    assert (code, err) == (0, "")
    dvc = f"as {RAW}.dvc has it"
    assert out.splitlines() == [
        f"results/mine/report.html  sha256 {sha256('results/mine/report.html')}  by build_report",
        f"  requirements.lock  sha256 {sha256('requirements.lock')}",
        f"  results/mine/bars.manifest.json  sha256 {sha256('results/mine/bars.manifest.json')}  by ingest_bars",
        f"    {RAW}/origin.json  sha256 {sha256(f'{RAW}/origin.json')}  ({dvc}; fetched: http, https://x/{{symbol}}, "
        "2024-02-01; as results/mine/bars.manifest.json has it)",
        f"    {RAW}/page-0001.csv  sha256 {sha256(f'{RAW}/page-0001.csv')}  (as {RAW}/origin.json has it; {dvc})",
        f"  results/mine/features.parquet  sha256 {sha256('results/mine/features.parquet')}  by build_features",
        f"    results/mine/bars.parquet  sha256 {sha256('results/mine/bars.parquet')}  by ingest_bars",
        f"      {RAW}/origin.json  sha256 {sha256(f'{RAW}/origin.json')}",
        f"      {RAW}/page-0001.csv  sha256 {sha256(f'{RAW}/page-0001.csv')}",
    ]


def test_as_json_every_file_stands_once(folder, capsys):
    code, out, _ = run(capsys, "results/mine/report.html", "--json")
    content = json.loads(out)
    assert (code, content["path"]) == (0, "results/mine/report.html")
    assert sorted(content["files"]) == sorted(
        {"requirements.lock", f"{RAW}/origin.json", f"{RAW}/page-0001.csv", *STEPS} - {"results/mine/package"}
    )
    features = content["files"]["results/mine/features.parquet"]
    assert features["inputs"] == ["results/mine/bars.parquet"]
    assert (features["rule"], features["faults"]) == ("build_features", [])


def test_a_file_within_a_folder_that_a_rule_made(folder, capsys):
    code, out, _ = run(capsys, "results/mine/package/model.tar.gz")
    assert code == 0
    assert out.startswith(
        f"results/mine/package/model.tar.gz  sha256 {sha256('results/mine/package/model.tar.gz')}  by package"
    )


def test_what_is_not_what_was_read_is_said_wherever_it_was_recorded(folder, capsys):
    page = Path(f"{RAW}/page-0001.csv")
    before = sha256(page)
    page.write_text("revised")
    code, out, err = run(capsys)
    assert code == 1
    assert f"! it is not what ingest_bars read for results/mine/bars.parquet (then {before})" in out
    assert f"! it is not what {RAW}/origin.json names ({before})" in out
    assert f"! its folder is not what {RAW}.dvc names" in out
    assert err.startswith(f"outsample: 2 of 7 files are missing or not what was recorded, first {RAW}/origin.json")


def test_a_manifest_that_names_another_file_is_said(folder, capsys):
    path = Path("results/mine/bars.manifest.json")
    path.write_text(path.read_text().replace(sha256(f"{RAW}/origin.json"), "0" * 64))
    note("results/mine/report.html")
    code, out, _ = run(capsys)
    assert code == 1
    assert f"! it is not what results/mine/bars.manifest.json names ({'0' * 64})" in out


def test_a_missing_file_is_said_and_its_own_inputs_are_still_shown(folder, capsys):
    Path("results/mine/bars.parquet").unlink()
    code, out, err = run(capsys)
    assert code == 1
    assert "    results/mine/bars.parquet  MISSING  by ingest_bars\n      ! it is missing\n" in out
    assert "1 of 7 files" in err


def test_without_a_hash_an_input_that_is_newer_is_said(folder, capsys):
    note("results/mine/features.parquet", input_checksums={})
    os.utime("results/mine/features.parquet", (1000, 1000))
    os.utime("results/mine/bars.parquet", (999, 999))
    code, out, _ = run(capsys)
    assert code == 0
    assert "(build_features left no hash of it)" in out
    os.utime("results/mine/bars.parquet", (1001, 1001))
    code, out, _ = run(capsys)
    assert code == 1
    assert "! build_features left no hash of it, and it is newer than results/mine/features.parquet" in out


def test_dvc_lock_counts(folder, capsys):
    md5 = hashlib.md5(Path("results/mine/bars.parquet").read_bytes(), usedforsecurity=False).hexdigest()
    lock = "stages:\n  run:\n    outs:\n    - path: results/mine/bars.parquet\n      md5: "
    Path("dvc.lock").write_text(lock + md5 + "\n")
    assert "by ingest_bars  (as dvc.lock has it)" in run(capsys)[1]
    Path("dvc.lock").write_text(lock + "0" * 32 + "\n")
    code, out, _ = run(capsys)
    assert code == 1
    assert "! it is not what dvc.lock names" in out


def test_where_snakemake_has_no_record_it_is_said(folder, capsys):
    Path(".snakemake/metadata", urlsafe_b64encode(b"results/mine/features.parquet").decode()).unlink()
    code, out, err = run(capsys)
    assert code == 1
    assert "! Snakemake has no record of what made it (scripts/accept_version.py makes one of a version)" in out
    assert "first results/mine/features.parquet" in err


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("results/mine/repot.html", "is not here; name a result such as results/quickstart/report.html"),
        ("../elsewhere", "is not here"),
        ("requirements.lock", "is no result, so nothing made it"),
    ],
)
def test_what_is_no_result_is_refused(folder, capsys, path, expected):
    code, out, err = run(capsys, path)
    assert (code, out) == (1, "")
    assert expected in err


def test_a_note_that_is_damaged_is_named(folder, capsys):
    Path(".snakemake/metadata", urlsafe_b64encode(b"results/mine/report.html").decode()).write_text("{")
    assert "Snakemake's record of results/mine/report.html is not readable" in run(capsys)[2]


def test_notes_on_long_names_are_found_where_snakemake_puts_them(tmp_path):
    persistence = pytest.importorskip("snakemake.persistence.file")
    name = "results/" + "long/" * 80 + "report.html"
    maker = persistence.FilePersistence.__new__(persistence.FilePersistence)
    maker._max_len = 255
    path = Path(maker._record_path(str(tmp_path / ".snakemake/metadata"), name))
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"rule": "x", "input": []}))
    assert read_record(tmp_path, name).rule == "x"
