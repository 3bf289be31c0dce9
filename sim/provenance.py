"""Where a result comes from."""

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax

from sim.records import RESULTS_VERSION


def provenance() -> dict[str, Any]:
    """Commit, dirty flag, versions, device: what one needs to know to trust or repeat a result."""
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
        "results_version": RESULTS_VERSION,
    }
