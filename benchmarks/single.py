"""One model alone: two cores that share its batches against one core, in one alternated run.

`python -m benchmarks.single DEVICES` is the process that trains. It answers every line "train SECONDS" on its standard
input with its rate.
"""

import dataclasses
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from benchmarks.cases import CASES, TINY, Case
from benchmarks.harness import Result, alternate, ratios
from sim.pool import cores

REACH = {"A": (1.6, 1.8)}
"""The goal and the stretch goal. A step of C takes less than a millisecond, so its cores mostly wait for each other."""


@contextmanager
def trainer(case: Case, devices: int) -> Iterator[subprocess.Popen[str]]:
    """A process that trains one model on some cores, and on no others."""
    numbers = [str(number) for number in dataclasses.astuple(case)]
    command = [sys.executable, "-m", "benchmarks.single", str(devices), *numbers]
    variables = os.environ | {"JAX_NUM_CPU_DEVICES": str(devices)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1], env=variables
    ) as process:
        ask(process, "ready")
        yield process
        process.communicate()  # this closes its input, and so it ends


def ask(process: subprocess.Popen[str], command: str) -> float:
    """Send a command and return the answer [tokens/s]."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(command + "\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    if not answer:
        raise RuntimeError("a training process ended; see its message above")
    return float(answer)


def measure(name: str, case: Case, rounds: int, seconds: float) -> Result:
    """Measure the ratio for one case."""
    alone = dataclasses.replace(case, num_models=1)
    with ExitStack() as stack:
        one, two = (stack.enter_context(trainer(alone, devices)) for devices in (1, 2))
        train = f"train {seconds}"
        found = alternate({"one": lambda: ask(one, train), "two": lambda: ask(two, train)}, rounds)
    reach, stretch = REACH.get(name, (None, None))
    return Result(
        "single", f"one model on two cores against one core, {name}", **ratios(found["two"], found["one"]),
        reach=reach, stretch=stretch, note="sampled targets; the same bits on both",
        measured={f"tokens/s, {which}": float(np.median(rates)) for which, rates in found.items()},
    )  # fmt: skip


def run(quick: bool = False) -> list[Result]:
    """Measure A and C; nothing where there is only one core, or where a process cannot be kept to one."""
    if cores() < 2 or not hasattr(os, "sched_setaffinity"):
        return []
    if quick:
        return [measure("tiny", TINY, 1, 0.05)]
    return [measure(name, CASES[name], 7, 3.0) for name in ("A", "C")]


def main(devices: int, case: Case) -> None:
    """Train on the first `devices` cores of this process, and answer."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:devices])
    from benchmarks.training import Ours  # it imports jax, which reads the cores when it starts

    ours = Ours(case)
    for line in sys.stdin:
        command, *seconds = line.split()
        print(ours.tokens_per_second(float(seconds[0])) if command == "train" else 0.0, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), Case(*map(int, sys.argv[2:])))
