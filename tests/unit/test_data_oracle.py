"""The Bayes filter with hysteresis: small cases by hand, and what it earns."""

from functools import partial

import numpy as np
import pytest

from outsample.config.data import SimulatedSource
from outsample.data.oracle import bayes_filter, best_hysteresis, hysteresis_targets, oracle_targets
from outsample.data.simulated_source import simulate_bars, simulate_states


def _net_log_return(targets: np.ndarray, opens: np.ndarray, closes: np.ndarray, cost: float = 6e-4) -> np.ndarray:
    """Target t filled at open t+1, position held to the fill after; log returns, costs of traded position."""
    held = np.concatenate([np.zeros_like(targets[:1]), targets[:-1]])  # from open t on
    before = np.concatenate([np.zeros_like(held[:1]), held[:-1]])
    overnight = opens / np.concatenate([opens[:1], closes[:-1]]) - 1
    growth = (1 + before * overnight) * (1 - cost * np.abs(held - before)) * (1 + held * (closes / opens - 1))
    return np.log(growth).sum(axis=0)


def _final_equity(targets: np.ndarray, opens: np.ndarray, closes: np.ndarray, cost: float = 6e-4) -> np.ndarray:
    return np.exp(_net_log_return(targets, opens, closes, cost))


def test_one_step_of_the_filter_by_hand() -> None:
    # Likelihood ratio of up to down: exp(2 * 0.004 * 0.02 / 0.01^2) = exp(1.6); q = 1 / (1 + exp(-1.6)) = 0.832018;
    # next bar: 0.95 * 0.832018 + 0.05 * 0.167982 = 0.798817.
    assert bayes_filter([0.02], 0.004, 0.01, 0.95)[0] == pytest.approx(0.798817, abs=1e-6)


def test_the_filter_is_the_posterior_over_all_paths() -> None:
    returns, drift, volatility, stay = np.array([0.01, -0.02, 0.015, 0.004]), 0.006, 0.01, 0.8
    up = total = 0.0
    for code in range(2**5):  # states of bars 0 .. 3 and of the next
        path = np.array([1 if code >> i & 1 else -1 for i in range(5)])
        weight = 0.5 * np.prod(np.where(path[1:] == path[:-1], stay, 1 - stay))
        weight *= np.exp(-0.5 * (((returns - drift * path[:4]) / volatility) ** 2).sum())
        total += weight
        up += weight * (path[4] == 1)
    assert bayes_filter(returns, drift, volatility, stay)[-1] == pytest.approx(up / total, rel=1e-12)


def test_no_drift_leaves_the_probability_at_one_half_exactly() -> None:
    p_up = bayes_filter([0.3, -0.2, 0.1], 0.0, 0.01, 0.93)
    assert (p_up == 0.5).all()


def test_overwhelming_evidence_neither_overflows_nor_locks_the_filter() -> None:
    p_up = bayes_filter([10.0, -10.0, 10.0], 0.01, 0.01, 0.9)
    np.testing.assert_allclose(p_up, [0.9, 0.1, 0.9])


def test_probabilities_are_calibrated() -> None:
    settings = SimulatedSource(bars=100_000, seed=3)
    close = simulate_bars(settings, "UP")["close"].to_numpy()
    returns = np.concatenate([[0.0], np.diff(np.log(close))])
    p_up = bayes_filter(returns, settings.drift, settings.volatility, settings.persistence)[:-1]
    up_next = simulate_states(settings, "UP")[1:] == 1
    for low in (0.05, 0.3, 0.5, 0.7, 0.9):
        bin_ = (p_up >= low) & (p_up < low + 0.1)
        assert up_next[bin_].mean() == pytest.approx(p_up[bin_].mean(), abs=0.03)


def test_targets_flip_beyond_the_threshold_and_stay_within() -> None:
    p_up = np.array([0.5, 0.65, 0.75, 0.55, 0.35, 0.25, 0.45, 0.71])
    targets = hysteresis_targets(p_up, [0.0, 0.2])
    np.testing.assert_array_equal(targets[:, 0], [0, 1, 1, 1, -1, -1, -1, 1])
    np.testing.assert_array_equal(targets[:, 1], [0, 0, 1, 1, 1, -1, -1, 1])


def test_many_series_are_filtered_as_each_alone() -> None:
    returns = np.random.default_rng(0).normal(0, 0.01, (200, 3))
    together = bayes_filter(returns, 0.004, 0.01, 0.95)
    for m in range(3):
        np.testing.assert_array_equal(together[:, m], bayes_filter(returns[:, m], 0.004, 0.01, 0.95))
    targets = hysteresis_targets(together, [0.1, 0.3])
    assert targets.shape == (200, 3, 2)
    np.testing.assert_array_equal(targets[:, 1], hysteresis_targets(together[:, 1], [0.1, 0.3]))


def test_targets_do_not_look_ahead() -> None:
    settings = SimulatedSource(bars=300)
    close = simulate_bars(settings, "UP")["close"].to_numpy()
    changed = close.copy()
    changed[200:] *= 1.5
    np.testing.assert_array_equal(
        oracle_targets(settings, close, 0.2)[:200], oracle_targets(settings, changed, 0.2)[:200]
    )


def test_without_an_edge_nothing_is_traded() -> None:
    settings = SimulatedSource(bars=100, drift=0)
    threshold = best_hysteresis(settings, _final_equity, training_series=2, training_bars=100)
    assert (oracle_targets(settings, simulate_bars(settings, "UP")["close"], threshold) == 0).all()


def test_the_best_threshold_does_not_depend_on_the_bars_that_are_scored() -> None:
    few = best_hysteresis(SimulatedSource(bars=10), _final_equity, training_series=4, training_bars=500)
    many = best_hysteresis(SimulatedSource(bars=900), _final_equity, training_series=4, training_bars=500)
    assert few == many


def test_on_fresh_bars_it_earns_what_the_studies_found() -> None:
    # 0.0019 per bar net of 6 bps (two-state market of 0.4 %, volatility 1 %, persistence 0.95).
    settings = SimulatedSource(bars=100_000, seed=11)
    threshold = best_hysteresis(settings, _final_equity)
    bars = simulate_bars(settings, "FRESH")
    opens, closes = bars["open"].to_numpy(), bars["close"].to_numpy()
    best, wide = (
        _net_log_return(oracle_targets(settings, closes, h), opens, closes) / len(bars) for h in (threshold, 0.35)
    )
    assert best == pytest.approx(0.0019, abs=0.00015)
    assert best > wide + 0.0003


def test_a_threshold_that_is_ruined_once_is_never_the_best() -> None:
    def final_equity(targets: np.ndarray, opens: np.ndarray, closes: np.ndarray) -> np.ndarray:
        equity = np.ones(targets.shape[1:])
        equity[:, 1] = 5.0
        equity[:, 2] = 9.0
        equity[0, 2] = -0.1
        return equity

    settings = SimulatedSource(bars=10)
    assert best_hysteresis(settings, final_equity, (0.1, 0.2, 0.3), training_series=3, training_bars=20) == 0.2


def test_the_dearer_a_trade_the_wider_the_band_and_it_pays() -> None:
    settings = SimulatedSource(bars=20_000, seed=11)
    dear = partial(_net_log_return, cost=30e-4)
    accounts = (_final_equity, partial(_final_equity, cost=30e-4))
    thresholds = [best_hysteresis(settings, f, training_series=32) for f in accounts]
    assert thresholds[1] > thresholds[0]
    bars = simulate_bars(settings, "FRESH")
    opens, closes = bars["open"].to_numpy(), bars["close"].to_numpy()
    with_band, without = (dear(oracle_targets(settings, closes, h), opens, closes) for h in (thresholds[1], 0.0))
    assert with_band > without + 0.0002 * len(bars)
