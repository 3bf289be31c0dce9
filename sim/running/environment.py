"""What jax reads when it is first imported: to be set before that, in every process that computes."""

import os
from pathlib import Path


def prepare(outputs: str, processes: int = 1) -> None:
    """Set the environment of this process for computing; what it says already is left as it is.

    One virtual device for each core on a CPU, so that an ensemble can be spread over them; a compilation cache below
    `outputs`, so that a program is compiled once for all processes. `processes` work side by side on this machine and
    share its cores and the memory of its accelerator.
    """
    cache = Path(outputs).absolute() / ".cache" / "xla"
    wanted = {
        "JAX_NUM_CPU_DEVICES": str(max(1, cores() // processes)),
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.1",
    }
    if processes > 1:
        wanted["XLA_PYTHON_CLIENT_MEM_FRACTION"] = f"{0.9 / processes:.3f}"  # jax takes 0.75 of it for one process
    for name, value in wanted.items():
        os.environ.setdefault(name, value)


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
