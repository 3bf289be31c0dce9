"""Where a result comes from: code, versions, device and flags."""

import functools
import os
import platform
import subprocess
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax

from sim.disk.records import RESULTS_VERSION

FLAGS = ("JAX_", "XLA_", "OMP_NUM_THREADS", "TF_CPP_")
"""Prefixes of the environment variables that can change what is computed."""


def provenance() -> dict[str, Any]:
    """Return commit, dirty flag, versions, device, flags and time: what is needed to trust or repeat a result."""
    return {**_of_this_process(), "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}


@functools.lru_cache(maxsize=1)
def _of_this_process() -> dict[str, Any]:
    here = Path(__file__).resolve().parent

    def git(*words: str) -> str | None:
        try:
            done = subprocess.run(["git", *words], cwd=here, capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        return done.stdout.strip()

    status = git("status", "--porcelain", "--untracked-files=no")
    return {
        "commit": git("rev-parse", "HEAD"),
        "dirty": None if status is None else bool(status),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("jax", "jaxlib", "flax", "optax", "numpy")},
        "device": jax.devices()[0].device_kind,
        "backend": jax.default_backend(),
        "num_devices": jax.local_device_count(),
        "processor": platform.machine(),
        "flags": {name: value for name, value in sorted(os.environ.items()) if name.startswith(FLAGS)},
        "results_version": RESULTS_VERSION,
    }
