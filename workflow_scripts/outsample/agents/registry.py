"""The agents by name.

An agent is a module with
    SETTINGS: the Pydantic block of its hyper-parameters,
    STATIC: the names of those that change array shapes or the program,
    Hyper: a NamedTuple of all others, which are traced,
    begin, updater, finish: what a training run is made of (outsample.agents.training.Agent), pure JAX functions,
    weights, with_weights: what a run hands to another that starts from it.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from outsample.errors import TrainingError

AGENTS: dict[str, str] = {
    "a2c": "outsample.agents.a2c",
    "direct": "outsample.agents.direct",
    "dqn": "outsample.agents.dqn",
    "ppo": "outsample.agents.ppo",
}


def get_agent(name: str) -> ModuleType:
    """The module of an agent; imported only here, so that naming an agent does not import JAX.

    Raises: TrainingError for a name that is not in AGENTS.
    """
    if name not in AGENTS:
        raise TrainingError(f"There is no agent named {name!r}; use one of {', '.join(sorted(AGENTS))}.")
    return import_module(AGENTS[name])
