"""Compiling: time a whole process that trains almost nothing, with an empty and with a filled compilation cache."""

import tempfile
from itertools import count
from pathlib import Path

import numpy as np

from benchmarks.harness import Result, alternate, ratios
from benchmarks.processes import python


def run(quick: bool = False) -> list[Result]:
    """Measure the default world and model with 20 + 20 steps, so that starting and compiling take most of the time."""
    with tempfile.TemporaryDirectory() as temporary:
        folder, fresh = Path(temporary), count()

        def process(cache: Path) -> float:
            run = f"outputs={folder / 'results' / str(next(fresh))}"
            return python("sim.run", "scale=smoke", run, JAX_COMPILATION_CACHE_DIR=str(cache))

        filled = folder / "filled"
        process(filled)
        contestants = {"cold": lambda: process(folder / f"cold-{next(fresh)}"), "cached": lambda: process(filled)}
        found = alternate(contestants, 1 if quick else 5)
    return [
        Result(
            "compiling",
            "a process that trains 20 + 20 steps, cold against cached compilation",
            **ratios(found["cold"], found["cached"]),
            note="start of Python, imports, world, tables and record included",
            measured={f"{name} s": float(np.median(times)) for name, times in found.items()},
        )
    ]
