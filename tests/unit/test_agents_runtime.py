"""The environment of JAX: one thread and a cache, set before JAX is imported."""

import subprocess
import sys

import pytest

from outsample.agents.runtime import configure_jax


def test_too_late_is_an_error():
    import jax  # noqa: F401

    with pytest.raises(RuntimeError, match="before the first import of jax"):
        configure_jax("anywhere")


def test_programs_are_kept_in_the_cache(tmp_path):
    code = (
        "import sys, os; from outsample.agents.runtime import configure_jax; configure_jax(sys.argv[1]);"
        "import jax; jax.config.update('jax_persistent_cache_min_compile_time_secs', 0);"
        "jax.jit(lambda x: x + 1)(1.0).block_until_ready();"
        "print(os.environ['NPROC'], jax.config.jax_enable_x64, 'JAX_PLATFORMS' in os.environ)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "cache")], capture_output=True, text=True, check=True
    )
    assert result.stdout.split()[:2] == ["1", "False"]
    assert list((tmp_path / "cache").iterdir())
