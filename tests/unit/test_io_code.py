"""The hash of a script's code sees what it runs, and nothing else."""

import json

import pytest

from outsample.io.code import code_hash, import_closure, versions


@pytest.fixture
def package(tmp_path):
    """A small package `outsample` with a script that imports one of its two modules."""
    folder = tmp_path / "outsample"
    (folder / "market").mkdir(parents=True)
    (folder / "agents").mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "market" / "__init__.py").write_text("")
    (folder / "market" / "step.py").write_text('"""Doc."""\nimport numpy\n\n\ndef step(x):\n    return x + 1\n')
    (folder / "market" / "other.py").write_text("def other():\n    return 2\n")
    (folder / "agents" / "__init__.py").write_text("")
    (folder / "agents" / "ppo.py").write_text("from outsample.market.other import other\n")
    script = tmp_path / "script.py"
    script.write_text("from outsample.market.step import step\n\n\ndef main():\n    return step(1)\n")
    return tmp_path


def test_closure_follows_imports_and_names_third_parties(package):
    found, others = import_closure(package / "script.py", root=package)
    assert sorted(found) == ["outsample", "outsample.market", "outsample.market.step"]
    assert others == {"numpy"}


def test_closure_takes_modules_that_are_imported_by_name(package):
    found, _ = import_closure(package / "script.py", ["outsample.agents.ppo"], package)
    assert "outsample.agents.ppo" in found
    assert "outsample.market.other" in found


@pytest.mark.parametrize(
    ("path", "text", "changes"),
    [
        (
            "outsample/market/step.py",
            '"""Another doc."""\nimport numpy\n\n\ndef step(x):\n    # why\n    return x + 1\n',
            False,
        ),
        ("outsample/market/step.py", "import numpy\n\n\ndef step(x):\n    return x + 2\n", True),
        ("outsample/market/other.py", "def other():\n    return 3\n", False),
        ("outsample/market/__init__.py", "import os\n", True),
        ("script.py", "from outsample.market.step import step\n\n\ndef main():\n    return step(2)\n", True),
        ("script.py", "from outsample.market.step import step\n\n\ndef main():\n    return step(1)  # one\n", False),
    ],
)
def test_hash_changes_with_code_that_runs_only(package, path, text, changes):
    before = code_hash(package / "script.py", root=package)
    (package / path).write_text(text)
    assert (code_hash(package / "script.py", root=package) != before) == changes


def test_hash_of_a_notebook_sees_code_and_prose_but_no_outputs(package):
    def notebook(code, prose, outputs):
        cells = [
            {"cell_type": "code", "source": [code], "outputs": outputs, "metadata": {}},
            {"cell_type": "markdown", "source": [prose], "metadata": {}},
        ]
        (package / "n.ipynb").write_text(json.dumps({"cells": cells}))
        return code_hash(package / "script.py", files=[package / "n.ipynb"], root=package)

    first = notebook("import json\njson.dumps(1)", "Title", [])
    assert notebook("import json\njson.dumps(1)", "Title", ["something"]) == first
    assert notebook("import json\njson.dumps(2)", "Title", []) != first
    assert notebook("import json\njson.dumps(1)", "Another title", []) != first


def test_hash_sees_the_bytes_of_other_files(package):
    (package / "style.css").write_text("a {}")
    first = code_hash(package / "script.py", files=[package / "style.css"], root=package)
    (package / "style.css").write_text("b {}")
    assert code_hash(package / "script.py", files=[package / "style.css"], root=package) != first


def test_versions_name_the_companion_of_jax():
    assert set(versions(["jax"])) == {"jax", "jaxlib"}
