"""Proximal policy optimisation (Schulman et al. 2017): several clipped steps on each rollout.

The defaults are those that carried over to fresh data (see docs/training.md).
"""

from __future__ import annotations

from typing import NamedTuple

import jax

from outsample.agents import actor_critic
from outsample.agents.training import Job, MarketArrays, Program, RuleNumbers, Trained
from outsample.config.models import Ppo

SETTINGS = Ppo
STATIC = ("epochs", "layers", "minibatches", "passes", "segment", "torso", "units", "updates")


class Hyper(NamedTuple):
    """The traced hyper-parameters, float32."""

    learning_rate: jax.Array
    weight_decay: jax.Array
    discount: jax.Array
    gae_lambda: jax.Array
    clip: jax.Array
    entropy: jax.Array
    reward_scale: jax.Array


def train(program: Program, market: MarketArrays, numbers: RuleNumbers, hyper: Hyper, job: Job) -> Trained:
    """Train one model; see `outsample.agents.actor_critic.train`."""
    return actor_critic.train(program, market, numbers, hyper, job, hyper.clip)
