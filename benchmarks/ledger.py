"""Bookkeeping of a large multirun whose runs are all finished: the time of each command, and the memory it needs."""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from benchmarks.harness import Result, spread
from benchmarks.processes import ROOT, python
from benchmarks.sweep import RATES, SMALL

POINTS = 2000


@dataclass(frozen=True)
class Seen:
    """What a command needed: seconds until it wrote its first line, seconds in all, and the peak of its memory [MB]."""

    first: float
    total: float
    megabytes: float


def watched(command: Sequence[str], cwd: Path = ROOT) -> Seen:
    """Run a command and watch it from outside. RuntimeError shows the end of its output if it fails.

    The memory is that of the largest process among the command and its children.
    """
    began = time.perf_counter()
    child = subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert child.stdout is not None
    said = child.stdout.read(1)
    first = time.perf_counter() - began
    said += child.stdout.read()
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with exit status {child.returncode}: {said[-2000:].decode()}")
    return Seen(first, time.perf_counter() - began, used.ru_maxrss / 1024)


def filled(outputs: Path, num_runs: int) -> None:
    """Fill the folder `sweep` below outputs with finished records. One run is trained; the others are this run with other seeds and rates.

    So their numbers are wrong, but names, hashes and manifests are right.
    """
    from sim.disk.records import read, write
    from sim.running.identity import identity, recorded_config

    python("sim.run", *SMALL, f"outputs={outputs}")
    (source,) = (file.parent for file in outputs.glob("sweep/*/manifest.json"))
    record = read(source)
    for seed in range(num_runs // len(RATES)):
        for rate in RATES:
            config = {**record.config, "seed": seed, "optimizer": {**record.config["optimizer"], "learning_rate": rate}}
            full = {**recorded_config(record), **{key: config[key] for key in ("seed", "optimizer")}}
            name = identity(full)
            if name != record.hash:
                write(replace(record, hash=name, config=config), source.parent / name)


def module(name: str, *arguments: str) -> list[str]:
    """Return the command `python -m name arguments`."""
    return [sys.executable, "-m", name, *arguments]


def multirun(outputs: Path, num_runs: int) -> list[str]:
    """Return the command that asks for all the runs."""
    rates = ",".join(f"{rate:g}" for rate in RATES)
    return module(
        "sim.run",
        "-m",
        *SMALL,
        f"outputs={outputs}",
        f"seed=range({num_runs // len(RATES)})",
        f"optimizer.learning_rate={rates}",
    )
