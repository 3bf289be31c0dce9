"""What every test shares: a strict jax on two virtual devices, no windows, and the same examples on every machine."""

import os

from hypothesis import settings

# Read when jax is first imported, so that a test of host code does not pay for importing it. The two devices are there
# for the ensemble mapping; child processes of a test inherit all of it. Nothing here may import sim: the run-time check
# of types is installed before its first import (pyproject.toml, --jaxtyping-packages).
os.environ["JAX_PLATFORMS"] = os.environ.get("TEST_PLATFORM", "cpu")  # or cuda, by hand, for tests of numerics
os.environ["JAX_NUM_CPU_DEVICES"] = "2"
os.environ["JAX_NUMPY_RANK_PROMOTION"] = "raise"
os.environ["MPLBACKEND"] = "agg"

settings.register_profile("reproducible", deadline=None, derandomize=True, database=None)
settings.load_profile("reproducible")
