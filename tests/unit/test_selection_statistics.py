"""Statistics against worked examples, closed forms and the traps that were met."""

import numpy as np
import pytest
from arch.bootstrap import SPA
from scipy.stats import norm

from outsample.selection.bootstrap import (
    autocovariance,
    bootstrap_indices,
    bootstrap_multiplicities,
    politis_white_block_length,
)
from outsample.selection.statistics import (
    _bootstrap_variance,
    alpha_p_value,
    deflated_sharpe_ratio,
    expected_max_sharpe,
    hedge,
    mean_p_value,
    minimum_track_record_length,
    probabilistic_sharpe_ratio,
    smallest_detectable_sharpe,
    stouffer,
    superior_predictive_ability,
)


def _noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(seed)).normal(0.0, 0.01, shape)


def test_multiplicities_count_bars_and_are_kept() -> None:
    counts = bootstrap_multiplicities(50, 5, 200, 3)
    assert counts.shape == (200, 50)
    assert (counts.sum(axis=1) == 50).all()
    assert bootstrap_multiplicities(50, 5, 200, 3) is counts
    assert not counts.flags.writeable
    assert (bootstrap_multiplicities(50, 5, 200, 4) != counts).any()
    # Each bar is as likely as any other: 200 draws, mean 1 with a standard error of about 0.12.
    assert abs(counts.mean(axis=0) - 1).max() < 0.5


def test_block_length_one_draws_bars_independently_and_an_endless_block_rotates() -> None:
    assert bootstrap_multiplicities(400, 1, 500, 0).var() == pytest.approx(1.0, abs=0.02)
    assert (bootstrap_multiplicities(40, 1e12, 50, 0) == 1).all()


def test_autocovariance_by_hand() -> None:
    x = np.array([[1.0], [2.0], [3.0], [6.0]])  # mean 3: -2, -1, 0, 3
    assert autocovariance(x, 3)[:, 0] == pytest.approx([14 / 4, 2 / 4, -3 / 4, -6 / 4])


def test_bootstrap_variance_is_that_of_the_resamples() -> None:
    noise = _noise(1, 401)
    series = (noise[1:] + 0.8 * noise[:-1])[:, None]
    means = bootstrap_multiplicities(400, 10, 20_000, 0) @ series / 400
    assert float(means.var() * 400) == pytest.approx(float(_bootstrap_variance(series, 10)[0]), rel=0.05)


@pytest.mark.parametrize(("persistence", "least", "most"), [(0.0, 1, 3), (0.7, 10, 30), (0.95, 30, 30)])
def test_block_length_grows_with_dependence(persistence: float, least: int, most: int) -> None:
    noise, series = _noise(2, 3000), np.zeros(3000)
    for t in range(1, 3000):
        series[t] = persistence * series[t - 1] + noise[t]
    assert least <= politis_white_block_length(series) <= most


def test_block_length_of_degenerate_series_is_one() -> None:
    assert politis_white_block_length(np.zeros(100)) == 1
    assert politis_white_block_length(np.array([0.01, -0.01, 0.02])) == 1


def test_hedge_by_hand() -> None:
    benchmark = np.array([0.01, -0.01, 0.02, 0.02])
    hedged, beta = hedge(np.stack([2 * benchmark + [0.001, -0.001, -0.002, 0.002], np.ones(4)], axis=1), benchmark)
    covariance = np.cov(np.stack([2 * benchmark + [0.001, -0.001, -0.002, 0.002], benchmark]))
    assert beta == pytest.approx([covariance[0, 1] / covariance[1, 1], 0.0])
    assert (hedged[:, 0] @ (benchmark - benchmark.mean())) == pytest.approx(0.0, abs=1e-15)


def test_copies_and_multiples_of_the_benchmark_vanish_exactly() -> None:
    benchmark = _noise(0, 500)
    for factor in (1.0, 0.5, -0.3, 1 / 3):
        hedged, beta = hedge(factor * benchmark, benchmark)
        assert not hedged.any()
        assert float(beta) == pytest.approx(factor)
        assert alpha_p_value(factor * benchmark, benchmark) == 1.0


def test_hedge_by_a_benchmark_that_stands_still_changes_nothing() -> None:
    returns = _noise(0, 10)
    hedged, beta = hedge(returns, np.zeros(10))
    assert (hedged == returns).all()
    assert float(beta) == 0.0


def test_spa_says_no_to_nothing() -> None:
    assert superior_predictive_ability(np.zeros((100, 3))) == 1.0
    assert superior_predictive_ability(np.zeros((100, 0))) == 1.0
    assert superior_predictive_ability(-np.abs(_noise(0, 100, 3))) == 1.0
    noise = _noise(0, 200, 1)
    with_copy = np.concatenate([noise, np.zeros((200, 1))], axis=1)
    assert superior_predictive_ability(with_copy) == superior_predictive_ability(noise)
    with pytest.raises(ValueError, match="not finite"):
        superior_predictive_ability(np.full((5, 1), np.nan))


def test_spa_finds_one_good_column_among_bad_ones() -> None:
    returns = _noise(1, 1500, 20) - 0.0005
    assert superior_predictive_ability(returns) > 0.3
    returns[:, 7] += 0.002
    assert superior_predictive_ability(returns) < 0.01


def test_spa_does_not_pay_for_hopeless_columns() -> None:
    """Hansen's point: columns that are far below 0 do not hide a good one, since they are not recentred to 0."""
    good = _noise(3, 1000, 1) + 0.0007
    hopeless = _noise(4, 1000, 200) - 0.01
    alone = superior_predictive_ability(good)
    assert superior_predictive_ability(np.concatenate([good, hopeless], axis=1)) == pytest.approx(alone, abs=0.005)


def test_spa_is_the_formula_of_the_paper_written_out() -> None:
    """Hansen (2005), eqs. 1-4, resample by resample; and `arch`, whose statistic differs by a scale for one column."""
    n, returns = 250, _noise(11, 250, 4) + np.array([0.0008, 0.0002, -0.0003, -0.004])
    mean, centred = returns.mean(axis=0), returns - returns.mean(axis=0)
    lag = np.arange(1, n)
    kappa = (n - lag) / n * 0.8**lag + lag / n * 0.8 ** (n - lag)  # blocks of 5 bars
    gamma = np.array([(centred[: n - i] * centred[i:]).sum(axis=0) / n for i in range(n)])
    omega = np.sqrt(gamma[0] + 2 * kappa @ gamma[1:])
    statistic = max(0.0, (n**0.5 * mean / omega).max())
    kept = np.where(n**0.5 * mean / omega >= -((2 * np.log(np.log(n))) ** 0.5), mean, 0.0)
    assert kept[3] == 0.0  # too bad to matter
    drawn = [
        max(0.0, (n**0.5 * (returns[rows].mean(axis=0) - kept) / omega).max())
        for rows in bootstrap_indices(n, 5, 400, 3)
    ]
    assert superior_predictive_ability(returns, 5, 3, 400) == pytest.approx(np.mean(np.array(drawn) >= statistic))
    one = returns[:, :1]
    other = SPA(np.zeros(n), -one, block_size=5, reps=2000, bootstrap="stationary", seed=1)
    other.compute()
    assert superior_predictive_ability(one, 5, 0, 2000) == pytest.approx(other.pvalues["consistent"], abs=0.04)


def test_spa_on_noise_is_roughly_uniform() -> None:
    p = np.array([superior_predictive_ability(_noise(seed, 1000, 8), 10, 0, 300) for seed in range(200)])
    assert 0.01 <= (p < 0.05).mean() <= 0.12
    assert 0.40 <= (p < 0.5).mean() <= 0.65


def test_mean_and_alpha_p_values() -> None:
    noise, market = _noise(5, 750), _noise(6, 750)
    assert mean_p_value(np.zeros(100)) == 1.0  # ties count against the claim
    assert mean_p_value(noise - noise.mean()) == pytest.approx(0.5, abs=0.06)
    assert mean_p_value(noise + 0.003) == 0.0
    t = float(noise.mean() / noise.std() * 750**0.5)
    assert mean_p_value(noise, 1, 0, 20_000) == pytest.approx(norm.sf(t), abs=0.02)
    assert alpha_p_value(noise - hedge(noise, market)[0].mean() + 0.9 * market, market, 1) == pytest.approx(
        0.5, abs=0.06
    )
    assert alpha_p_value(0.9 * market + noise + 0.003, market) == 0.0


def test_resamples_in_which_nothing_happened_count_against_the_claim() -> None:
    """One lucky bar of 400 is missing in 1/e of the resamples, whose mean and alpha are exactly 0."""
    lucky = np.zeros(400)
    lucky[100] = 0.05
    assert mean_p_value(lucky, 1, 0, 4000) == pytest.approx(np.exp(-1), abs=0.03)
    assert alpha_p_value(lucky, _noise(9, 400), 1, 0, 4000) > 0.3


def test_a_market_that_rises_is_no_alpha() -> None:
    market = _noise(7, 750) + 0.002
    returns = 0.8 * market + _noise(8, 750) * 0.1
    assert mean_p_value(returns) < 0.01
    assert alpha_p_value(returns, market) > 0.05


def test_stouffer_by_hand() -> None:
    z = (3**0.5 * norm.isf(0.02) + norm.isf(0.3)) / 2
    assert stouffer([0.02, 0.3], [1500**0.5, 500**0.5]) == pytest.approx(norm.sf(z))
    assert stouffer([0.0, 1.0], [1.0, 1.0]) == pytest.approx(0.5)  # clipped to .001 and .999
    with pytest.raises(ValueError, match="as many weights"):
        stouffer([0.1], [1.0, 2.0])


def test_smallest_detectable_sharpe() -> None:
    # findings/evidence.md: bars for a power of 0.8 at S = 0.5, 1, 1.5, 2, 3
    for sharpe, bars in ((0.5, 6233), (1.0, 1559), (1.5, 693), (2.0, 390), (3.0, 174)):
        assert smallest_detectable_sharpe(bars, 252) == pytest.approx(sharpe, rel=0.005)
    with pytest.raises(ValueError, match="at least 1"):
        smallest_detectable_sharpe(0, 252)


def test_worked_examples_of_the_papers() -> None:
    # Bailey and Lopez de Prado (2012): 24 months at 0.458, non-normal and normal; 2.73 years of days at 2 against 1.
    assert probabilistic_sharpe_ratio(0.458, 0.0, 24, -2.448, 10.164) == pytest.approx(0.913, abs=5e-4)
    assert probabilistic_sharpe_ratio(0.458, 0.0, 24, 0.0, 3.0) == pytest.approx(0.982, abs=5e-4)
    years = minimum_track_record_length(2 / 252**0.5, 1 / 252**0.5, 0.0, 3.0) / 252
    assert years == pytest.approx(2.73, abs=0.005)
    # Bailey and Lopez de Prado (2014): SR0 = 0.1132 and DSR = 0.9004 at N = 100, 2.5 a year, 1,250 days.
    assert expected_max_sharpe(100, (0.5 / 250) ** 0.5) == pytest.approx(0.1132, abs=5e-5)
    found = deflated_sharpe_ratio(2.5 / 250**0.5, 1250, -3.0, 10.0, 100, 0.5 / 250)
    assert found == pytest.approx(0.9004, abs=5e-5)


def test_sharpe_theory_at_its_edges() -> None:
    assert minimum_track_record_length(0.1, 0.1, 0.0, 3.0) == float("inf")
    # At its least track record a ratio is above the benchmark with exactly the confidence asked for.
    n = minimum_track_record_length(0.1, 0.02, -1.0, 6.0, 0.9)
    assert probabilistic_sharpe_ratio(0.1, 0.02, n, -1.0, 6.0) == pytest.approx(0.9)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least 2 and 0"):
        expected_max_sharpe(1, 1.0)
    with pytest.raises(ValueError, match="at least 2"):
        probabilistic_sharpe_ratio(0.1, 0.0, 1, 0.0, 3.0)
