"""How the programs of a training are compiled: options of XLA, some of which only its CPU backend is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import Any

import jax

# Operations that stand alone need not be fusions of one: a tenth less to compile, and the same bits. GPUs need them.
_ON_A_CPU = {"xla_disable_hlo_passes": "fusion-wrapper"}
# Of programs that run once a lane: sooner compiled, for faster code would have little to do.
RUN_ONCE = {"xla_backend_optimization_level": 1, "xla_cpu_use_fusion_emitters": False}


class Compiled:
    """A function that is compiled at its first call, by then knowing the backend; called as the function itself.

    Args:
        function: pure.
        static: its first arguments, so many, are a part of the program.
        options: of the compiler, on every backend.
    """

    def __init__(self, function: Callable[..., Any], static: int, options: Mapping[str, Any] | None = None) -> None:
        self._function, self._static, self._options = function, static, options or {}

    @cached_property
    def _compiled(self) -> Any:
        options = (_ON_A_CPU if jax.default_backend() == "cpu" else {}) | dict(self._options)
        return jax.jit(self._function, static_argnums=tuple(range(self._static)), compiler_options=options)

    def __call__(self, *args: Any) -> Any:
        return self._compiled(*args)

    @property
    def programs(self) -> int:
        """How many programs it has been compiled to, one for each set of shapes and static arguments."""
        count: int = self._compiled._cache_size()
        return count


def compiled(*, static: int, options: Mapping[str, Any] | None = None) -> Callable[[Callable[..., Any]], Compiled]:
    """Decorator of a function that is to be `Compiled`."""
    return partial(Compiled, static=static, options=options)
