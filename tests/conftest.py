"""What every test shares: a strict jax on two virtual devices, no windows, and the same examples on every machine."""

import gc
import os
import signal
from importlib.metadata import version
from pathlib import Path

from hypothesis import settings

from tests import typechecked

typechecked.install()

# Read when jax is first imported, so that a test of host code does not pay for importing it. The two devices are there
# for the ensemble mapping; child processes of a test inherit all of it. Nothing here may import sim: the run-time check
# of types is installed before its first import (pyproject.toml, --jaxtyping-packages, and tests/typechecked.py).
os.environ["JAX_PLATFORMS"] = os.environ.get("TEST_PLATFORM", "cpu")  # or cuda, by hand, for tests of numerics
os.environ["JAX_NUM_CPU_DEVICES"] = "2"
os.environ["JAX_NUMPY_RANK_PROMOTION"] = "raise"
os.environ["MPLBACKEND"] = "agg"

# For the workers of pytest-xdist and for child processes, because numpy is here already. With a thread of BLAS for each
# core in each, threads wait in loops for each other: six singular value decompositions took seconds, not 0.2 s.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Most of the time of a test that trains goes into compiling, and most programs are those of another test, of the other
# worker or of yesterday. A name in this cache is a digest of the whole program, so that a changed source never meets an
# old program; a file that is torn is compiled anew (pyproject.toml, filterwarnings); `make clean` removes all of it.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).resolve().parents[1] / ".pytest_cache" / "xla"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

# Tests mostly compile, and these make that three times as fast: no optimiser of LLVM, the older and plainer code for
# fused operations, and one module for each program. Users compile with XLA's own choices. So do those laws of
# multiruns which compare records bit for bit, and the slow tests. XLA ends the process at a flag that it does not know.
# So the two that are not in every version are only used with the version in which they were tried.
UNOPTIMISED = "--xla_backend_optimization_level=0"
if version("jaxlib").startswith("0.10."):
    UNOPTIMISED += " --xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
if "TEST_OPTIMISED" not in os.environ and os.environ["JAX_PLATFORMS"] == "cpu":
    os.environ["XLA_FLAGS"] = " ".join(filter(None, (os.environ.get("XLA_FLAGS"), UNOPTIMISED)))

settings.register_profile("reproducible", deadline=None, derandomize=True, database=None)
settings.load_profile("reproducible")

# A shell ignores Ctrl-C in what it starts in the background, and so would the commands that tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Importing and tracing make millions of objects that stay. With Python's own thresholds 5 % of the time would go
# into looking for garbage among them.
gc.set_threshold(10_000, 20, 20)


def pytest_collection_finish() -> None:
    """What is there before the first test stays to the end."""
    gc.collect()
    gc.freeze()
