"""Proximal policy optimisation (Schulman et al. 2017): several clipped steps on each rollout.

The defaults are those that carried over to fresh data (see docs/training.md).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax

from outsample.agents import actor_critic
from outsample.agents.actor_critic import Given, State, begin, finish, weights, with_weights
from outsample.agents.training import Curve, Job, MarketArrays, Program, RuleNumbers
from outsample.config.agents import Ppo

__all__ = ["SETTINGS", "STATIC", "Hyper", "begin", "finish", "updater", "weights", "with_weights"]

SETTINGS = Ppo
STATIC = (
    *("epochs", "layers", "minibatches", "passes", "segment", "torso", "units", "updates"),
    *("account_inputs", "entropy_schedule", "learning_rate_schedule", "patience", "reward"),
)


class Hyper(NamedTuple):
    """The traced hyper-parameters, float32."""

    learning_rate: jax.Array
    weight_decay: jax.Array
    discount: jax.Array
    gae_lambda: jax.Array
    clip: jax.Array
    entropy: jax.Array
    reward_scale: jax.Array
    reward_rate: jax.Array
    drawdown_penalty: jax.Array
    gradient_norm: jax.Array | None = None
    dropout: jax.Array | None = None


def updater(
    program: Program, market: MarketArrays, numbers: RuleNumbers, hyper: Hyper, job: Job
) -> Callable[[State, Given], tuple[State, Curve]]:
    """The update; see `outsample.agents.actor_critic.updater`."""
    return actor_critic.updater(program, market, numbers, hyper, job, clip=hyper.clip)
