"""Parts of the block `search` of the configuration: successive halving, and what does not go together."""

from __future__ import annotations

from typing import Literal

from outsample.config.block import Block, key, refusal

Sampler = Literal["cmaes", "grid", "nsga2", "qmc", "random", "tpe"]
ADAPTIVE = ("cmaes", "nsga2", "tpe")  # samplers that go by the scores of the rounds before
LISTENING = ("cmaes", "tpe")  # samplers that can be told what an earlier study found
PARETO = "pareto"  # the objective of two values


class Rungs(Block):
    """Successive halving: each trial of a round is trained for a part of its updates, and the best go on."""

    levels: int = key(1, "Rungs of a round; 1 trains every trial to its end at once.", "1", ge=1, le=10)
    reduction_factor: int = key(
        3,
        "Of the trials of a rung the best 1/this go on, and each rung trains this many times the updates of the one "
        "before, the last one all; a rung ends where a chunk of updates ends (docs/selection.md).",
        "1",
        ge=2,
        le=100,
    )

    @property
    def parts(self) -> list[int]:
        """Of each rung, the part of the updates that is trained by its end: 1/part.

        >>> Rungs(levels=3, reduction_factor=3).parts
        [9, 3, 1]
        """
        return [self.reduction_factor**left for left in reversed(range(self.levels))]


def check_rungs(rungs: Rungs, trials_per_round: int) -> None:
    """Refuse rungs that leave no trial for the last one."""
    least = rungs.reduction_factor ** (rungs.levels - 1)
    if trials_per_round < least:
        raise refusal(
            ("rungs", "levels"),
            f"{rungs.levels} by a reduction_factor of {rungs.reduction_factor} leave no trial of {trials_per_round} "
            f"for the last rung; set search.trials_per_round to at least {least}, or take fewer levels",
        )


def check_sampler(sampler: str, objective: str, trials_per_round: int, levels: int, warm_start: str) -> None:
    """Refuse a sampler that cannot do what is asked of it."""
    if sampler == "cmaes" and objective == PARETO:
        raise refusal("sampler", "cmaes goes by one score, and the objective pareto has two; set it to nsga2 or tpe")
    if sampler == "nsga2" and trials_per_round < 3:
        raise refusal("sampler", "nsga2 breeds each round from those before; set search.trials_per_round to at least 3")
    if sampler == "nsga2" and levels > 1:
        raise refusal(
            "sampler",
            "nsga2 breeds from trials that were trained to their end, and rungs leave too few of a round; set it to "
            "tpe, or rungs.levels to 1",
        )
    if warm_start and sampler not in LISTENING:
        raise refusal(
            "warm_start",
            f"tells the sampler what {warm_start} found, which {sampler} does not hear; set search.sampler to "
            f"{' or '.join(LISTENING)}, or leave warm_start out",
        )
