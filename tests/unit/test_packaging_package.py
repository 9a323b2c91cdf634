"""A package repeats its own decisions, has the same bytes every time, and no change to it goes unseen."""

import dataclasses
import itertools
import json
import re

import numpy as np
import pandas as pd
import pytest

from outsample.cli.main import main
from outsample.config.models import Gates
from outsample.errors import PackageError
from outsample.hashing import sha256_of
from outsample.packaging import contents
from outsample.packaging.archive import pack, unpack
from outsample.packaging.contents import load
from outsample.packaging.gates import gate_outcomes
from outsample.packaging.manifest import MANIFEST, check_manifest, dump, folder_of, make_manifest
from outsample.packaging.sessions import calendar_document
from outsample.packaging.trace import replay


def verify(archive: bytes) -> int:
    return replay(load(archive, "x.tar.gz"), "x.tar.gz")


def repacked(archive: bytes, changes, remake: bool = False) -> bytes:
    """The package with files changed (None removes one), and the manifest made again where asked."""
    folder, files = unpack(archive, "x")
    files = {name: content for name, content in (files | changes).items() if content is not None}
    if remake:
        del files[MANIFEST]
        manifest = make_manifest("mini", files)
        folder, files = folder_of(manifest), files | {MANIFEST: dump(manifest)}
    return pack(folder, files)


def document(archive: bytes, name: str):
    return json.loads(unpack(archive, "x")[1][name])


@pytest.fixture(scope="module")
def archive(mini_package):
    return mini_package.archive


def test_the_same_inputs_give_the_same_bytes(mini, mini_package):
    again = mini.build()
    assert again.archive == mini_package.archive
    assert again.document == mini_package.document
    assert re.fullmatch(r"mini-[0-9a-f]{12}\.tar\.gz", again.document["file"])


def test_the_version_follows_from_the_content(mini, mini_package):
    other = mini.build(lock=b"numpy==2.4.7\n")
    assert other.document["version"] != mini_package.document["version"]
    body = {key: value for key, value in document(other.archive, MANIFEST).items() if key != "version"}
    assert other.document["version"] == sha256_of(body)[:12]


def test_a_package_holds_its_evidence(mini, mini_package, archive):
    package = load(archive, "x")
    assert set(package.files) == {*contents.FILES, MANIFEST}
    assert package.symbols == ("AA", "BB", "CC", "DD")
    assert document(archive, "verdict.json") == json.loads(dump(mini.result.verdict))
    assert package.files["requirements.lock"] == b"numpy==2.4.6\n"
    gates = document(archive, "gates.json")
    assert gates == mini_package.document["gates"]
    assert (gates["verdict"]["passed"], gates["training_gate"]["passed"]) == (False, True)
    assert gates["data_quality"]["value"] == 5, "a missing session, and a split in close of each of four symbols"
    drawdown = mini.result.metrics.query("series == 'agent' and symbol == 'portfolio' and metric == 'max_drawdown'")
    assert gates["max_drawdown"]["value"] == drawdown["value"].iloc[0]
    card = package.files["MODEL_CARD.md"].decode()
    sharpe = mini.result.metrics.query("series == 'agent' and symbol == 'portfolio' and metric == 'sharpe'").iloc[0]
    assert f"| Sharpe ratio | 1 | {sharpe['value']:.4g} | {sharpe['lower']:.4g} to {sharpe['upper']:.4g} |" in card
    assert mini.result.verdict["sentences"][0] in card


def test_failed_gates_are_recorded_and_refuse_nothing(mini):
    audit = mini.tables.audit_leakage.assign(changed=3)
    built = mini.build(tables=mini.tables._replace(audit_leakage=audit))
    assert built.document["gates"]["audit_leakage"]["passed"] is False
    assert verify(built.archive) == 1000


def test_the_trace_is_of_the_development_span(mini, archive):
    package, opened = load(archive, "x"), mini.documents["split"]["vault"]["first"]
    assert verify(archive) == 1000
    for traced in package.trace.values():
        assert len(traced.dates) == 250
        assert (traced.dates < np.datetime64(opened)).all()
        assert set(np.unique(traced.targets)) == {-1.0, 0.0, 1.0}


def test_checkpoints_stand_before_each_span(mini, archive):
    for symbol, found in load(archive, "x").checkpoints.items():
        bars, vault = (table[table["symbol"] == symbol] for table in (mini.tables.validated_bars, mini.tables.vault))
        inside = vault.loc[vault["in_vault"], "date"]
        assert [checkpoint.span for checkpoint in found] == ["trace", "vault", "end"]
        assert found[-1].date == bars["date"].max()
        assert found[1].date == bars["date"][bars["date"] < inside.min()].max()
        assert found[-1].state["bars_seen"] == len(bars)


@pytest.mark.parametrize("name", [*contents.FILES, MANIFEST])
@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_a_flipped_byte_in_any_file_is_refused(archive, name, place):
    content = bytearray(unpack(archive, "x")[1][name])
    index = {"first": 0, "middle": len(content) // 2, "last": len(content) - 1}[place]
    content[index] ^= 1
    with pytest.raises(PackageError, match=re.escape(name) if name != MANIFEST else "manifest|version|schema"):
        verify(repacked(archive, {name: bytes(content)}))


def test_every_flipped_bit_of_a_manifest_is_refused():
    files = {"a.json": b"{}", "b.bin": b"abc"}
    manifest = make_manifest("m", files)
    content = dump(manifest)
    assert check_manifest(folder_of(manifest), files | {MANIFEST: content}, "x") == manifest
    for index, bit in itertools.product(range(len(content)), range(8)):
        flipped = bytearray(content)
        flipped[index] ^= 1 << bit
        with pytest.raises(PackageError):
            check_manifest(folder_of(manifest), files | {MANIFEST: bytes(flipped)}, "x")
    with pytest.raises(PackageError, match=r"manifest\.json was edited"):
        check_manifest(folder_of(manifest), files | {MANIFEST: content.replace(b"\n", b"\n ")}, "x")


@pytest.mark.parametrize("name", contents.FILES)
def test_a_removed_file_is_refused(archive, name):
    with pytest.raises(PackageError, match=f"lacks {re.escape(name)}, which its manifest lists"):
        verify(repacked(archive, {name: None}))
    with pytest.raises(PackageError, match=f"lacks {re.escape(name)}; build"):
        verify(repacked(archive, {name: None}, remake=True))


def test_an_added_file_is_refused(archive):
    with pytest.raises(PackageError, match=r"holds extra.py, which its manifest does not list"):
        verify(repacked(archive, {"extra.py": b"import os"}))
    with pytest.raises(PackageError, match=r"holds extra.py, which no package does"):
        verify(repacked(archive, {"extra.py": b"import os"}, remake=True))
    with pytest.raises(PackageError, match=r"no manifest\.json"):
        verify(repacked(archive, {MANIFEST: None}))


@pytest.mark.parametrize("gate_open", [True, False])
def test_another_policy_of_the_same_shape_is_refused(package_case, mini, archive, gate_open):
    case = mini if gate_open else package_case.make_case(gate_open=False)
    own = archive if gate_open else case.build().archive
    assert verify(own) == 1000
    model, described = package_case.other_policy(case, seed=1)
    with pytest.raises(PackageError, match=r"policy.onnx is not the file that was packaged"):
        verify(repacked(own, {"policy.onnx": model}))
    with pytest.raises(PackageError, match=r"policy.json is not what this Outsample reads \(The ONNX model has sha256"):
        verify(repacked(own, {"policy.onnx": model}, remake=True))
    with pytest.raises(PackageError, match="not the policy that was traced"):
        verify(repacked(own, {"policy.onnx": model, "policy.json": dump(described)}, remake=True))


def test_another_schema_version_is_refused(archive):
    manifest = document(archive, MANIFEST) | {"schema_version": 2, "outsample": "9.0"}
    with pytest.raises(PackageError, match=r"of Outsample 9.0 with schema version 2, and this .* reads version 1"):
        load(repacked(archive, {MANIFEST: dump(manifest)}), "x")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda f: f.pop(), "the policy reads 9 features and features.spec.json describes 8"),
        (lambda f: f.reverse(), "or in another order"),
        (lambda f: f[0].update(indicator="moon_phase"), "indicator moon_phase, which this version"),
        (lambda f: f[3].pop("indicator"), "lacks indicator"),
        (lambda f: f[3]["parameters"].update(window=11), "warms up"),
        (lambda f: f[4]["parameters"].update(span=11) or f[4].update(warm_up=10), "of other features"),
    ],
)
def test_another_feature_specification_is_refused(archive, change, reason):
    spec = document(archive, "features.spec.json")
    change(spec["features"])
    with pytest.raises(PackageError, match=reason):
        verify(repacked(archive, {"features.spec.json": dump(spec)}, remake=True))


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("trace.json", lambda d: d["symbols"]["AA"]["close"].pop(), "trace.json is not what"),
        ("trace.json", lambda d: d["symbols"]["AA"]["features"][7].__setitem__(2, 0.5), "for another feature spec"),
        ("trace.json", lambda d: d["symbols"]["AA"]["target"].__setitem__(249, 0.5), "not the policy that was traced"),
        ("trace.json", lambda d: d["symbols"]["AA"]["close"].__setitem__(5, -1.0), "cannot be replayed: AA on"),
        ("trace.json", lambda d: d["symbols"].clear(), "it holds no bars"),
        ("market.json", lambda d: d["rules"].pop("band"), "rules band are missing"),
        ("market.json", lambda d: d["symbols"].reverse(), "not sorted"),
        ("calendar.json", lambda d: d.update(weekmask=[True]), "weekmask"),
        ("checkpoints.json", lambda d: d["symbols"].pop("CC"), "checkpoints.json is not what"),
        ("checkpoints.json", lambda d: d["symbols"]["CC"].reverse(), "not in the order"),
        ("checkpoints.json", lambda d: d["symbols"]["AA"][0]["state"].update(bars_seen=-1), "state of the feature"),
        ("scalers.json", lambda d: d["rows"].clear(), "scalers.json is not what"),
    ],
)
def test_documents_that_do_not_fit_are_refused(archive, name, change, reason):
    changed = document(archive, name)
    change(changed)
    with pytest.raises(PackageError, match=reason):
        verify(repacked(archive, {name: dump(changed)}, remake=True))


def test_features_that_the_stream_does_not_repeat_are_not_packed(mini):
    development = mini.tables.development.copy()
    row = development.index[development["symbol"] == "DD"][-3]
    development.loc[row, "rsi_14"] *= 1 + 1e-7
    with pytest.raises(PackageError, match="the feature rsi_14 of DD on"):
        mini.build(tables=mini.tables._replace(development=development))


def test_a_short_development_span_is_traced_whole(mini):
    development = mini.tables.development.groupby("symbol").tail(40)
    assert verify(mini.build(tables=mini.tables._replace(development=development)).archive) == 160


def test_a_symbol_that_begins_in_the_vault_has_no_trace(mini):
    development = mini.tables.development.query("symbol != 'CC'")
    package = load(mini.build(tables=mini.tables._replace(development=development)).archive, "x")
    assert set(package.trace) == {"AA", "BB", "DD"}
    assert [checkpoint.span for checkpoint in package.checkpoints["CC"]] == ["vault", "end"]
    with pytest.raises(PackageError, match="no decision can be traced"):
        mini.build(tables=mini.tables._replace(development=development[:0]))


def test_the_calendar_of_an_exchange_goes_ten_years_ahead():
    days = pd.date_range("2024-01-02", "2024-12-31", freq="B").to_numpy().astype("datetime64[D]")
    found = calendar_document("XNYS", {"A": np.setdiff1d(days, np.array(["2024-03-05"], "datetime64[D]"))})
    assert found["weekmask"] == [True] * 5 + [False] * 2
    assert found["gaps"] == {"A": ["2024-03-05"]}
    assert {"2024-07-04", "2025-12-25", "2033-07-04"} <= set(found["closed"])
    assert calendar_document("24/7", {"A": days})["weekmask"] == [True] * 7
    assert calendar_document("observed", {"A": days})["weekmask"] is None


def test_verify_says_so_in_one_line(archive, tmp_path, capsys):
    path = tmp_path / "p.tar.gz"
    path.write_bytes(archive)
    assert main(["verify", str(path)]) == 0
    out, err = capsys.readouterr()
    assert re.fullmatch(r"mini [0-9a-f]{12}: all 14 files .* 1000 decisions on 4 symbols came out the same\.\n", out)
    path.write_bytes(archive[:-9])
    assert main(["verify", str(path)]) == 1
    assert main(["verify", str(tmp_path / "none")]) == 1
    refused = capsys.readouterr().err.splitlines()
    assert "is truncated" in refused[0]
    assert refused[1].endswith("cannot be read (No such file or directory); name the .tar.gz of a package.")
    assert (len(refused), err) == (2, "")


def test_a_package_is_frozen(archive):
    with pytest.raises(dataclasses.FrozenInstanceError):
        load(archive, "x").model = "other"


def test_point_gates_compare_with_the_thresholds_of_the_environment():
    metrics = pd.DataFrame(
        [
            ("agent", "portfolio", "sharpe", 0.7),
            ("agent", "portfolio", "max_drawdown", 0.15),
            ("agent", "A", "sharpe", 9.0),
        ],
        columns=["series", "symbol", "metric", "value"],
    )
    audit = pd.DataFrame({"cut": [1], "changed": [0]})
    policy = {"gate": {"bound": 0.1, "open": True}}
    verdict = {"activity": {"portfolio": {"kind": "trades"}}, "level": "evidence_over_flat", "title": "T", "look": 1}

    def passed(values, **thresholds):
        found = gate_outcomes(
            audit, audit, policy, {"checks": [], "simulated": False}, verdict, values, Gates(**thresholds).model_dump()
        )
        return tuple(found[name]["passed"] for name in ("verdict", "sharpe", "max_drawdown"))

    assert passed(metrics, verdict="evidence_over_flat", sharpe=0.7, max_drawdown=0.15) == (True, True, True)
    assert passed(metrics, verdict="evidence_over_buy_and_hold", sharpe=0.71, max_drawdown=0.149) == (False,) * 3
    assert passed(metrics.assign(value=np.nan), verdict="none") == (True, False, False)
