"""Advantage actor-critic (Mnih et al. 2016), synchronous: one step on each rollout, by the plain policy gradient.

The defaults are those that carried over to fresh data (see docs/training.md).
"""

from __future__ import annotations

from typing import NamedTuple

import jax

from outsample.agents import actor_critic
from outsample.agents.training import Job, MarketArrays, Program, RuleNumbers, Trained
from outsample.config.models import A2c

SETTINGS = A2c
STATIC = ("layers", "passes", "segment", "torso", "units", "updates")


class Hyper(NamedTuple):
    """The traced hyper-parameters, float32."""

    learning_rate: jax.Array
    weight_decay: jax.Array
    discount: jax.Array
    gae_lambda: jax.Array
    entropy: jax.Array
    reward_scale: jax.Array


def train(program: Program, market: MarketArrays, numbers: RuleNumbers, hyper: Hyper, job: Job) -> Trained:
    """Train one model; see `outsample.agents.actor_critic.train`."""
    return actor_critic.train(program, market, numbers, hyper, job, clip=None)
