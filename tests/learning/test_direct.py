"""The agent `direct` on pooled symbols; test_planted.py holds what every agent must do.

`benchmarks/learning.py` prints the figures over seeds that were not used to choose anything.
"""

import numpy as np
import pytest
from tests.reference import learning_case

pytestmark = [pytest.mark.slow, pytest.mark.no_cover]  # the tracing of coverage slows their long loops


def test_four_pooled_symbols_of_a_weak_edge_are_enough():
    """Market E1 of the pooling study; one symbol alone reached 0.63 there, the Bayes filter reaches 0.95."""
    ratios = [learning_case.pooled_sharpe("direct", seed) for seed in range(3)]
    assert np.mean(ratios) >= 0.75, ratios


def test_the_market_e1_is_the_one_whose_oracle_reaches_a_sharpe_ratio_of_095():
    series = learning_case.e1_market(100_000, 5)
    belief = learning_case.bayes_filter(
        series - learning_case.E1_MARKET, learning_case.E1_DRIFT, 0.01, learning_case.E1_PERSISTENCE
    )
    ratios = learning_case.sharpe_ratios(learning_case.hysteresis_targets(belief, np.arange(0, 0.3, 0.05)), series)
    assert ratios.max(axis=-1).mean() == pytest.approx(0.95, abs=0.06)
