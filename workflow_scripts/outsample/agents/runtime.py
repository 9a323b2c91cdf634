"""How JAX is started: one thread on a core of its own, a persistent compilation cache, quiet; and its memory.

Claim the core and configure JAX before its first import: its threads keep to the core that the process had when they
started.
"""

from __future__ import annotations

import ctypes
import os
import socket
import sys
from pathlib import Path

LOOPS = "--xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold=1000000000"
"""Flag of XLA: a loop over bars becomes one function.

XLA does so only with loops that touch less than 1 kB; of any other it starts each operation of each step apart, which
takes longer than the operation. A loop with a product of matrices in it stays as it is.
"""

_claims: list[socket.socket] = []  # a claim ends with the process that holds it


def claim_core(name: str = "outsample-core") -> int | None:
    """Keep this process to one core of its affinity set that no other process has claimed; None where all are taken.

    A process that moves between cores loses its caches. A claim is a name in the
    kernel's abstract socket namespace, so it holds for all users and checkouts of a machine, leaves no file, and ends
    with the process in whatever way. Containers with networks of their own do not see each other's claims: give each
    its own cores. Where the system has no affinity or no such names (not Linux), nothing is claimed.

    Args:
        name: the claims' name, the number of the core apart.
    """
    if not sys.platform.startswith("linux"):
        return None
    for core in sorted(os.sched_getaffinity(0)):
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            claim.bind(f"\0{name}-{core}")
        except OSError:  # another process holds it
            claim.close()
            continue
        os.sched_setaffinity(0, {core})
        _claims.append(claim)
        return core
    return None


def configure_jax(cache: str | Path) -> None:
    """Set the environment of JAX for a single-threaded process that keeps its compiled programs.

    A lane is one thread's work and shards are processes, so further threads only get in the way (measured: 1.4 times
    the speed of the default in one process, more when several run). JAX_PLATFORMS is left to the user, and so is
    JAX_COMPILATION_CACHE_DIR where it is set.

    Args:
        cache: folder of compiled programs, unless the user has set one; may be shared by processes that run at the
            same time.
    Raises: RuntimeError where JAX has been imported already, because the settings would have no effect.
    """
    if "jax" in sys.modules:
        raise RuntimeError("configure_jax must be called before the first import of jax")
    os.environ["NPROC"] = "1"  # size of the thread pools of the XLA CPU client
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    flags = "--xla_cpu_multi_thread_eigen=false"
    flags += " --xla_cpu_parallel_codegen_split_count=1"  # one thread compiles: parts would only repeat what they share
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flags} {LOOPS}".strip()
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(cache).absolute()))
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.2"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
    os.environ["JAX_ENABLE_X64"] = "0"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # loading a cached program warns about CPU tuning hints


def return_memory() -> None:
    """Give memory that is free, but kept for later, back to the system; does nothing where the C library cannot.

    Compiling takes up to some 300 MiB, which glibc would keep for the rest of the process. It costs at most some
    milliseconds, little beside the training of a lane.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(ctypes.c_size_t(0))
