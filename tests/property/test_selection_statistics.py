"""Invariants of the statistics that the verdict rests on."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from outsample.selection.bootstrap import bootstrap_multiplicities
from outsample.selection.statistics import alpha_p_value, hedge, stouffer, superior_predictive_ability

seeds = st.integers(0, 2**31)


def _noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(seed)).normal(0.0, 0.01, shape)


@given(seed=seeds, bars=st.integers(1, 80), block=st.floats(1, 100))
@settings(max_examples=30, deadline=None)
def test_every_resample_has_as_many_bars_as_the_series(seed: int, bars: int, block: float) -> None:
    counts = bootstrap_multiplicities(bars, block, 7, seed)
    assert (counts.sum(axis=1) == bars).all()
    assert (counts >= 0).all()


@given(seed=seeds, factor=st.floats(-3, 3), shift=st.floats(-0.01, 0.01))
@settings(max_examples=30, deadline=None)
def test_alpha_does_not_know_how_much_of_the_market_is_added(seed: int, factor: float, shift: float) -> None:
    market, own = _noise(seed, 120), _noise(seed + 1, 120) + shift
    hedged, _ = hedge(own, market)
    more, _ = hedge(own + factor * market, market)
    assert np.allclose(hedged, more, atol=1e-12)
    assert alpha_p_value(own, market, 3, 0, 100) == alpha_p_value(own + factor * market, market, 3, 0, 100)


@given(seed=seeds, scale=st.floats(0.01, 100))
@settings(max_examples=20, deadline=None)
def test_spa_does_not_know_units_order_or_repeats_of_columns(seed: int, scale: float) -> None:
    returns = _noise(seed, 100, 4)
    p = superior_predictive_ability(returns, 5, 0, 200)
    assert superior_predictive_ability(returns[:, [3, 1, 0, 2, 1]], 5, 0, 200) == p
    assert superior_predictive_ability(returns * scale, 5, 0, 200) == p


@given(p=st.lists(st.floats(0, 1), min_size=2, max_size=2), better=st.floats(0, 1))
def test_stouffer_falls_with_each_p(p: list[float], better: float) -> None:
    weights = [3**0.5, 1.0]
    assert stouffer([p[0], p[1] * better], weights) <= stouffer(p, weights) + 1e-12
    assert stouffer([p[0] * better, p[1]], weights) <= stouffer(p, weights) + 1e-12
