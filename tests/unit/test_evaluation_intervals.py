"""Bootstrap intervals against the metrics themselves and normal theory."""

import numpy as np
import pandas as pd
import pytest

from outsample.evaluation.intervals import alpha_interval, metric_intervals
from outsample.market.metrics import compute_metrics
from outsample.selection.bootstrap import bootstrap_multiplicities, politis_white_block_length

NO_TRADES = pd.DataFrame({"profit": [], "bars": []}, dtype=np.float64)


def _noise(seed: int, n: int) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(seed)).normal(0.0004, 0.01, n)


def test_each_resample_is_the_metric_of_the_resampled_series() -> None:
    """With one resample the interval is a point: the metric of that resample, by the market's own table."""
    returns = _noise(0, 60)
    block = politis_white_block_length(returns)
    for seed in range(3):
        found = metric_intervals(returns, 252.0, 0.02, 0.95, 1, seed)
        counts = bootstrap_multiplicities(60, block, 1, seed)[0].astype(int)
        drawn = np.repeat(returns, counts)
        expected = compute_metrics(drawn, drawn, drawn, NO_TRADES, 0.0, 252.0, 0.02)
        for name, (lower, upper) in found.items():
            assert lower == upper == pytest.approx(expected[name]), name


def test_sharpe_interval_is_as_wide_as_theory_says_and_holds_the_value() -> None:
    returns = _noise(1, 1000)
    lower, upper = metric_intervals(returns, 252.0, 0.0, 0.95, 4000, 0)["sharpe"]
    sharpe = returns.mean() / returns.std(ddof=1) * 252**0.5
    assert lower < sharpe < upper
    assert upper - lower == pytest.approx(2 * 1.96 * (252 / 1000) ** 0.5, rel=0.1)
    narrow = metric_intervals(returns, 252.0, 0.0, 0.5, 4000, 0)["sharpe"]
    assert lower < narrow[0] < narrow[1] < upper


def test_alpha_interval_covers_the_true_alpha() -> None:
    covered = 0
    for seed in range(60):
        market = _noise(seed, 500)
        returns = 0.7 * market + _noise(1000 + seed, 500) * 0.5  # alpha 0.0002 a bar
        lower, upper = alpha_interval(returns, market, 252.0, 0.9, 500, 0)
        covered += lower < 0.0002 * 252 < upper
    assert 46 <= covered <= 60  # 54 expected, standard deviation 2.3


def test_what_is_undefined_has_no_interval() -> None:
    assert all(np.isnan(v).all() for v in metric_intervals(np.zeros(50), 252.0, 0.0, 0.95, 100, 0).values())
    market = _noise(0, 50)
    assert np.isnan(alpha_interval(0.5 * market, market, 252.0, 0.95, 100, 0)).all()
    ruined = np.concatenate([market, [-1.2]])
    assert all(np.isnan(v).all() for v in metric_intervals(ruined, 252.0, 0.0, 0.95, 100, 0).values())
