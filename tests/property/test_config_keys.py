"""A random unknown key is refused and named at every level; any value of a key is taken or refused in one sentence."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from outsample.config.agents import Agents, Ppo
from outsample.config.layers import document, load
from outsample.config.models import Dimension, Settings
from outsample.config.sentences import all_keys, blocks_of, dotted
from outsample.errors import ConfigError

ROOT = Path(__file__).parents[2]


def levels(block, path=()):
    """Every block of the settings: its path, the keys that it takes, and what must stand beside a further one."""
    yield path, set(block.model_fields), {}
    for name, field in block.model_fields.items():
        inner = blocks_of(field.annotation)
        for kind in inner:
            if len(inner) == 1:
                yield from levels(kind, (*path, name))
            else:
                yield (
                    (*path, name),
                    {k for b in inner for k in b.model_fields},
                    {"kind": kind.model_fields["kind"].default},
                )


LEVELS = [
    *levels(Settings),
    (("search", "space"), set(Agents.model_fields), {}),
    (("search", "space", "ppo"), set(Ppo.model_fields), {}),
    (("search", "space", "ppo", "discount"), set(Dimension.model_fields), {}),
]
NAMES = st.one_of(st.text(max_size=12), st.sampled_from(sorted({k.rpartition(".")[2] + "s" for k in all_keys()})))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-5, 5) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


def nested(path, value):
    for part in reversed(path):
        value = {part: value}
    return value


def test_the_levels_are_all_there():
    paths = {path for path, _, _ in LEVELS}
    assert {
        (),
        ("data", "source"),
        ("agents", "ppo"),
        ("selection", "multi_metric"),
        ("search", "space", "ppo"),
    } <= paths
    assert len(paths) >= 20


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    root = tmp_path_factory.mktemp("repository")
    for name in ("base/default", "environments/development", "experiments/quickstart"):
        path = root / f"config/{name}.yaml"
        path.parent.mkdir(parents=True)
        path.write_text((ROOT / f"config/{name}.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    return root


@pytest.mark.parametrize(("path", "known", "beside"), LEVELS, ids=lambda x: ".".join(x) if isinstance(x, tuple) else "")
@settings(max_examples=10, deadline=None)
@given(name=NAMES, as_file=st.booleans())
def test_an_unknown_key_is_refused_and_named(repository, path, known, beside, name, as_file):
    if name in known or (not path and name in {"experiment", "environment"}):
        return
    free = path[:2] == ("search", "space") and len(path) < 4
    value = ({"low": 0.1, "high": 0.2} if len(path) == 3 else {}) if free else 1
    tree = nested(path, beside | {name: value})
    overrides = tree
    if as_file:
        overrides = {"experiment": "random"}
        quoted = yaml.safe_dump(tree, default_style='"')  # or a name such as 0E0 would be read as a number
        (repository / "config/experiments/random.yaml").write_text(quoted, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load("random" if as_file else "quickstart", overrides, repository)
    sentence = str(caught.value)
    layer = "config/experiments/random.yaml (experiment layer)" if as_file else "command line"
    assert sentence.startswith(f"{layer}: {dotted([*path, name])} is no")
    assert "\n" not in sentence


@settings(max_examples=100, deadline=None)
@given(level=st.sampled_from(LEVELS), data=st.data())
def test_any_value_of_any_key_is_taken_or_refused_in_one_sentence(repository, level, data):
    path, known, beside = level
    name = data.draw(st.sampled_from(sorted(known)))
    tree = nested(path, beside | {name: data.draw(VALUES)})
    sentence = None
    try:
        loaded = load("quickstart", tree, repository)
    except ConfigError as error:
        sentence = str(error)
    if sentence is None:
        assert Settings.model_validate(document(loaded)["settings"]) == loaded.settings
    else:
        assert sentence.startswith("command line: ")
        assert "\n" not in sentence
