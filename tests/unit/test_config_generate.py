"""The generated files say what the models say."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from outsample.config.generate import GENERATED, default_yaml, schema_json, stale, write
from outsample.config.models import Settings
from outsample.config.sentences import all_keys
from outsample.config.yaml_files import read_block
from outsample.errors import ConfigError

ROOT = Path(__file__).parents[2]


def test_the_generated_files_are_not_stale():
    assert stale(ROOT) == []


def test_the_base_layer_holds_every_default(tmp_path):
    path = tmp_path / "default.yaml"
    path.write_text(default_yaml(), encoding="utf-8")
    found, expected = read_block(path, "base"), Settings().model_dump(mode="json")
    for space in expected["search"]["space"].values():
        for dimension in space.values():
            del dimension["step"], dimension["choices"]  # left out where they are null
    assert found == expected
    assert yaml.safe_load(default_yaml()).keys() == expected.keys()  # plain YAML for other readers too


def test_the_base_layer_explains_every_key_with_its_unit():
    lines = default_yaml().splitlines()
    keys = [i for i, line in enumerate(lines) if re.match(r" *[a-z0-9_]+:", line) and "{type" not in line]
    unexplained = [lines[i] for i in keys if not lines[i - 1].lstrip().startswith("#")]
    names = [f"    {agent}:" for agent in Settings().search.space]
    assert unexplained == names  # agents' names in search.space, below the comment of space
    text = default_yaml()
    assert "# Commission. [basis points of traded notional; >= 0; <= 1000]\n  commission: 3.0" in text
    assert "# Agents that are searched, each with all the trials below. [each one of a2c, direct, dqn, ppo]" in text
    for key in all_keys():  # of every kind of source
        assert re.search(rf"\b{key.rpartition('.')[2]}:", text), key


def test_the_schema_refuses_unknown_keys_at_every_level():
    schema = json.loads(schema_json())
    for block in [schema, *schema["$defs"].values()]:
        assert block["additionalProperties"] is False
        assert all("description" in p or "$ref" in p for p in block["properties"].values())
        # An experiment file may leave out every key; an entry of the list features.cross names its symbol.
        assert block.get("required", []) == (["symbol"] if block["title"] == "CrossFeatures" else [])


def test_the_schema_takes_the_shipped_experiments_and_no_misspelt_key():
    schema = json.loads(schema_json())
    for path in (ROOT / "config/experiments").glob("*.yaml"):
        jsonschema.validate(read_block(path, path.name), schema)
    jsonschema.validate({"search": {"space": {"ppo": {"discount": None}}}}, schema)
    with pytest.raises(jsonschema.ValidationError, match="n_fold"):
        jsonschema.validate({"folds": {"n_fold": 3}}, schema)


def test_write_writes_what_is_stale_and_nothing_else(tmp_path):
    with pytest.raises(ConfigError, match="start in the repository's folder"):
        write(tmp_path)
    (tmp_path / "config").mkdir()
    assert stale(tmp_path) == list(GENERATED)
    assert write(tmp_path) == list(GENERATED)
    assert write(tmp_path) == []
    (tmp_path / "config/schema.json").write_text("{}", encoding="utf-8")
    assert stale(tmp_path) == ["config/schema.json"]
