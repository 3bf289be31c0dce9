"""A sweep of small runs, from the Hydra multirun to the tidy table: our launcher against two alternatives."""

import tempfile
from itertools import count
from pathlib import Path

import numpy as np

from benchmarks.harness import Result, alternate, ratios
from benchmarks.processes import python

POINTS = 200
FEWER_POINTS = (5, 25)
"""Runs one after another take a time that is linear in their number. It is measured at these two numbers."""

SMALL = ("experiment=demo_file", "scale=smoke", "model.width=16", "model.depth=1", "model.heads=1", "name=sweep")
"""A transformer on 983 strings with 20 + 20 steps. Training is so short that it does not hide the launcher's cost."""

RATES = (5e-4, 1e-3, 2e-3, 4e-3, 8e-3)
"""Learning rates of the fine-tuning. The seeds multiply them to the number of points."""


def table(folder: Path, num_points: int) -> float:
    """Seconds to make the tidy table. It raises RuntimeError if a run is missing."""
    finished = len(list(folder.glob("sweep/*/manifest.json")))
    if finished != num_points:
        raise RuntimeError(f"{folder}: {num_points} finished runs are required, found {finished}")
    return python("sim.rows", str(folder / "sweep"))


def launched(launcher: str, num_points: int, folder: Path) -> float:
    """Seconds of a multirun of `num_points` points from an empty folder, including compilation and table."""
    points = [
        f"seed=range({num_points // len(RATES)})",
        "optimizer.learning_rate=" + ",".join(f"{rate:g}" for rate in RATES),
    ]
    taken = python("sim.run", "-m", *SMALL, f"outputs={folder}", f"hydra/launcher={launcher}", *points)
    return taken + table(folder, num_points)


def by_process(num_points: int, folder: Path) -> float:
    """Seconds per point if every run is a separate process; an earlier run has cached the compiled programs."""
    fixed = [*SMALL, f"outputs={folder}"]
    python("sim.run", *fixed, "seed=1000")
    return sum(python("sim.run", *fixed, f"seed={seed}") for seed in range(num_points)) / num_points


def run(quick: bool = False) -> list[Result]:
    """Measure two hundred points."""
    num_points, (few, more), rounds = (10, (5, 10), 1) if quick else (POINTS, FEWER_POINTS, 3)
    with tempfile.TemporaryDirectory() as temporary:
        fresh = (Path(temporary) / str(number) for number in count())
        found = alternate(
            {
                "vmap": lambda: launched("vmap", num_points, next(fresh)),
                "few": lambda: launched("basic", few, next(fresh)),
                "more": lambda: launched("basic", more, next(fresh)),
                "process": lambda: by_process(1 if quick else 3, next(fresh)),
            },
            rounds,
        )
    each = np.subtract(found["more"], found["few"]) / (more - few)
    basic = found["few"] + each * (num_points - few)
    processes = np.multiply(found["process"], num_points)
    seconds = {"vmap s": float(np.median(found["vmap"]))}
    what = f"{num_points} small runs to the tidy table, vmap launcher against"
    note = f"983 strings, 20 + 20 steps, {len(RATES)} rates; extrapolated from"
    return [
        Result(
            "sweep",
            f"{what} basic",
            **ratios(basic.tolist(), found["vmap"]),
            reach=2.5,
            note=f"{note} {few} and {more} points",
            measured=seconds | {"basic s": float(np.median(basic)), "basic s per point": float(np.median(each))},
        ),
        Result(
            "sweep",
            f"{what} a process for each run, as other launchers do",
            **ratios(processes.tolist(), found["vmap"]),
            reach=30,
            stretch=40,
            note=f"{note} {1 if quick else 3} runs with cached programs",
            measured=seconds | {"s per run": float(np.median(found["process"]))},
        ),
    ]
