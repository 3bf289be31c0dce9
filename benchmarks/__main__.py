"""Run benchmarks, write results/<machine>.json, and update the tables of benchmarks/README.md from these files."""

import argparse
import importlib
import os
import subprocess
import sys
from collections.abc import Sequence

from benchmarks import report
from benchmarks.harness import Result, load
from sim.pool import cores

NAMES = (
    "training", "single", "targets", "evaluator", "samplers", "laws", "growth", "fed", "elimination", "describing",
    "compiling", "sweep", "ledger", "demo", "device",
)  # fmt: skip
"""The benchmarks, in the order of measurement. Each is a module with run(quick) -> list[Result]."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the named benchmarks, or all of them. Return 0, or 2 for an unknown name."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"one of {', '.join(NAMES)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="use tiny sizes to check that it runs; write nothing")
    parser.add_argument("--render", action="store_true", help="measure nothing; only update the tables")
    chosen = parser.parse_args(arguments)
    unknown = [name for name in chosen.names if name not in NAMES]
    if unknown:
        print(f"name: one of {', '.join(NAMES)} is required, found {unknown[0]!r}", file=sys.stderr)
        return 2
    names = chosen.names or NAMES
    if len(names) > 1 and not chosen.render:
        return one_by_one(names, chosen.quick)
    if not chosen.render:
        measure(names, chosen.quick)
    if not chosen.quick:
        report.render()
    return 0


def one_by_one(names: Sequence[str], quick: bool) -> int:
    """Measure each benchmark in a process of its own. Return the first exit status that is not 0, else 0.

    The memory of a command that a benchmark starts counts at least as much as that of the process which starts it,
    because Linux keeps the maximum across `exec`. So a benchmark must not start commands after another one has used
    much memory.
    """
    for name in names:
        command = [sys.executable, "-m", "benchmarks", name, *(["--quick"] if quick else [])]
        if status := subprocess.run(command, check=False).returncode:
            return status
    return 0


def measure(names: Sequence[str], quick: bool) -> None:
    """Measure and print each result. The results file is written after every benchmark."""
    os.environ.setdefault("JAX_NUM_CPU_DEVICES", str(cores()))  # jax reads this when it is first imported
    for name in names:
        before = load()
        results: list[Result] = importlib.import_module(f"benchmarks.{name}").run(quick)
        for result in results:
            print(" ".join(report.rows([result.plain() | {"verdict": result.verdict}])[-1].split()), flush=True)
        if not quick:
            report.merge(results, [name], before)


if __name__ == "__main__":
    sys.exit(main())
