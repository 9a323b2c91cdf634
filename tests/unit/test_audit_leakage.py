"""The audit finds nothing in the shipped features on real bars, and finds every leak that is planted."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from outsample.config.features import CalendarFeatures, CrossFeatures, FeatureSet, UserFeatures
from outsample.config.folds import Folds
from outsample.config.models import Vault
from outsample.errors import AuditError
from outsample.features.audit import audit_decisions, audit_leakage, choose_cuts, replace_future
from outsample.features.build import build_features
from outsample.features.listing import EVERY
from outsample.features.references import Closes
from outsample.features.registry import INDICATORS, own_features, requested_features
from outsample.folds.audit import audit_experiment
from outsample.folds.make import make_folds
from outsample.folds.scalers import fit_scalers
from outsample.folds.vault import split_vault
from outsample.market.accounting import Ledger, MarketRules, simulate
from outsample.market.fill_audit import audit_fills

MARKET = Path(__file__).parents[2] / "data" / "market"
FEATURES = FeatureSet(return_lags=[0, 1], return_horizons=[5], sma=[10], ema=[12], volatility=[10])
FOLDS = Folds(n_folds=3, inner_folds=2, embargo=5)
RULES = MarketRules("next_open", 6e-4, 4e-5, short_selling=True, grid=0.01, band=0.0)


def market_bars(symbol: str) -> pd.DataFrame:
    raw = pd.read_csv(MARKET / f"{symbol}.csv", parse_dates=["date"])
    factor = raw["adj_close"] / raw["close"]
    prices = {name: raw[name] * factor for name in ("open", "high", "low", "close")}
    date = raw["date"].astype("datetime64[us]")
    return pd.DataFrame(
        {"symbol": symbol, "date": date, **prices, "volume": raw["volume"].astype(float), "factor": factor}
    )


@pytest.fixture(scope="module")
def bars() -> pd.DataFrame:
    """Two symbols of 500 dates, the second starting 150 dates later."""
    first, second = market_bars("AAPL").iloc[:500], market_bars("NVDA").iloc[150:500]
    return pd.concat([first, second], ignore_index=True)


@pytest.fixture(scope="module")
def cuts(bars: pd.DataFrame) -> list[pd.Timestamp]:
    dates = np.unique(bars["date"].to_numpy())
    return choose_cuts(dates, 33, 8, [pd.Timestamp(dates[374])])


def build(bars: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Any]]:
    return build_features(bars, FEATURES)


def names_of(spec: dict[str, Any]) -> list[str]:
    return [feature["name"] for feature in spec["features"]]


def split_and_fold(table: pd.DataFrame, spec: dict[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    development, _, _ = split_vault(table, Vault(), spec["warm_up"])
    folds = make_folds(development, FOLDS, spec["warm_up"])
    return folds, fit_scalers(development, folds, names_of(spec))


def planted(leak: Any) -> Any:
    """A build whose feature return_lag_0 is replaced by what `leak` makes of one symbol's table."""

    def built(bars: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Any]]:
        table, spec = build(bars)
        parts = [leak(part) for _, part in table.groupby("symbol")]
        return table.assign(return_lag_0=np.concatenate(parts)), spec

    return built


def test_shipped_features_folds_and_scalers_do_not_look_ahead(bars: pd.DataFrame) -> None:
    audit = audit_experiment(bars, FEATURES, Vault(), FOLDS)
    assert audit["changed"].sum() == 0
    assert set(audit["kind"]) == {"feature", "fold", "scaler"}
    names = names_of(build(bars)[1])
    assert set(audit.loc[audit["kind"] == "feature", "name"]) == set(names)
    assert set(audit.loc[audit["kind"] == "scaler", "name"]) == set(names)
    assert set(audit.loc[audit["kind"] == "fold", "name"]) == {"fold -1", "fold 0", "fold 1", "fold 2"}
    assert (audit.groupby(["kind", "name"])["rows"].max() > 0).all()
    assert audit.dtypes[["rows", "changed"]].tolist() == [np.dtype("int64")] * 2
    assert not audit.duplicated(["kind", "name", "cut"]).any()


WIDE = EVERY.model_copy(
    update={
        "calendar": CalendarFeatures(weekday=True, month_day=True, month=True),  # the time of day does not vary here
        "cross": [
            CrossFeatures(symbol="GOOG", returns=[1], beta=20, strength=[5]),
            CrossFeatures(symbol="AAPL", lag=1, returns=[1], beta=20, strength=[5]),
        ],
    }
)


@pytest.fixture(scope="module")
def with_reference(bars: pd.DataFrame) -> pd.DataFrame:
    """AAPL and NVDA, and every second bar of GOOG from the first on."""
    return pd.concat([bars[:500], market_bars("GOOG").iloc[:500:2], bars[500:]], ignore_index=True)


def test_every_registered_feature_at_once_does_not_look_ahead(with_reference: pd.DataFrame) -> None:
    audit = audit_experiment(with_reference, WIDE, Vault(), FOLDS, n_cuts=6, references=["GOOG"])
    assert audit["changed"].sum() == 0
    names = [feature.name for feature in requested_features(WIDE)]
    assert set(audit.loc[audit["kind"] == "feature", "name"]) == set(names)
    left_out = {"time_of_day_sin", "time_of_day_cos"}
    assert {feature.indicator for feature in requested_features(WIDE)} == {i.id for i in INDICATORS} - left_out


def test_the_future_of_a_reference_is_replaced_at_the_same_cut(with_reference: pd.DataFrame) -> None:
    cut = pd.Timestamp("2014-01-02")
    other = replace_future(with_reference, cut, seed=1)
    late = ((with_reference["symbol"] == "GOOG") & (with_reference["date"] > cut)).to_numpy()
    early = ((with_reference["symbol"] == "GOOG") & (with_reference["date"] <= cut)).to_numpy()
    assert late.sum() > 100
    assert (other.loc[late, "close"] != with_reference.loc[late, "close"]).all()
    assert (other.loc[early, "close"] == with_reference.loc[early, "close"]).all()


def test_a_reference_that_is_read_one_bar_ahead_is_named(with_reference: pd.DataFrame, monkeypatch: Any) -> None:
    def ahead(symbol: str, dates: Any, other: str, closes: Closes, max_age: int) -> Any:
        rows = np.searchsorted(closes.dates, dates, side="left")  # the first bar at or after the date
        return closes.values[np.minimum(rows, len(closes.values) - 1)]

    monkeypatch.setattr("outsample.features.build.last_closes", ahead)
    with pytest.raises(AuditError, match=r"The feature GOOG:\w+ looks ahead: .* first AAPL on"):
        audit_experiment(with_reference, WIDE, Vault(), FOLDS, n_cuts=6, references=["GOOG"])


def test_cuts_are_where_leaks_hide(bars: pd.DataFrame) -> None:
    dates = np.unique(bars["date"].to_numpy())
    cuts = choose_cuts(dates, 33, 12, [pd.Timestamp(dates[374])])
    assert len(cuts) == 12
    assert cuts == choose_cuts(bars["date"].to_numpy()[::-1], 33, 12, [pd.Timestamp(dates[374])])
    assert {pd.Timestamp(dates[row]) for row in (0, 32, 33, 374, 498)} <= set(cuts)


def test_the_replaced_future_is_another_and_the_past_the_same(bars: pd.DataFrame) -> None:
    cut = pd.Timestamp("2014-01-02")
    other = replace_future(bars, cut, seed=1)
    past = (bars["date"] <= cut).to_numpy()
    pd.testing.assert_frame_equal(other[past], bars[past], check_exact=True)
    pd.testing.assert_series_equal(other["date"], bars["date"])
    assert (other.loc[~past, "close"] != bars.loc[~past, "close"]).all()
    assert (other["low"] <= other[["open", "close"]].min(axis=1)).all()
    assert (other["high"] >= other[["open", "close"]].max(axis=1)).all()
    assert (other["low"] > 0).all()
    returns = np.log(other["close"]).groupby(other["symbol"]).diff().to_numpy()
    real = np.log(bars["close"]).groupby(bars["symbol"]).diff().to_numpy()
    drawn = returns[~past & np.isfinite(returns)]
    nearest = np.abs(drawn[:, None] - real[np.isfinite(real)]).min(axis=1)
    assert np.median(nearest) < 1e-12  # moves that happened, at another time


@pytest.mark.parametrize(
    "leak",
    [
        pytest.param(lambda part: part["close"].rolling(5, center=True).mean() / part["close"], id="centred window"),
        pytest.param(lambda part: np.log(part["close"]).diff().shift(-1), id="future return"),
        pytest.param(lambda part: part["return_lag_0"] / part["return_lag_0"].std(), id="full-sample scaling"),
        pytest.param(lambda part: part["return_lag_0"].bfill(), id="fill backwards over the warm-up"),
        pytest.param(lambda part: part["close"] / part["close"].iloc[-1], id="last price"),
        pytest.param(lambda part: part["close"].rank(), id="rank in the full sample"),
    ],
)
def test_a_planted_leak_is_named(bars: pd.DataFrame, cuts: list[pd.Timestamp], leak: Any) -> None:
    with pytest.raises(AuditError, match=r"The feature return_lag_0 looks ahead: .* first AAPL on 2013-\d\d-\d\d"):
        audit_leakage(bars, planted(leak), split_and_fold, cuts)


def test_a_future_return_is_first_seen_in_the_row_of_the_cut(bars: pd.DataFrame) -> None:
    build_leak = planted(lambda part: np.log(part["close"]).diff().shift(-1))
    with pytest.raises(AuditError, match=r"2 of 608 rows change, first AAPL on 2014-07-03 00:00:00"):
        audit_leakage(bars, build_leak, split_and_fold, [pd.Timestamp("2014-07-03")])


def test_a_row_set_that_depends_on_the_future_is_refused(bars: pd.DataFrame, cuts: list[pd.Timestamp]) -> None:
    def drops(frame: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Any]]:
        table, spec = build(frame)
        return table[table["close"] > table["close"].median()].reset_index(drop=True), spec

    with pytest.raises(AuditError, match="The rows of the feature table up to"):
        audit_leakage(bars, drops, split_and_fold, cuts)


def test_a_scaler_of_the_full_sample_is_named(bars: pd.DataFrame, cuts: list[pd.Timestamp]) -> None:
    def full_sample(table: pd.DataFrame, spec: dict[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
        folds, scalers = split_and_fold(table, spec)
        center = table.groupby(lambda _: 0)["rsi_14"].mean().iloc[0]
        return folds, scalers.assign(center=scalers["center"].where(scalers["feature"] != "rsi_14", center))

    with pytest.raises(AuditError, match="The scaler of rsi_14 in fold 0, inner fold 1 looks ahead"):
        audit_leakage(bars, build, full_sample, cuts)


def test_a_scaling_by_rank_is_audited_by_its_knots(bars: pd.DataFrame, cuts: list[pd.Timestamp]) -> None:
    ranked = FOLDS.model_copy(update={"scaling": "quantile_rank"})
    assert audit_experiment(bars, FEATURES, Vault(), ranked, n_cuts=4)["changed"].sum() == 0

    def knot_of_everything(table: pd.DataFrame, spec: dict[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
        development, _, _ = split_vault(table, Vault(), spec["warm_up"])
        folds = make_folds(development, FOLDS, spec["warm_up"])
        scalers = fit_scalers(development, folds, names_of(spec), "quantile_rank")
        highest = table.groupby(lambda _: 0)["rsi_14"].max().iloc[0]
        return folds, scalers.assign(knot_32=scalers["knot_32"].where(scalers["feature"] != "rsi_14", highest))

    with pytest.raises(AuditError, match="The scaler of rsi_14 in fold 0, inner fold 1 looks ahead"):
        audit_leakage(bars, build, knot_of_everything, cuts)


def test_a_scaler_that_reads_one_row_too_many_is_named(bars: pd.DataFrame) -> None:
    def one_more(table: pd.DataFrame, spec: dict[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
        development, _, _ = split_vault(table, Vault(), spec["warm_up"])
        folds = make_folds(development, FOLDS, spec["warm_up"])
        longer = folds.assign(end=folds["end"] + (folds["fold"] == 1))
        return folds, fit_scalers(development, longer, names_of(spec))

    folds, _ = split_and_fold(*build(bars))
    train = folds[(folds["fold"] == 1) & (folds["part"] == "train")]
    cuts = [train["last_date"].max(), bars["date"].iloc[498]]
    with pytest.raises(AuditError, match=r"The scaler of \w+ in fold 1, inner fold 0 looks ahead"):
        audit_leakage(bars, build, one_more, cuts)


def test_folds_cut_by_prices_are_named(bars: pd.DataFrame, cuts: list[pd.Timestamp]) -> None:
    def by_price(table: pd.DataFrame, spec: dict[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
        folds, scalers = split_and_fold(table, spec)
        late = int(table["close"].iloc[499] * 1000) % 100  # a boundary that the last price moves
        return folds.assign(start=folds["start"] + late * (folds["fold"] == 2)), scalers

    with pytest.raises(AuditError, match="Fold 2 looks ahead"):
        audit_leakage(bars, build, by_price, cuts)


def test_an_audit_that_compares_nothing_is_refused(bars: pd.DataFrame) -> None:
    with pytest.raises(AuditError, match="compared no row at any cut"):
        audit_leakage(bars, build, split_and_fold, [pd.Timestamp("2013-03-01")])
    with pytest.raises(AuditError, match="compared no row at any cut"):
        audit_leakage(bars, build, split_and_fold, [])


def test_decisions_of_the_past_pass_and_are_counted(bars: pd.DataFrame, cuts: list[pd.Timestamp]) -> None:
    audit = audit_decisions(bars, build, lambda table: np.sign(table["return_5"]), cuts)
    assert audit["changed"].sum() == 0
    assert set(audit["name"]) == {"AAPL", "NVDA"}
    # 374 is the last date before the vault: 375 dates of AAPL and 225 of NVDA, less 33 bars of warm-up each.
    at_vault = audit[audit["cut"] == bars["date"].iloc[374]].set_index("name")["rows"]
    assert at_vault.to_dict() == {"AAPL": 375 - 33, "NVDA": 225 - 33}


def test_decisions_that_know_the_future_are_named(bars: pd.DataFrame, cuts: list[pd.Timestamp]) -> None:
    def clairvoyant(table: pd.DataFrame) -> pd.Series:
        return np.sign(table.groupby("symbol")["return_lag_0"].shift(-1)).where(table["symbol"] == "NVDA", 0.0)

    with pytest.raises(AuditError, match=r"The decision NVDA looks ahead: 1 of \d+ rows change, first NVDA on"):
        audit_decisions(bars, build, clairvoyant, cuts)


def own_build(body: str) -> Any:
    """A build with the feature `mine` of a user's file, whose function has this body."""
    source = (
        "import numpy as np\nfrom outsample.features.user import feature\n"
        '@feature(name="mine", formula="f", inputs=("close",), warm_up=5)\n'
        f"def mine(close):\n    {body}\n"
    )
    wanted = FEATURES.model_copy(update={"user": UserFeatures(file="mine.py", use=["mine"])})
    own = own_features(wanted, source.encode())
    return lambda bars: build_features(bars, wanted, own=own)


def fit_on_everything(table: pd.DataFrame, spec: dict[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    folds, scalers = split_and_fold(table, spec)
    whole = table.groupby(lambda _: 0)["rsi_14"].std(ddof=0).iloc[0]
    return folds, scalers.assign(scale=scalers["scale"].where(scalers["feature"] != "rsi_14", whole))


def filled_where_decided(targets: Any, open: Any, close: Any, rules: MarketRules, *rest: Any) -> Ledger:
    """Books that fill at the close at which the target was decided."""
    before = np.concatenate([close[:1], close[:-1]])
    return simulate(targets, before, close, dataclasses.replace(rules, fill="next_open"), *rest)


def backfilled(part: pd.DataFrame) -> pd.Series:
    """A value that only the bars of much volume have, and which those before them are given."""
    return part["return_lag_0"].where(part["volume"] > part["volume"].iloc[:20].median()).bfill()


CENTRED = "return np.convolve(np.pad(close, 2, mode='edge'), np.ones(5) / 5, 'valid') / close"
NEXT_RETURN = "return np.append(np.diff(np.log(close)), 0.0)"


@pytest.mark.parametrize(
    ("leak", "message"),
    [
        pytest.param(
            lambda bars, cuts: audit_leakage(bars, own_build(CENTRED), split_and_fold, cuts),
            r"The feature mine looks ahead: 2 of 33 rows change, first AAPL on 2013-02-15 ",
            id="centred window",
        ),
        pytest.param(
            lambda bars, cuts: audit_leakage(bars, build, fit_on_everything, cuts),
            r"The scaler of rsi_14 in fold 0, inner fold 1 looks ahead",
            id="full-sample scaler",
        ),
        pytest.param(
            lambda bars, cuts: audit_leakage(bars, planted(backfilled), split_and_fold, cuts),
            r"The feature return_lag_0 looks ahead: .* first AAPL on 2013-",
            id="backfill",
        ),
        pytest.param(
            lambda bars, cuts: audit_leakage(bars, own_build(NEXT_RETURN), split_and_fold, cuts),
            r"The feature mine looks ahead: 1 of 33 rows change, first AAPL on 2013-02-19 ",
            id="label in features",
        ),
        pytest.param(
            lambda bars, cuts: audit_fills(bars, RULES, cuts, filled_where_decided),
            r"The fills of AAPL come too early: of a position asked for at the close of 2013-01-02",
            id="wrong fill time",
        ),
    ],
)
def test_the_five_classic_leaks_are_caught(
    bars: pd.DataFrame, cuts: list[pd.Timestamp], leak: Any, message: str
) -> None:
    with pytest.raises(AuditError, match=message):
        leak(bars, cuts)


def test_table_that_is_not_the_audited_one_is_refused(repository):
    from outsample.config.data import Data, SimulatedSource
    from outsample.config.features import FeatureSet
    from outsample.config.folds import Folds
    from outsample.config.models import Market, Vault
    from outsample.data.sources import read_bars
    from outsample.data.validate import validate_bars
    from outsample.features.build import build_features
    from outsample.folds.audit import Written, audit_experiment
    from outsample.folds.make import make_folds
    from outsample.folds.scalers import fit_scalers
    from outsample.folds.vault import split_vault

    data = Data(source=SimulatedSource(bars=700), symbols=["B", "A"])
    bars, _ = validate_bars(read_bars(data, repository)[0], data, Market())
    features, spec = build_features(bars, FeatureSet())
    development, _, _ = split_vault(features, Vault(), spec["warm_up"])
    settings = Folds(n_folds=2, inner_folds=2, embargo=5)
    folds = make_folds(development, settings, spec["warm_up"])
    scalers = fit_scalers(development, folds, [feature["name"] for feature in spec["features"]])
    arguments = (bars, FeatureSet(), Vault(), settings, 4)

    written = Written(features.iloc[::-1], folds, scalers)  # the order of rows says nothing
    assert (audit_experiment(*arguments, written=written)["changed"] == 0).all()
    moved = scalers.assign(center=scalers["center"] + (scalers.index == 3) * 1e-9)
    with pytest.raises(AuditError, match="The table scalers is not the one"):
        audit_experiment(*arguments, written=written._replace(scalers=moved))
    with pytest.raises(AuditError, match="The table features is not the one"):
        audit_experiment(*arguments, written=written._replace(features=features.drop(columns="rsi_14")))
