"""Features of a user's own file: what they give, what is refused of them, and the package that carries them."""

import hashlib
import json
import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.package_case import make_case
from tests.unit.test_packaging_package import document, repacked

from outsample.config.features import FeatureSet, UserFeatures
from outsample.errors import PackageError, SchemaError, UserFeatureError
from outsample.features.build import build_features
from outsample.features.registry import own_features
from outsample.features.streaming import FeatureStream
from outsample.features.user import load_user_features
from outsample.io.user_code import read_user_code, user_code_hash
from outsample.packaging import contents
from outsample.packaging.contents import load
from outsample.packaging.trace import replay

EXAMPLE = Path(__file__).parents[2] / "config" / "features" / "example.py"
USE = ("gap", "close_in_range", "range_rank_20")


def drawn_bars(symbol: str = "AA", length: int = 120, seed: int = 1) -> pd.DataFrame:
    draw = np.random.Generator(np.random.PCG64(seed))
    close = 50 * np.exp(np.cumsum(0.01 * draw.standard_normal(length)))
    open_ = close * np.exp(0.005 * draw.standard_normal(length))
    high = np.maximum(open_, close) * (1 + 0.01 * draw.random(length))
    low = np.minimum(open_, close) * (1 - 0.01 * draw.random(length))
    prices = {"open": open_, "high": high, "low": low, "close": close, "volume": 1e6 * (1 + draw.random(length))}
    date = pd.bdate_range("2020-01-01", periods=length).astype("datetime64[us]")
    return pd.DataFrame({"symbol": symbol, "date": date, **prices, "factor": 1.0})


def settings_of(*use: str) -> FeatureSet:
    return FeatureSet(user=UserFeatures(file="config/features/mine.py", use=list(use)))


def built(source: bytes | str, *use: str, bars: pd.DataFrame | None = None):
    source = source.encode() if isinstance(source, str) else source
    wanted = settings_of(*use)
    return build_features(drawn_bars() if bars is None else bars, wanted, own=own_features(wanted, source))


def declared(body: str, warm_up: int = 0, name: str = "mine", inputs: str = '"close",') -> str:
    return (
        "import numpy as np\nfrom outsample.features.user import feature\n"
        f'@feature(name="{name}", formula="f", inputs=({inputs}), warm_up={warm_up})\n'
        f"def mine(close):\n    {body}\n"
    )


def test_the_example_gives_what_its_formulas_say_and_the_stream_repeats_it() -> None:
    bars = drawn_bars()
    table, spec = built(EXAMPLE.read_bytes(), *USE, bars=bars)
    assert [feature["name"] for feature in spec["features"]][-3:] == list(USE)
    entry = spec["features"][-1]
    assert (entry["indicator"], entry["warm_up"], entry["parameters"]) == ("user", 19, {"window": 20})
    sha256 = hashlib.sha256(EXAMPLE.read_bytes()).hexdigest()
    assert entry["code"] == {"file": "mine.py", "sha256": sha256}
    assert table["gap"].iloc[7] == np.log(bars["open"].iloc[7] / bars["close"].iloc[6])
    assert np.isnan(table["gap"].iloc[0])
    span = ((bars["high"] - bars["low"]) / bars["close"]).to_numpy()
    assert table["range_rank_20"].iloc[30] == (span[11:31] < span[30]).mean()

    own = load_user_features(EXAMPLE.read_bytes(), "mine.py", USE)
    stream = FeatureStream.from_spec(json.loads(json.dumps(spec["features"])), own)
    rows = bars[["open", "high", "low", "close", "volume"]].to_numpy().tolist()
    found = [stream.push(*bar) for bar in rows[:50]]
    saved = json.loads(json.dumps(stream.state()))
    stream = FeatureStream.from_state(spec["features"], saved, own)  # goes on where it stopped
    found += [stream.push(*bar) for bar in rows[50:]]
    expected = table[list(stream.names)].to_numpy()
    np.testing.assert_allclose(np.array(found)[:, -3:], expected[:, -3:], rtol=1e-12, atol=1e-15)
    assert len(saved["features"][-1]["state"]["bars"]) == 20


@pytest.mark.parametrize(
    ("source", "message"),
    [
        pytest.param(
            declared("return close[1:]"),
            r"mine.py: the feature mine gives values of shape \(119,\) for 120 bars; return one value for each bar",
            id="wrong length",
        ),
        pytest.param(
            declared("return np.append([np.nan] * 3, close[3:])", warm_up=2),
            r"mine is nan for AA on 2020-01-03 \(row 2\), after its warm-up of 2 bars; declare a longer warm_up",
            id="NaN after the warm-up",
        ),
        pytest.param(
            declared("raise KeyError('nothing of the kind')"),
            r"mine.py: the feature mine raises KeyError \('nothing of the kind'\); correct that function",
            id="raises",
        ),
        pytest.param(declared("return 'text'"), r"the feature mine raises ValueError \(could not convert", id="text"),
        pytest.param(
            declared("close[0] = 1.0\n    return close"),
            r"the feature mine raises ValueError \(assignment destination",
            id="writes into its input",
        ),
        pytest.param(
            declared("return close * np.random.default_rng().random()"),
            r"mine is another for AA on 2020-01-01 when it is computed once more",
            id="not deterministic",
        ),
        pytest.param(
            declared("return np.cumsum(close) / np.arange(1, len(close) + 1)", warm_up=4),
            r"mine is another for AA on 2020-\d\d-\d\d \(row \d+\) when it is computed from the last 5 bars alone, so "
            r"that it remembers more than its warm_up of 4 says",
            id="memory longer than declared",
        ),
        pytest.param(declared("return close", name="sma_33"), r"sma_33 has the name of a built-in feature", id="clash"),
        pytest.param(declared("return close", name="minne"), r"no feature mine, .* did you mean minne\?", id="nearest"),
        pytest.param("x = 1", r"declares no feature mine, .* it declares none", id="no feature"),
        pytest.param("def f(:", r"mine.py: reading it raises SyntaxError", id="no Python"),
        pytest.param("import no_such_module", r"reading it raises ModuleNotFoundError \(No module", id="import"),
        pytest.param(declared("return close", name="Mine!"), r"the feature 'Mine!' needs a name of small", id="name"),
        pytest.param(declared("return close", warm_up=-1), r"needs a warm_up that is a whole number", id="warm-up"),
        pytest.param(declared("return close", inputs='"price",'), r"needs inputs out of open, high", id="inputs"),
        pytest.param(
            declared("return close") + declared("return close").replace("def mine", "def again"),
            r"mine.py declares the feature mine twice",
            id="twice",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_feature_is_one_sentence(source: str, message: str) -> None:
    use = "sma_33" if "sma_33" in source else "mine"
    with pytest.raises(UserFeatureError, match=message) as caught:
        built(source, use)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_missing_is_named(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    wanted = settings_of("mine")
    assert user_code_hash(wanted) == ""
    with pytest.raises(UserFeatureError, match=r"config/features/mine.py, cannot be read \(No such file"):
        read_user_code(wanted)
    assert read_user_code(FeatureSet()) is None


def test_another_file_is_another_hash_and_a_touched_one_is_not(tmp_path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("x = 1\n")
    wanted = FeatureSet(user={"file": str(file), "use": ["mine"]})
    before = user_code_hash(wanted)
    file.touch()
    assert user_code_hash(wanted) == before
    file.write_text("x = 2\n")
    assert user_code_hash(wanted) != before


def test_a_stream_without_the_file_is_refused() -> None:
    _, spec = built(EXAMPLE.read_bytes(), *USE)
    with pytest.raises(SchemaError, match="The feature gap is one of a user's file, which is not at hand"):
        FeatureStream.from_spec(spec["features"])
    other = EXAMPLE.read_bytes().replace(b"warm_up=19", b"warm_up=30")
    with pytest.raises(SchemaError, match="range_rank_20 has inputs, parameters or a warm-up in the feature spec"):
        FeatureStream.from_spec(spec["features"], load_user_features(other, "mine.py", USE))


@pytest.fixture(scope="module")
def packaged():
    case = make_case(symbols=("AA", "BB"), user_code=EXAMPLE.read_bytes(), use=USE)
    return case, case.build(user_code=EXAMPLE.read_bytes()).archive


def test_a_package_carries_the_file_says_so_and_trades_with_it(packaged, caplog) -> None:
    _, archive = packaged
    with caplog.at_level(logging.WARNING):
        package = load(archive, "x.tar.gz")
    assert "x.tar.gz runs the code of its user's features: user_features.py, sha256" in caplog.text
    assert package.files[contents.USER_CODE] == EXAMPLE.read_bytes()
    assert replay(package, "x.tar.gz") > 400
    assert "gap, close_in_range, range_rank_20 come from code of the user" in package.files["MODEL_CARD.md"].decode()


def test_a_package_with_another_file_is_refused_before_it_runs(packaged) -> None:
    _, archive = packaged
    harmful = b"raise SystemExit('this code ran')\n"
    for changes in ({contents.USER_CODE: harmful}, {contents.USER_CODE: None}):
        with pytest.raises(PackageError, match=r"is not the one that features\.spec\.json names"):
            load(repacked(archive, changes, remake=True), "x")
    spec = document(archive, "features.spec.json")
    plain = [{key: value for key, value in feature.items() if key != "code"} for feature in spec["features"]]
    changed = {"features.spec.json": json.dumps(spec | {"features": plain}).encode()}
    with pytest.raises(PackageError, match=r"is not the one that features\.spec\.json names"):
        load(repacked(archive, changes=changed, remake=True), "x")


def test_a_file_that_changed_after_the_features_were_built_is_not_packaged(packaged) -> None:
    case, _ = packaged
    for code in (None, EXAMPLE.read_bytes() + b"\n"):
        with pytest.raises(PackageError, match="is not the one that the features were built with"):
            case.build(user_code=code)
