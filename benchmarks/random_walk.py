"""What the benchmarks of training have in common: an agent, its settings, and a random walk to train on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def arguments_of(agent: str, settings: Mapping[str, Any], bars: int, features: int) -> tuple[Any, ...]:
    """Program, market, rule numbers and hyper-parameters, as training takes them; the features are noise."""
    import jax.numpy as jnp  # after configure_jax

    from outsample.agents.registry import get_agent
    from outsample.agents.training import MarketArrays, Program, RuleNumbers, hyper_of

    module = get_agent(agent)
    draw = np.random.Generator(np.random.PCG64(0))
    close = np.exp(np.cumsum(0.01 * draw.standard_normal(bars)))
    inputs = draw.standard_normal((bars, features))
    market = MarketArrays(*(jnp.asarray(x, jnp.float32) for x in (inputs, np.r_[1.0, close[:-1]], close)))
    static = tuple((name, settings[name]) for name in sorted(module.STATIC))
    program = Program(agent, static, (-1, 0, 1), "next_open", short_selling=True)
    numbers = RuleNumbers(*map(jnp.float32, (6e-4, 4e-5, 0.01, 0.0)))
    return program, market, numbers, hyper_of(module, settings)
