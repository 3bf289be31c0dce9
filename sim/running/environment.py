"""What jax is told before it computes: how many cores it may use, and where compiled programs are kept."""

import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

from sim.numerics import SpecificationError, in_one_line
from sim.pool import cores

# The devices of a CPU that work on one model wait for each other. By default XLA complains of that after 20 s, and ends
# the process after 40 s, for example if it was stopped by Ctrl-Z and goes on later.
_PATIENT = " ".join(f"--xla_cpu_collective_call_{what}_timeout_seconds={10**6}" for what in ("warn_stuck", "terminate"))


def prepare(outputs: str, processes: int = 1) -> None:
    """Prepare the environment of this process for computing. Variables that are set already are left as they are.

    A CPU gets one virtual device for each core, so that an ensemble can be spread over the cores. A compilation cache
    below `outputs` is shared by all processes, so that a program is compiled once. `processes` is the number of
    processes that work side by side on this machine and share its cores and the memory of its accelerator. jax reads
    the environment when it is imported. If it has been imported already, its settings are changed directly.
    """
    cache = Path(outputs).absolute() / ".cache" / "xla"
    wanted = {
        "JAX_NUM_CPU_DEVICES": str(max(1, cores() // processes)),
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.1",
    }
    if processes > 1:
        wanted["XLA_PYTHON_CLIENT_MEM_FRACTION"] = f"{0.9 / processes:.3f}"  # by default jax takes 0.75
    new = {name: value for name, value in wanted.items() if name not in os.environ}
    if "xla_cpu_collective_call" not in os.environ.get("XLA_FLAGS", ""):
        new["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {_PATIENT}".strip()
    os.environ.update(new)
    if "jax" in sys.modules:
        _tell(new)


def load_jax() -> None:
    """Import jax. Raises SpecificationError if a variable of the environment has a value that jax cannot read."""
    devices = os.environ.get("JAX_NUM_CPU_DEVICES", "1")
    if not re.fullmatch("0*[1-9][0-9]{0,5}", devices):
        raise SpecificationError(f"JAX_NUM_CPU_DEVICES: a positive integer is required, found {devices!r}; unset it")
    try:
        import jax  # noqa: F401
    except ValueError as problem:
        found = in_one_line(problem)[:200]
        raise SpecificationError(
            f"environment: variables that jax can read are required, found this: {found}; correct or unset the variable"
        ) from None


def _tell(wanted: dict[str, str]) -> None:
    """Change the settings of a jax that has been imported. Warn if it has computed already and uses too few cores."""
    jax = sys.modules["jax"]
    if "JAX_COMPILATION_CACHE_DIR" in wanted:
        jax.config.update("jax_compilation_cache_dir", wanted["JAX_COMPILATION_CACHE_DIR"])
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    try:
        if "JAX_NUM_CPU_DEVICES" in wanted:
            jax.config.update("jax_num_cpu_devices", int(wanted["JAX_NUM_CPU_DEVICES"]))
    except RuntimeError:
        if jax.default_backend() == "cpu" and jax.device_count() < cores():
            warnings.warn(
                f"jax has computed already, so it uses only {jax.device_count()} of {cores()} cores; to use them all, "
                "call sim.simulate before anything else that uses jax",
                stacklevel=4,
            )


def check_platform() -> None:
    """Raise SpecificationError if the environment asks for a platform of jax that this machine does not have."""
    import jax

    try:
        jax.devices()
    except (RuntimeError, AssertionError) as problem:  # an AssertionError if the package for the platform is not there
        wanted = os.environ.get("JAX_PLATFORMS", "")
        extras = "cuda12 or cuda13" if "cuda" in wanted or "gpu" in wanted else "tpu" if "tpu" in wanted else "cuda12"
        found = in_one_line(problem)[:120]
        raise SpecificationError(
            f"JAX_PLATFORMS: a platform of this machine is required, found {wanted!r}{f' ({found})' if found else ''}; "
            f"there: {', '.join(_platforms())}; unset it to use what is there, or install the extra {extras}"
        ) from None


def _platforms() -> list[str]:
    """Return the platforms that jax finds on this machine. Another process is asked, because jax looks only once."""
    free = {name: value for name, value in os.environ.items() if name != "JAX_PLATFORMS"}
    asked = [sys.executable, "-c", "import jax; print(jax.default_backend())"]
    done = subprocess.run(asked, env=free, capture_output=True, text=True, check=False)
    return sorted({"cpu", *done.stdout.split()[-1:]})
