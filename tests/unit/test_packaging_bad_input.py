"""Bad packages at the command line: one sentence, exit code 1, and nothing written, whatever their documents hold."""

import gzip
import hashlib
import json
import re

import onnx
import pytest
from onnx import TensorProto, helper

from outsample.cli.main import main
from outsample.packaging.archive import pack, unpack
from outsample.packaging.manifest import MANIFEST, dump, folder_of, make_manifest


@pytest.fixture(scope="module")
def archive(mini_package):
    return mini_package.archive


@pytest.fixture
def refuse(mini, tmp_path, capsys):
    """Verify and trade with a package, given as bytes or as a path; returns the one sentence that both say."""

    def run(package):
        path = package
        if isinstance(package, bytes):
            path = tmp_path / "p.tar.gz"
            path.write_bytes(package)
        bars, out = tmp_path / "AA.csv", tmp_path / "out"
        bars.write_text(mini.csv("AA"))
        said = []
        for command in (["verify", str(path)], ["paper", str(path), str(bars), "--out", str(out)]):
            code = main(command)
            printed, err = capsys.readouterr()
            assert (code, printed, err.count("\n")) == (1, "", 1)
            assert not out.exists()
            said.append(err.removeprefix("outsample: ").replace(f"{tmp_path}/", ""))
        assert said[0] == said[1]
        assert said[0].endswith(".\n")
        return said[0]

    return run


def remade(archive, changes):
    """The package with changed files, and a manifest that fits them."""
    files = unpack(archive, "x")[1] | changes
    del files[MANIFEST]
    manifest = make_manifest("mini", files)
    return pack(folder_of(manifest), files | {MANIFEST: dump(manifest)})


def document(archive, name):
    return json.loads(unpack(archive, "x")[1][name])


def with_value(content, keys, value):
    """The document with the value at a path of keys."""
    *path, last = keys
    inner = content
    for key in path:
        inner = inner[key]
    inner[last] = value
    return content


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is no package: it is not a gzip archive; name a file that package_model wrote"),
        (b"some text", "is no package: it is not a gzip archive"),
        (b"PK\x03\x04 a zip file", "is no package: it is not a gzip archive"),
        (gzip.compress(b"some text", mtime=1), "has a gzip header that package_model does not write"),
    ],
)
def test_a_file_that_is_no_package(refuse, content, sentence):
    assert sentence in refuse(content)


def test_a_path_that_is_no_file(refuse, tmp_path):
    assert refuse(tmp_path / "none.tar.gz").startswith("none.tar.gz cannot be read (No such file or directory); name")
    (tmp_path / "folder.tar.gz").mkdir()
    assert refuse(tmp_path / "folder.tar.gz").startswith("folder.tar.gz cannot be read (Is a directory); name the")


@pytest.mark.parametrize("part", [0.0001, 0.1, 0.5, 0.9, 0.9999])
def test_a_truncated_archive(refuse, archive, part):
    length = int(part * len(archive))
    assert f"p.tar.gz is truncated: its {length} bytes end before the archive does; take it" in refuse(archive[:length])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda m: b"{not json", r"manifest.json is no JSON \(Expecting property name"),
        (lambda m: b"", r"manifest.json is no JSON \(Expecting value"),
        (lambda m: b"\xff\xfe\x00", "manifest.json is no JSON"),
        (lambda m: b"[" * 100_000, r"manifest.json is no JSON \(it is nested too deeply\); build the package again"),
        (lambda m: b'{"schema_version": NaN}', r"manifest.json is no JSON \(it holds NaN\)"),
        (lambda m: b"[]", "manifest.json names no schema_version, so it is no manifest of Outsample; name"),
        (lambda m: b"null", "names no schema_version"),
        (lambda m: m.pop("schema_version"), "names no schema_version"),
        (lambda m: m.update(schema_version=2), "with schema version 2, and this Outsample .* reads version 1; use"),
        (lambda m: m.update(schema_version="1"), "with schema version '1', and this Outsample .* reads version 1"),
        (lambda m: m.update(schema_version=True), "with schema version True, and"),
        (lambda m: m.update(schema_version=2, outsample="9\n\x1b[2J"), r"Outsample 9\\n\\x1b\[2J with schema"),
        (lambda m: m.pop("outsample"), "outsample of manifest.json is missing, unknown or of the wrong kind; build"),
        (lambda m: m.update(outsample="\ud800"), "outsample of manifest.json is missing, unknown or of the wrong kind"),
        (lambda m: m.pop("version"), "version of manifest.json is missing"),
        (lambda m: m.update(model=5), "model of manifest.json is missing, unknown or of the wrong kind"),
        (lambda m: m.update(files=[]), "files of manifest.json is missing, unknown or of the wrong kind"),
        (lambda m: m.update(more=1), "more of manifest.json is missing, unknown or of the wrong kind"),
        (lambda m: m.update(model="../mini"), "the version .* does not follow from the files"),
        (lambda m: m["files"].pop("policy.onnx"), "holds policy.onnx, which its manifest does not list"),
        (lambda m: m["files"].update(more={}), "lacks more, which its manifest lists"),
        (lambda m: m["files"].update({"policy.onnx": None}), "policy.onnx is not the file .* says nothing of the kind"),
        (lambda m: m["files"]["policy.onnx"].update(size=1), "of [0-9]+ bytes, the manifest says .* of 1 bytes"),
    ],
)  # fmt: skip
def test_a_manifest_that_is_none(refuse, archive, change, sentence):
    folder, files = unpack(archive, "x")
    manifest = json.loads(files[MANIFEST])
    changed = change(manifest)
    content = changed if isinstance(changed, bytes) else json.dumps(manifest, indent=1).encode()
    assert re.search(sentence, refuse(pack(folder, files | {MANIFEST: content})))


READ = [
    "features.spec.json",
    "policy.json",
    "scalers.json",
    "market.json",
    "calendar.json",
    "checkpoints.json",
    "trace.json",
]


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("content", [b"", b"null", b"[]", b"{}", b"5", b"[" * 100_000, b"\xff", b'{"symbols": NaN}'])
def test_a_document_that_is_none(refuse, archive, name, content):
    said = refuse(remade(archive, {name: content}))
    assert said.startswith(f"p.tar.gz: {name} is not what this Outsample reads (")
    assert said.endswith("; use the Outsample that built the package, or build it again.\n")


@pytest.mark.parametrize(
    ("name", "keys", "value", "reason"),
    [
        ("market.json", ["rules", "cost_rate"], "0.1", "cost_rate is '0.1'"),
        ("market.json", ["rules", "cost_rate"], -0.1, "cost_rate is -0.1"),
        ("market.json", ["rules", "borrow_per_bar"], 1e308, "borrow_per_bar is 1e+308"),
        ("market.json", ["rules", "grid"], 0, "grid is 0"),
        ("market.json", ["rules", "fill"], "yesterday", "fill is 'yesterday'"),
        ("market.json", ["rules", "short_selling"], 1, "short_selling is 1"),
        ("market.json", ["starting_equity"], True, "starting_equity is True"),
        pytest.param("market.json", ["periods_per_year"], 10**400, "OverflowError", id="no float"),
        ("market.json", ["symbols"], ["AA", 5], "TypeError"),
        ("calendar.json", ["name"], None, "the name is None"),
        ("calendar.json", ["weekmask"], [1] * 7, "the weekmask has not 7 days"),
        ("calendar.json", ["closed"], None, "TypeError"),
        ("calendar.json", ["closed"], ["a day"], "ValueError"),
        ("calendar.json", ["closed"], ["NaT"], "a date is missing"),
        ("calendar.json", ["gaps"], [], "AttributeError"),
        ("checkpoints.json", ["symbols", "AA", 1, "close"], 0.0, "close is 0.0"),
        ("checkpoints.json", ["symbols", "AA", 1, "factor"], None, "factor is None"),
        ("checkpoints.json", ["symbols", "AA", 1, "state"], [], "is not what"),
        ("checkpoints.json", ["symbols", "DD", 2, "state", "features"], [], "state of the feature stream"),
        ("scalers.json", ["rows", 0, "scale"], 0.0, "scale is 0.0"),
        ("trace.json", ["symbols", "AA", "close", 5], None, "a number is missing or not finite"),
        ("trace.json", ["symbols", "AA", "close"], [1e999], "is not what"),
        ("trace.json", ["symbols", "AA"], 5, "is not what"),
        ("features.spec.json", ["features", 0], None, "is not what"),
        pytest.param("features.spec.json", ["features", 4, "parameters", "span"], 10**400, "is not what", id="no span"),
        ("policy.json", ["actions"], [-1, 1], "does not answer with a target and a preference for each action"),
        ("policy.json", ["onnx_sha256"], None, "is not what"),
    ],
)  # fmt: skip
def test_a_document_of_wrong_values(refuse, archive, name, keys, value, reason):
    changed = json.dumps(with_value(document(archive, name), keys, value)).encode()
    said = refuse(remade(archive, {name: changed}))
    assert said.startswith(f"p.tar.gz: {name} is not what this Outsample reads (")
    assert reason in said


def test_a_traced_bar_whose_features_the_policy_cannot_read(refuse, archive):
    """The true range over a close of next to nothing is finite, but no float32."""
    trace = document(archive, "trace.json")
    for column in ("low", "close"):
        with_value(trace, ["symbols", "AA", column, 5], 1e-300)
    said = refuse(remade(archive, {"trace.json": dump(trace)}))
    assert re.search(r"its trace cannot be replayed: AA on .*: the feature atr_14 is too large for the policy", said)


def small_model(features, outputs, opset=17):
    """An ONNX model of two inputs that answers with them."""

    def value(name, *shape):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, *shape])

    nodes = [helper.make_node("Identity", [source], [name]) for name, source in outputs.items()]
    shapes = {"features": [features], "position": []}
    graph = helper.make_graph(
        nodes,
        "g",
        [value("features", features), value("position")],
        [value(name, *shapes[source]) for name, source in outputs.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    return model.SerializeToString()


def future(model):
    parsed = onnx.load_from_string(model)
    parsed.ir_version = 99
    return parsed.SerializeToString()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda model: b"", "No graph was found"),
        (lambda model: b"no model", "INVALID_PROTOBUF"),
        (lambda model: model[:-200], "INVALID_PROTOBUF"),
        (future, "Unsupported model IR version: 99"),
        (lambda model: small_model(3, {"target": "position", "preference": "features"}), "invalid dimensions"),
        (lambda model: small_model(9, {"target": "position"}), "Invalid output name"),
        (lambda model: small_model(9, {"target": "features", "preference": "features"}), "does not answer with a"),
        (lambda model: small_model(9, {"target": "position", "preference": "features"}), "does not answer with a"),
    ],
)  # fmt: skip
def test_a_policy_that_cannot_be_run(refuse, archive, change, reason):
    model = change(unpack(archive, "x")[1]["policy.onnx"])
    described = document(archive, "policy.json") | {"onnx_sha256": hashlib.sha256(model).hexdigest()}
    said = refuse(remade(archive, {"policy.onnx": model, "policy.json": dump(described)}))
    assert said.startswith("p.tar.gz: policy.json is not what this Outsample reads (The ONNX model ")
    assert reason in said


def test_only_a_hash_from_elsewhere_tells_a_package_that_was_made_anew(
    package_case, mini, mini_package, tmp_path, capsys
):
    """Another policy with a trace and a manifest of its own: nothing within the package tells it from the first."""
    model, described = package_case.other_policy(mini, seed=1)
    forged = mini.build(onnx=model, documents=mini.documents | {"policy": described})
    own, other, made = (tmp_path / name for name in ("p.tar.gz", "q.tar.gz", "package.json"))
    own.write_bytes(mini_package.archive)
    other.write_bytes(forged.archive)
    made.write_bytes(dump(mini_package.document))
    sha256 = mini_package.document["sha256"]
    assert main(["verify", str(other)]) == 0
    for options in (["--document", str(made)], ["--sha256", sha256], ["--sha256", sha256.upper()]):
        assert main(["verify", str(own), *options]) == 0
        printed = capsys.readouterr().out.splitlines()[-1]
        assert re.fullmatch(
            r"mini \w+: the archive has the sha256 of \S+, all 14 files .* came out the same\.", printed
        )
        assert main(["verify", str(other), *options]) == 1
        said = capsys.readouterr().err
        assert re.search(rf"q.tar.gz has the sha256 [0-9a-f]{{64}}, not {sha256}: it is not the package that", said)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, r"package.json cannot be read \(No such file or directory\); name the package.json that package_model"),
        (b"no json", r"package.json is no JSON \(Expecting value"),
        (b"[]", r"package.json holds no sha256 of a package; name the package.json"),
        (b'{"sha256": "abc"}', r"package.json holds no sha256 of a package"),
        (b'{"sha256": 5}', r"package.json holds no sha256 of a package"),
    ],
)
def test_a_document_without_a_hash(archive, tmp_path, capsys, content, sentence):
    (tmp_path / "p.tar.gz").write_bytes(archive)
    if content is not None:
        (tmp_path / "package.json").write_bytes(content)
    assert main(["verify", str(tmp_path / "p.tar.gz"), "--document", str(tmp_path / "package.json")]) == 1
    assert re.search(sentence, capsys.readouterr().err)


def test_a_hash_that_is_none(archive, tmp_path, capsys):
    (tmp_path / "p.tar.gz").write_bytes(archive)
    assert main(["verify", str(tmp_path / "p.tar.gz"), "--sha256", "abc"]) == 1
    assert capsys.readouterr().err == "outsample: --sha256 abc is no sha256; give its 64 hexadecimal digits.\n"
