"""Compilation with options that depend on the backend, which is known at the first call."""

import jax
import jax.numpy as jnp

from outsample.agents.compiling import RUN_ONCE, Compiled, compiled


def test_a_program_is_compiled_once_for_each_shape_and_static_argument():
    @compiled(static=1)
    def scaled(factor, x):
        return factor * x

    assert scaled(2, jnp.ones(3)).tolist() == [2, 2, 2]
    scaled(2, jnp.zeros(3))
    assert scaled.programs == 1
    assert scaled(3, jnp.ones(2)).tolist() == [3, 3]
    assert scaled.programs == 2


def test_only_a_cpu_is_given_the_options_of_its_compiler(monkeypatch):
    given = []
    real = jax.jit
    monkeypatch.setattr(jax, "jit", lambda f, **options: given.append(options["compiler_options"]) or real(f))
    for backend in ("cpu", "gpu"):
        monkeypatch.setattr(jax, "default_backend", lambda backend=backend: backend)
        Compiled(jnp.exp, static=0)(jnp.ones(1))
        Compiled(jnp.exp, static=0, options=RUN_ONCE)(jnp.ones(1))
    of_cpu = {"xla_disable_hlo_passes": "fusion-wrapper"}
    assert given == [of_cpu, of_cpu | RUN_ONCE, {}, RUN_ONCE]


def test_an_operation_that_stands_alone_is_no_fusion():
    program = Compiled(jnp.exp, static=0)
    program(jnp.ones(100))
    text = program._compiled.lower(jnp.ones(100)).compile().as_text()
    assert "exponential(" in text
    assert "fusion(" not in text
