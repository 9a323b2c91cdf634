"""Features of dates and of other symbols: values by hand, the alignment of closes, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from outsample.config.features import CrossFeatures, FeatureSet
from outsample.errors import DataError
from outsample.features import context_indicators as context
from outsample.features.build import build_features
from outsample.features.references import Closes, last_closes
from outsample.features.streaming import seconds_of

NAN = np.nan


def dates(*texts: str) -> np.ndarray:
    return np.array(texts, "datetime64[us]")


def test_parts_of_the_date_by_hand() -> None:
    # A Monday, a Thursday; the first of March of a leap year and the 16th of 30 days; midnight, 18 o'clock.
    date = seconds_of(dates("2024-01-01", "1970-01-01", "2024-03-01T18:00", "2024-04-16T06:00", "1969-12-31T12:00"))
    np.testing.assert_allclose(context.weekday_share(date), np.array([0, 3, 4, 1, 2]) / 7, rtol=1e-15)
    np.testing.assert_allclose(context.month_day_share(date), [0, 0, 0, 15 / 30, 30 / 31], rtol=1e-15)
    np.testing.assert_allclose(context.month_share(date), np.array([0, 0, 2, 3, 11]) / 12, rtol=1e-15)
    np.testing.assert_allclose(context.time_of_day_share(date), [0, 0, 0.75, 0.25, 0.5], rtol=1e-15)
    np.testing.assert_allclose(context.time_of_day_sin(date), [0, 0, -1, 1, 0], atol=1e-15)
    np.testing.assert_allclose(context.month_day_cos(date)[:4], [1, 1, 1, -1], atol=1e-15)


def test_returns_of_another_symbol_by_hand() -> None:
    own, other = np.exp([0.0, 1, 3, 6, 10]), np.exp([0.0, 2, 3, 3, 8])
    np.testing.assert_allclose(context.other_return(other, 2, 0), [NAN, NAN, 3, 1, 5], rtol=1e-14)
    np.testing.assert_allclose(context.other_return(other, 2, 1), [NAN, NAN, NAN, 3, 1], rtol=1e-14)
    np.testing.assert_allclose(context.relative_strength(own, other, 2, 0), [NAN, NAN, 0, 4, 2], atol=1e-14)
    np.testing.assert_allclose(context.relative_strength(own, other, 2, 1), [NAN, NAN, NAN, 2, 6], atol=1e-14)


def test_beta_by_hand() -> None:
    # Returns 1, 2, 3, 4 on 2, 1, 0, 5. Window 2: (1, 2) on (2, 1) is -1, (2, 3) on (1, 0) -1, (3, 4) on (0, 5) 1/5.
    own, other = np.exp([0.0, 1, 3, 6, 10]), np.exp([0.0, 2, 3, 3, 8])
    np.testing.assert_allclose(context.beta(own, other, 2, 0), [NAN, NAN, -1, -1, 0.2], rtol=1e-12)
    np.testing.assert_allclose(context.residual_return(own, other, 2, 0), [NAN, NAN, 3, 3, 3], rtol=1e-12)
    # One bar late: (2, 3) on (2, 1), (3, 4) on (1, 0).
    np.testing.assert_allclose(context.beta(own, other, 2, 1), [NAN, NAN, NAN, -1, -1], rtol=1e-12)


def test_beta_to_itself_is_one_and_to_what_does_not_move_nought() -> None:
    close = np.exp(np.cumsum(np.random.Generator(np.random.PCG64(1)).normal(0, 0.02, 50)))
    np.testing.assert_array_equal(context.beta(close, close, 9, 0)[9:], 1.0)
    np.testing.assert_array_equal(context.residual_return(close, close, 9, 0)[9:], 0.0)
    np.testing.assert_array_equal(context.beta(close, np.full(50, 3.0), 9, 0)[9:], 0.0)


@pytest.mark.parametrize("length", range(6))
def test_arrays_shorter_than_the_window_are_all_warm_up(length: int) -> None:
    close = np.linspace(1.0, 2.0, length)
    for values in (
        context.other_return(close, 3, 3),
        context.relative_strength(close, close, 3, 3),
        context.beta(close, close, 3, 3),
        context.residual_return(close, close, 6, 0),
    ):
        assert values.shape == (length,)
        assert np.isnan(values).all()


SPY = Closes(dates("2024-01-02", "2024-01-03T16:00", "2024-01-08"), np.array([1.0, 2.0, 3.0]))


def test_the_close_is_of_the_last_bar_at_or_before_the_date_and_never_of_a_later_one() -> None:
    own = dates("2024-01-02", "2024-01-03", "2024-01-03T16:00", "2024-01-07", "2024-01-08", "2024-01-09")
    np.testing.assert_array_equal(last_closes("A", own, "SPY", SPY, 5), [1, 1, 2, 2, 3, 3])


def test_a_reference_that_begins_later_or_has_no_bar_is_refused() -> None:
    with pytest.raises(DataError, match=r"A has a bar on 2024-01-01, and SPY, .* begins on 2024-01-02; give earlier"):
        last_closes("A", dates("2024-01-01"), "SPY", SPY, 5)
    with pytest.raises(DataError, match=r"begins on 2024-01-02; give earlier bars of SPY\.$"):
        last_closes("A", dates("2024-01-01"), "SPY", SPY, 5, settings=False)
    with pytest.raises(DataError, match="has no bar"):
        last_closes("A", dates("2024-01-01"), "SPY", Closes(dates(), np.array([])), 5)


def test_a_close_that_is_too_old_is_refused() -> None:
    own = dates("2024-01-13", "2024-01-14", "2024-01-15")
    np.testing.assert_array_equal(last_closes("A", own[:1], "SPY", SPY, 5), [3])
    with pytest.raises(
        DataError,
        match=r"A on 2024-01-14: the last bar of SPY is of 2024-01-08, more than 5 days before; "
        r"complete the bars of SPY, or raise features.cross_max_age\.$",
    ):
        last_closes("A", own, "SPY", SPY, 5)


def _bars(symbol: str, days: pd.DatetimeIndex, seed: int) -> pd.DataFrame:
    close = 50 * np.exp(np.cumsum(np.random.Generator(np.random.PCG64(seed)).normal(0, 0.02, len(days))))
    columns = {"open": close, "high": close * 1.01, "low": close * 0.99, "close": close, "volume": 1e6, "factor": 1.0}
    return pd.DataFrame({"symbol": symbol, "date": days, **columns})


def test_a_reference_has_a_column_in_the_table_and_no_rows_and_a_traded_symbol_may_serve_as_well() -> None:
    days = pd.date_range("2024-01-01", periods=40, unit="us")
    bars = pd.concat([_bars("A", days, 1), _bars("B", days[10:], 2), _bars("R", days[::2], 3)], ignore_index=True)
    settings = FeatureSet.model_validate(
        {"return_horizons": [2], "cross": [{"symbol": "R", "returns": [1]}, {"symbol": "A", "returns": [1]}]}
        | {key: [] for key in ("return_lags", "sma", "ema", "volatility")}
        | dict.fromkeys(("rsi", "macd", "bollinger", "atr", "volume"))
    )
    table, spec = build_features(bars, settings, ["R"])
    assert spec["others"] == {"symbols": ["A", "R"], "max_age": 5}
    assert table.columns[-5:].tolist() == ["A:close", "R:close", "return_2", "R:return_1", "A:return_1"]
    assert set(table["symbol"]) == {"A", "B"}
    part = table[table["symbol"] == "B"]
    own = bars[bars["symbol"] == "A"].set_index("date")["close"]
    other = bars[bars["symbol"] == "R"].set_index("date")["close"].reindex(days).ffill()
    np.testing.assert_array_equal(part["A:close"], own[days[10:]])
    np.testing.assert_array_equal(part["R:close"], other[days[10:]])
    np.testing.assert_array_equal(part["A:return_1"].to_numpy()[1:], np.log(own / own.shift())[days[11:]])


def test_a_symbol_that_begins_before_another_whose_closes_it_takes_is_refused() -> None:
    days = pd.date_range("2024-01-01", periods=40, unit="us")
    bars = pd.concat([_bars("A", days, 1), _bars("B", days[10:], 2)], ignore_index=True)
    settings = FeatureSet(macd=None, sma=[], return_horizons=[], cross=[CrossFeatures(symbol="B", beta=5)])
    with pytest.raises(DataError, match="A has a bar on 2024-01-01, and B, whose close its features take, begins on"):
        build_features(bars, settings)
