"""Time whole commands as a user sees them. Each runs in a separate process."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The checkout."""


def timed(command: Sequence[str], environment: Mapping[str, str] | None = None, cwd: Path = ROOT) -> float:
    """Wall time of a command [s]. If the command fails, RuntimeError shows the end of its output."""
    variables = _clean(os.environ) | dict(environment or {})
    began = time.perf_counter()
    done = subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True)
    taken = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(
            f"{' '.join(command)} ended with exit status {done.returncode}: {(done.stderr or done.stdout)[-2000:]}"
        )
    return taken


def python(module: str, *arguments: str, **environment: str) -> float:
    """Wall time of `python -m module arguments` with this Python, in the checkout [s]."""
    return timed([sys.executable, "-m", module, *arguments], environment)


def _clean(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without the jax settings of this process, because a command chooses its own."""
    return {name: value for name, value in environment.items() if not name.startswith(("JAX_", "XLA_"))}
