"""The environment of JAX: one thread and a cache, set before JAX is imported, and memory that is given back."""

import os
import subprocess
import sys
from contextlib import contextmanager

import pytest

from outsample.agents.runtime import configure_jax


def test_too_late_is_an_error():
    import jax  # noqa: F401

    with pytest.raises(RuntimeError, match="before the first import of jax"):
        configure_jax("anywhere")


def test_programs_are_kept_in_the_cache_or_where_the_user_says(tmp_path):
    code = (
        "import sys, os; from outsample.agents.runtime import configure_jax; configure_jax(sys.argv[1]);"
        "import jax; jax.config.update('jax_persistent_cache_min_compile_time_secs', 0);"
        "jax.jit(lambda x: x + 1)(1.0).block_until_ready();"
        "print(os.environ['NPROC'], jax.config.jax_enable_x64, 'JAX_PLATFORMS' in os.environ)"
    )
    own = {name: value for name, value in os.environ.items() if name != "JAX_COMPILATION_CACHE_DIR"}
    for folder, environment in (
        ("cache", own),
        ("set", own | {"JAX_COMPILATION_CACHE_DIR": str(tmp_path / "set")}),
    ):
        assert not (tmp_path / "set").exists()
        result = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "cache")],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert result.stdout.split()[:2] == ["1", "False"]
        assert list((tmp_path / folder).iterdir())


def test_xla_reads_the_flags_to_the_last(tmp_path):
    """XLA reads no further than a word that is no flag; a flag that it refuses shows how far it read."""
    code = (
        "import os, sys; from outsample.agents.runtime import configure_jax; configure_jax(sys.argv[1]);"
        "os.environ['XLA_FLAGS'] += ' --xla_not_a_flag=1';"
        "import jax; jax.numpy.zeros(1).block_until_ready()"
    )
    result = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert result.returncode != 0
    assert "xla_not_a_flag" in result.stderr


def test_free_memory_is_given_back():
    """Small blocks under one that is in use stay with the process until it gives them back."""
    code = (
        "import ctypes, pathlib, resource\nfrom outsample.agents.runtime import return_memory\n"
        "pages = lambda: int(pathlib.Path('/proc/self/statm').read_text().split()[1])\n"
        "c = ctypes.CDLL(None)\nc.malloc.restype, c.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]\n"
        "blocks = [c.malloc(1000) for _ in range(100_000)]\nfor block in blocks: ctypes.memset(block, 1, 1000)\n"
        "for block in blocks[:-1]: c.free(block)\n"
        "kept = pages()\nreturn_memory()\nprint((kept - pages()) * resource.getpagesize())"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(result.stdout) > 50_000_000


CLAIM = (
    "import os, sys\nfrom outsample.agents.runtime import claim_core\n"
    "os.sched_setaffinity(0, map(int, sys.argv[2:]))\n"
    "print(claim_core(sys.argv[1]), *sorted(os.sched_getaffinity(0)), flush=True)\nsys.stdin.read()"
)


@contextmanager
def claiming(folder, cores):
    """A process that claims one of `cores`, and the numbers that it says: the core, then its affinity set."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            CLAIM,
            f"test-{folder}",
            *map(str, cores),
        ],  # names of its own: the tests' jobs claim cores as well
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process.stdout.readline().split()
    finally:
        process.kill()
        process.communicate()


def test_each_process_claims_a_core_of_its_own_until_it_ends(tmp_path):
    core = min(os.sched_getaffinity(0))
    with claiming(tmp_path, {core}) as first, claiming(tmp_path, {core}) as second:
        assert first == [str(core), str(core)]
        assert second == ["None", str(core)]
    with claiming(tmp_path, {core}) as third:
        assert third == [str(core), str(core)]


def test_second_process_takes_another_core(tmp_path):
    cores = set(sorted(os.sched_getaffinity(0))[:2])
    if len(cores) < 2:
        pytest.fail("this test needs two cores")
    with claiming(tmp_path, cores) as first, claiming(tmp_path, cores) as second:
        assert {first[0], second[0]} == {str(core) for core in cores}
        assert len(first) == len(second) == 2


@pytest.mark.parametrize("own", ["", "--xla_backend_extra_options=xla_cpu_disable_loop_unrolling=true"])
def test_a_loop_is_one_function_of_the_compiled_program(tmp_path, own):
    """Else XLA starts every operation of every step apart, and `direct` trains twice as long.

    A loop with a product of matrices in it stays as it is.
    """
    code = (
        "import sys; from outsample.agents.runtime import configure_jax; configure_jax(sys.argv[1]);"
        "import jax, jax.numpy as jnp;"
        "square = jnp.ones((100, 100));"
        "plain = lambda x: jax.lax.scan(lambda a, b: (jnp.sin(a) * b, a.sum()), x[0], x);"
        "product = lambda x: jax.lax.scan(lambda a, b: (jnp.sin(a @ square) * b, a.sum()), square, x);"
        "[print('small_call' in jax.jit(f).lower(jnp.ones((2000, 100))).compile().as_text()) for f in (plain, product)]"
    )
    environment = {**os.environ, "XLA_FLAGS": own}  # the tests' own have the flag
    result = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], env=environment, capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == ["True", "False"]
