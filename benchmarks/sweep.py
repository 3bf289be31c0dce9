"""A sweep of small runs, from the Hydra multirun to the tidy table: our launcher against Hydra's basic one."""

import tempfile
from itertools import count
from pathlib import Path

import numpy as np

from benchmarks.harness import Result, alternate
from benchmarks.processes import python

POINTS = 200
BASIC_POINTS = (5, 15)
"""Hydra's basic launcher does one point after the other, so that its time is a line; these are two points of it."""

RATES = (5e-4, 1e-3, 2e-3, 4e-3, 8e-3)
"""Learning rates of the fine-tuning; the seeds make up the number of points, a multiple of this one."""


def sweep(launcher: str, num_points: int, folder: Path) -> float:
    """Seconds of a sweep of that many points from an empty folder, compilation and table included."""
    points = [
        f"seed=range({num_points // len(RATES)})",
        "optimizer.learning_rate=" + ",".join(f"{rate:g}" for rate in RATES),
    ]
    fixed = ["scale=smoke", f"outputs={folder}", "name=sweep", f"hydra/launcher={launcher}"]
    taken = python("sim.run", "-m", *fixed, *points) + python("sim.rows", str(folder / "sweep"))
    finished = len(list(folder.glob("sweep/*/manifest.json")))
    if finished != num_points:
        raise RuntimeError(f"hydra/launcher={launcher}: {num_points} finished runs are required, found {finished}")
    return taken


def measure(num_points: int, basic_points: tuple[int, int], rounds: int) -> Result:
    """The ratio for that many points; the basic launcher's time is extrapolated from two smaller sweeps."""
    few, more = basic_points
    with tempfile.TemporaryDirectory() as temporary:
        fresh = count()

        def contestant(launcher: str, points: int) -> float:
            return sweep(launcher, points, Path(temporary) / str(next(fresh)))

        found = alternate(
            {
                "vmap": lambda: contestant("vmap", num_points),
                "few": lambda: contestant("basic", few),
                "more": lambda: contestant("basic", more),
            },
            rounds,
        )
    each = np.subtract(found["more"], found["few"]) / (more - few)
    basic = found["few"] + each * (num_points - few)
    ratio = basic / np.array(found["vmap"])
    return Result(
        "sweep",
        f"{num_points} small runs to the tidy table, vmap launcher against basic",
        ratio=float(np.median(ratio)),
        low=float(ratio.min()),
        high=float(ratio.max()),
        rounds=rounds,
        reach=8,
        stretch=20,
        note=f"20 + 20 steps, {len(RATES)} rates; basic extrapolated from {few} and {more} points",
        measured={
            "vmap s": float(np.median(found["vmap"])),
            "basic s": float(np.median(basic)),
            "basic s per point": float(np.median(each)),
        },
    )


def run(quick: bool = False) -> list[Result]:
    """Two hundred points."""
    return [measure(10, (5, 10), 1)] if quick else [measure(POINTS, BASIC_POINTS, 3)]
