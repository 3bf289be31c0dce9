"""Bookkeeping of a large multirun: starting it, keeping finished runs, their state, their check and their table."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count, product
from pathlib import Path
from statistics import median

from benchmarks.harness import Result, spread
from benchmarks.processes import ROOT, python
from benchmarks.sweep import RATES, SMALL
from sim.disk.records import read, write
from sim.running.identity import identity, recorded_config

POINTS = 2000
MEASURING = "sim.rows with an empty cache"


@dataclass(frozen=True)
class Seen:
    """What a command needed: seconds to its first line, in all and of the cores; the most memory of a process [MB]."""

    first: float
    total: float
    cores: float
    megabytes: float


def watched(command: Sequence[str], until: tuple[Path, str] | None = None, cwd: Path = ROOT) -> Seen:
    """Run a command and watch it from outside. RuntimeError shows the end of its output if it fails.

    until: a folder and a pattern; the command is interrupted when a file in the folder matches.
    """
    began = time.perf_counter()
    child = subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert child.stdout is not None
    said = child.stdout.read(1)
    first = time.perf_counter() - began
    if until is not None:
        while not any(until[0].glob(until[1])):
            time.sleep(0.02)
        total = time.perf_counter() - began
        child.send_signal(signal.SIGTERM)
    said += child.stdout.read()
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if until is None:
        total = time.perf_counter() - began
        if child.returncode:
            raise RuntimeError(f"{' '.join(command)}: exit status {child.returncode}: {said[-2000:].decode()}")
    return Seen(first, total, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def filled(outputs: Path, num_runs: int) -> None:
    """Fill the folder `sweep` below outputs with finished records. One run is trained; the others are copies of it.

    They have other seeds and rates, so their numbers are wrong. But names, hashes and manifests are right.
    """
    python("sim.run", *SMALL, f"outputs={outputs}")
    (source,) = (file.parent for file in outputs.glob("sweep/*/manifest.json"))
    record = read(source)
    for seed, rate in product(range(num_runs // len(RATES)), RATES):
        own = {"seed": seed, "optimizer": {**record.config["optimizer"], "learning_rate": rate}}
        name = identity({**recorded_config(record), **own})
        if name != record.hash:
            write(replace(record, hash=name, config={**record.config, **own}), source.parent / name)


def module(name: str, *arguments: str) -> list[str]:
    """Return the command `python -m name arguments`."""
    return [sys.executable, "-m", name, *arguments]


def multirun(outputs: Path, num_runs: int) -> list[str]:
    """Return the command that asks for all the runs."""
    points = [f"seed=range({num_runs // len(RATES)})", "optimizer.learning_rate=" + ",".join(f"{r:g}" for r in RATES)]
    return module("sim.run", "-m", *SMALL, f"outputs={outputs}", *points)


def run(quick: bool = False) -> list[Result]:
    """Measure the bookkeeping of two thousand runs."""
    num_runs, rounds = (10, 1) if quick else (POINTS, 3)
    found: dict[str, list[Seen]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        outputs = Path(temporary) / "full"
        filled(outputs, num_runs)
        folder = str(outputs / "sweep")
        commands = {
            "keeping finished runs": multirun(outputs, num_runs),
            MEASURING: module("sim.rows", folder),
            "sim.rows": module("sim.rows", folder),
            "sim.status": module("sim.status", folder),
            "sim.verify": module("sim.verify", str(outputs)),
        }
        fresh = (Path(temporary) / f"fresh-{number}" for number in count())
        for _ in range(rounds):
            for name, command in commands.items():
                if name == MEASURING:
                    shutil.rmtree(outputs / ".cache" / "rows", ignore_errors=True)
                found.setdefault(name, []).append(watched(command))
            empty = next(fresh)
            task = (empty / "sweep" / "multirun", "*/worker-0.json")
            found.setdefault("starting new runs", []).append(watched(multirun(empty, num_runs), task))
    return [result for name, seen in found.items() for result in _results(name, seen, num_runs)]


def _results(name: str, seen: Sequence[Seen], num_runs: int) -> list[Result]:
    """Return the results of a command: to the end, to the first line, and the memory."""
    work = f"{name}, {num_runs:,} runs"
    goals = {"keeping finished runs": 20.0, MEASURING: 20.0, "sim.rows": 20.0}
    goal = goals.get(name)
    busy = {"s of the cores": median(one.cores for one in seen)}
    times = Result("ledger", work, **spread([one.total for one in seen]), reach=goal, unit="s", measured=busy)
    first = Result("ledger", f"{work}: first line", **spread([one.first for one in seen]), reach=2.0, unit="s")
    memory = Result("ledger", f"{work}: memory", **spread([one.megabytes for one in seen]), reach=300.0, unit="MB")
    return [times, first, memory] if name not in ("sim.status", "sim.verify") else [times]
