"""The wide set of features from files to folds and their audit: the scripts of the rules, one after the other."""

import json
import runpy

import pandas as pd
import pytest
import yaml

from outsample.config.layers import load
from outsample.errors import ConfigError

EXPERIMENT = """\
data:
  source: {kind: csv, path: "data/{symbol}.csv"}
  symbols: [AAPL, NVDA]
  references: [GOOG]
features:
  sma_cross: [[20, 50]]
  adx: 14
  aroon: 14
  bollinger_width: 20
  deviation: [20]
  parkinson: [20]
  garman_klass: [20]
  drawdown: [60]
  dollar_volume: 20
  calendar: {weekday: true, month_day: true, month: true}
  cross:
    - {symbol: GOOG, returns: [1, 5], beta: 60, strength: [20]}
    - {symbol: AAPL, lag: 1, returns: [1]}
folds: {n_folds: 2, inner_folds: 2, embargo: 5}
"""


@pytest.fixture(scope="module")
def experiment(repository, tmp_path_factory):
    """Folder of an experiment on the first 700 bars of shipped files; GOOG lacks a bar in ten."""
    folder = tmp_path_factory.mktemp("wide")
    (folder / "data").mkdir()
    for symbol in ("AAPL", "NVDA", "GOOG"):
        rows = pd.read_csv(repository / f"data/market/{symbol}.csv", nrows=700)
        rows = rows[(rows.index % 10 != 5) | (symbol != "GOOG")]
        rows.to_csv(folder / f"data/{symbol}.csv", index=False)
    for part in ("base", "environments", "experiments"):
        (folder / "config" / part).mkdir(parents=True)
    for file in ("base/default.yaml", "environments/development.yaml"):
        (folder / "config" / file).write_text((repository / "config" / file).read_text())
    (folder / "config/experiments/wide.yaml").write_text(EXPERIMENT)
    return folder


@pytest.fixture(scope="module")
def results(experiment, repository):
    """Run the scripts from ingest_bars to audit_leakage; gives the folder."""
    settings = load("wide", {"experiment": "wide"}, experiment).settings.model_dump(mode="json")

    def run(script, *files, **params):
        main = runpy.run_path(str(repository / f"workflow_scripts/{script}.py"))["main"]
        main(*(str(experiment / file) for file in files), **params)

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(experiment)
        run("ingest_bars", "bars.parquet", "manifest.json", data=settings)
        checked = ("validated.parquet", "repairs.parquet", "quality.json")
        run("validate_bars", "bars.parquet", *checked, settings=settings)
        run("build_features", "validated.parquet", "features.parquet", "spec.json", settings=settings)
        made = ("development.parquet", "vault.parquet", "split.json")
        run("split_vault", "features.parquet", "spec.json", *made, settings=settings)
        made = ("folds.parquet", "scalers.parquet", "fold_table.csv", "fold_chart.svg")
        run("make_folds", "development.parquet", "spec.json", *made, settings=settings)
        read = ("validated.parquet", "features.parquet", "folds.parquet", "scalers.parquet", "quality.json")
        run("audit_leakage", *read, "audit.parquet", settings=settings)
    return experiment


def test_the_reference_is_read_and_checked_and_stands_in_no_table_that_is_traded(results):
    rows = {name: set(pd.read_parquet(results / f"{name}.parquet")["symbol"]) for name in ("bars", "validated")}
    assert rows["bars"] == rows["validated"] == {"AAPL", "GOOG", "NVDA"}
    for name in ("features", "development", "vault", "folds"):
        assert set(pd.read_parquet(results / f"{name}.parquet")["symbol"]) == {"AAPL", "NVDA"}
    quality = json.loads((results / "quality.json").read_text())
    assert set(quality["symbols"]) == {"AAPL", "GOOG", "NVDA"}
    gaps = [check for check in quality["checks"] if check["id"] == "sessions_covered" and check["count"]]
    assert [(check["symbol"], check["severity"]) for check in gaps] == [("GOOG", "warning")]
    assert json.loads((results / "spec.json").read_text())["others"] == {"symbols": ["AAPL", "GOOG"], "max_age": 5}


def test_nothing_looks_ahead_and_every_feature_is_scaled(results):
    audit = pd.read_parquet(results / "audit.parquet")
    names = {feature["name"] for feature in json.loads((results / "spec.json").read_text())["features"]}
    assert len(names) == 47
    assert {"adx_14", "GOOG:beta_60", "AAPL:return_1_lag_1", "month_day_sin"} <= names
    for kind in ("feature", "scaler"):
        assert set(audit.loc[audit["kind"] == kind, "name"]) == names
    assert not audit["name"].str.contains("GOOG$").any()  # no fill of it
    assert audit["changed"].sum() == 0
    assert set(pd.read_parquet(results / "scalers.parquet")["feature"]) == names


def test_the_closes_are_those_of_the_last_bar_at_or_before_the_date(results):
    features, bars = (pd.read_parquet(results / f"{name}.parquet") for name in ("features", "validated"))
    closes = bars[bars["symbol"] == "GOOG"].set_index("date")["close"]
    own = features[features["symbol"] == "NVDA"].set_index("date")
    assert len(closes) == 630
    assert (own["GOOG:close"] == closes.reindex(own.index).ffill()).all()


def test_settings_that_name_no_known_symbol_are_refused_with_the_nearest(experiment):
    file = experiment / "config/experiments/wrong.yaml"
    settings = yaml.safe_load(EXPERIMENT)
    settings["features"]["cross"][0]["symbol"] = "GOGO"
    file.write_text(yaml.safe_dump(settings))
    with pytest.raises(
        ConfigError, match=r"features.cross\[0\].symbol GOGO is neither .*; did you mean GOOG, or add it"
    ):
        load("wrong", {"experiment": "wrong"}, experiment)
    file.unlink()
