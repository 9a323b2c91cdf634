"""Indicators against values worked out by hand, and against plain loops."""

import doctest

import numpy as np
import pytest

from outsample.features import indicators as ind

NAN = np.nan


def test_doctests() -> None:
    assert doctest.testmod(ind) == (0, 2)


def test_rolling_mean_by_hand() -> None:
    np.testing.assert_array_equal(ind.rolling_mean(np.array([1.0, 2.0, 6.0, 4.0]), 3), [NAN, NAN, 3.0, 4.0])


def test_rolling_zscore_by_hand() -> None:
    # Windows (1, 3), (3, 3), (3, 2): means 2, 3, 2.5, deviations 1, 0, 0.5.
    np.testing.assert_array_equal(ind.rolling_zscore(np.array([1.0, 3.0, 3.0, 2.0]), 2), [NAN, 1.0, 0.0, -1.0])


def test_ema_starts_with_the_mean_of_its_first_bars() -> None:
    # Span 3: weight 1/2; row 2 is (2 + 4 + 6) / 3 = 4, then (8 + 4) / 2 = 6, then (0 + 6) / 2 = 3.
    np.testing.assert_allclose(ind.ema(np.array([2.0, 4.0, 6.0, 8.0, 0.0]), 3), [NAN, NAN, 4.0, 6.0, 3.0], rtol=1e-15)


def test_wilder_mean_by_hand() -> None:
    # Window 2: (4 + 2) / 2 = 3, then (3 + 5) / 2 = 4; window 4 fills the array exactly.
    np.testing.assert_allclose(ind.wilder_mean(np.array([4.0, 2.0, 5.0]), 2), [NAN, 3.0, 4.0], rtol=1e-15)
    np.testing.assert_array_equal(ind.wilder_mean(np.array([1.0, 2.0, 3.0, 6.0]), 4), [NAN, NAN, NAN, 3.0])


def test_returns_by_hand() -> None:
    close = np.exp([0.0, 1.0, 3.0, 6.0])
    np.testing.assert_allclose(ind.lagged_return(close, 0), [NAN, 1.0, 2.0, 3.0], rtol=1e-14)
    np.testing.assert_allclose(ind.lagged_return(close, 2), [NAN, NAN, NAN, 1.0], rtol=1e-14)
    np.testing.assert_allclose(ind.log_return(close, 3), [NAN, NAN, NAN, 6.0], rtol=1e-14)


def test_ratios_by_hand() -> None:
    close = np.array([2.0, 4.0, 6.0, 8.0])
    np.testing.assert_allclose(ind.sma_ratio(close, 2), [NAN, 4 / 3 - 1, 6 / 5 - 1, 8 / 7 - 1], rtol=1e-14)
    np.testing.assert_allclose(ind.ema_ratio(close, 3), [NAN, NAN, 6 / 4 - 1, 8 / 6 - 1], rtol=1e-14)


def test_rsi_at_its_ends() -> None:
    rising = np.arange(1.0, 6.0)
    np.testing.assert_array_equal(ind.rsi(rising, 3)[3:], [100.0, 100.0])
    np.testing.assert_array_equal(ind.rsi(rising[::-1].copy(), 3)[3:], [0.0, 0.0])
    np.testing.assert_array_equal(ind.rsi(np.full(5, 7.0), 3), [NAN, NAN, NAN, 50.0, 50.0])


def test_macd_by_hand() -> None:
    # EMA(2) from row 1, EMA(3) from row 2 of 3, 3, 3, 6, 6: weights 2/3 and 1/2.
    # EMA(2): 3, 3, 5, 17/3; EMA(3): 3, 4.5, 5.25; difference from row 2: 0, 1/2, 5/12; its EMA(2): 1/4, 13/36.
    close = np.array([3.0, 3.0, 3.0, 6.0, 6.0])
    np.testing.assert_allclose(ind.macd_line(close, 2, 3), [NAN, NAN, 0.0, 1 / 12, 5 / 72], atol=1e-15)
    np.testing.assert_allclose(ind.macd_signal(close, 2, 3, 2), [NAN, NAN, NAN, 1 / 24, 13 / 216], atol=1e-15)
    np.testing.assert_allclose(
        ind.macd_histogram(close, 2, 3, 2), [NAN, NAN, NAN, 1 / 24, 5 / 72 - 13 / 216], atol=1e-15
    )


def test_bollinger_by_hand() -> None:
    # Window 1, 1, 4: mean 2, deviation sqrt(2), so (4 - 2) / (2 sqrt(2)).
    np.testing.assert_allclose(ind.bollinger_position(np.array([1.0, 1.0, 4.0]), 3)[2], 1 / np.sqrt(2), rtol=1e-15)
    np.testing.assert_array_equal(ind.bollinger_position(np.full(4, 0.1), 3)[2:], [0.0, 0.0])


def test_atr_by_hand() -> None:
    # True ranges from row 1: 14 - 10 (gap up from 10), 12 - 9 (gap down from 12), 16 - 10 (gap up from 10).
    high, low, close = np.array([11.0, 14, 11, 16]), np.array([9.0, 11, 9, 15]), np.array([10.0, 12, 10, 16])
    np.testing.assert_allclose(ind.atr_ratio(high, low, close, 2), [NAN, NAN, 3.5 / 10, 4.75 / 16], rtol=1e-15)


def test_realised_volatility_by_hand() -> None:
    close = np.exp([0.0, 3.0, 7.0, 7.0])  # returns 3, 4, 0
    expected = [NAN, NAN, np.sqrt(12.5), np.sqrt(8.0)]
    np.testing.assert_allclose(ind.realised_volatility(close, 2), expected, rtol=1e-14)


def test_volume_zscore_is_zero_where_volume_does_not_vary() -> None:
    volume = np.array([0.0, 0.0, 5e8, 5e8, 5e8, np.e * (1 + 5e8) - 1])
    np.testing.assert_allclose(ind.volume_zscore(volume, 2), [NAN, 0.0, 1.0, 0.0, 0.0, 1.0], rtol=1e-9)
    np.testing.assert_array_equal(ind.volume_zscore(np.full(9, 123456.7), 4)[3:], np.zeros(6))


def test_directional_indicators_by_hand() -> None:
    # Up by 2, 0, 3, 1; down by -1, 2, 3, 0: the larger counts where it is above 0, of equal ones neither.
    # +DM: 2, 0, 0, 1; -DM: 0, 2, 0, 0; true ranges: 4, 5, 7, 5, each from the close 10.
    high, low, close = np.array([11.0, 13, 13, 16, 17]), np.array([9.0, 10, 8, 5, 5]), np.full(5, 10.0)
    ranges = np.array([13 - 10, 13 - 8, 16 - 5, 17 - 5])
    average = [(ranges[0] + ranges[1]) / 2]
    average += [(average[0] + ranges[2]) / 2]
    average += [(average[1] + ranges[3]) / 2]
    plus, minus = np.array([1, 0.5, 0.75]), np.array([1, 0.5, 0.25])
    np.testing.assert_allclose(ind.plus_di(high, low, close, 2), [NAN, NAN, *(100 * plus / average)], rtol=1e-14)
    np.testing.assert_allclose(ind.minus_di(high, low, close, 2), [NAN, NAN, *(100 * minus / average)], rtol=1e-14)
    # The quotients are 0, 0, 50: their average begins with 0 in row 3 and goes on with 25.
    np.testing.assert_allclose(ind.adx(high, low, close, 2), [NAN, NAN, NAN, 0, 25], atol=1e-12)


def test_directional_indicators_are_0_where_nothing_moves() -> None:
    flat = np.full(9, 7.0)
    for values in (ind.plus_di(flat, flat, flat, 3), ind.minus_di(flat, flat, flat, 3), ind.adx(flat, flat, flat, 3)):
        np.testing.assert_array_equal(values[5:], np.zeros(4))


def test_aroon_takes_the_newest_of_equal_extremes() -> None:
    high, low = np.array([5.0, 3, 5, 4, 1]), np.array([2.0, 1, 3, 1, 9])
    np.testing.assert_allclose(ind.aroon_up(high, 2), [NAN, NAN, 100, 50, 0])
    np.testing.assert_allclose(ind.aroon_down(low, 2), [NAN, NAN, 50, 100, 50])
    np.testing.assert_allclose(ind.aroon_oscillator(high, low, 2), [NAN, NAN, 50, -50, -50])


def test_band_width_and_deviation_by_hand() -> None:
    # Window 1, 1, 4: mean 2, deviation sqrt(2).
    np.testing.assert_allclose(ind.bollinger_width(np.array([1.0, 1, 4]), 3)[2], 2 * np.sqrt(2), rtol=1e-15)
    # Returns 1, 3: mean 2, deviation 1.
    np.testing.assert_allclose(ind.return_deviation(np.exp([0.0, 1, 4]), 2), [NAN, NAN, 1], rtol=1e-14)
    np.testing.assert_array_equal(ind.return_deviation(np.full(5, 0.1), 2)[2:], np.zeros(3))


def test_range_volatilities_by_hand() -> None:
    high, low = np.exp([2.0, 4.0]), np.ones(2)  # spreads 2 and 4: mean square 10
    np.testing.assert_allclose(ind.parkinson_volatility(high, low, 2), [NAN, np.sqrt(10 / (4 * np.log(2)))], rtol=1e-14)
    open_, close = np.exp([1.0, 1.0]), np.exp([2.0, 1.0])  # drifts 1 and 0
    expected = np.sqrt((0.5 * 4 - (2 * np.log(2) - 1) + 0.5 * 16) / 2)
    np.testing.assert_allclose(ind.garman_klass_volatility(open_, high, low, close, 2)[1], expected, rtol=1e-14)
    # A close above the high by rounding gives 0, not the root of less than 0.
    ones = np.ones(1)
    np.testing.assert_array_equal(ind.garman_klass_volatility(ones, ones, ones, ones * (1 + 1e-7), 1), [0.0])


def test_drawdown_crossing_and_dollar_volume_by_hand() -> None:
    high, close = np.array([5.0, 4, 3, 8]), np.array([4.0, 2, 3, 8])
    np.testing.assert_allclose(ind.drawdown(high, close, 3), [NAN, NAN, 3 / 5 - 1, 0], rtol=1e-14)
    np.testing.assert_allclose(ind.sma_crossing(close, 2, 4), [NAN, NAN, NAN, 5.5 / 4.25 - 1], rtol=1e-14)
    score = ind.dollar_volume_zscore(np.array([1.0, np.e, 2.0]), np.array([0.0, 0.0, np.e / 2 - 1]), 2)
    np.testing.assert_allclose(score, [NAN, 1.0, 0.0], atol=1e-7)


def test_zscore_is_bounded_by_its_window() -> None:
    score = ind.rolling_zscore(np.append(np.full(50, 0.1), 1e9), 20)
    assert score[-1] == pytest.approx(np.sqrt(19))


@pytest.mark.parametrize("length", range(6))
def test_arrays_shorter_than_the_window_are_all_warm_up(length: int) -> None:
    close = np.linspace(1.0, 2.0, length)
    for values in (
        ind.log_return(close, 6),
        ind.lagged_return(close, 5),
        ind.sma_ratio(close, 7),
        ind.ema_ratio(close, 7),
        ind.rsi(close, 6),
        ind.macd_line(close, 2, 7),
        ind.macd_signal(close, 2, 4, 4),
        ind.macd_histogram(close, 2, 4, 4),
        ind.bollinger_position(close, 7),
        ind.atr_ratio(close, close, close, 6),
        ind.realised_volatility(close, 6),
        ind.volume_zscore(close, 7),
        ind.sma_crossing(close, 2, 7),
        ind.plus_di(close, close, close, 6),
        ind.minus_di(close, close, close, 6),
        ind.adx(close, close, close, 3),
        ind.aroon_up(close, 6),
        ind.aroon_down(close, 6),
        ind.aroon_oscillator(close, close, 6),
        ind.bollinger_width(close, 7),
        ind.return_deviation(close, 6),
        ind.parkinson_volatility(close, close, 7),
        ind.garman_klass_volatility(close, close, close, close, 7),
        ind.drawdown(close, close, 7),
        ind.dollar_volume_zscore(close, close, 7),
    ):
        assert values.shape == (length,)
        assert np.isnan(values).all()


def _loop_mean(values: np.ndarray, window: int, weight: float) -> np.ndarray:
    mean = np.full(len(values), NAN)
    mean[window - 1] = sum(values[:window]) / window
    for t in range(window, len(values)):
        mean[t] = weight * values[t] + (1 - weight) * mean[t - 1]
    return mean


def test_recursions_equal_plain_loops() -> None:
    close = np.exp(np.cumsum(np.random.Generator(np.random.PCG64(1)).normal(0, 0.02, 300)))
    change = np.diff(close)
    gain, loss = (_loop_mean(np.maximum(side, 0), 14, 1 / 14) for side in (change, -change))
    np.testing.assert_allclose(ind.rsi(close, 14)[1:], 100 - 100 / (1 + gain / loss), rtol=1e-10)
    line = _loop_mean(close, 12, 2 / 13) - _loop_mean(close, 26, 2 / 27)
    np.testing.assert_allclose(ind.macd_line(close, 12, 26), line / close, rtol=1e-8)
    np.testing.assert_allclose(
        ind.macd_signal(close, 12, 26, 9)[25:], _loop_mean(line[25:], 9, 0.2) / close[25:], rtol=1e-8
    )
