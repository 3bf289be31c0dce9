"""python -m benchmarks [name ...] [--quick] [--render]: measure, write results/<machine>.json, draw README's tables."""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from benchmarks import report
from benchmarks.harness import Result, cores, load

NAMES = ("training", "targets", "evaluator", "samplers", "compiling", "sweep", "demo", "device")
"""The benchmarks, each a module with run(quick) -> list[Result], in the order in which they are measured."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is named (everything); 2 for a name that is none."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"one of {', '.join(NAMES)} (all)")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it runs; nothing is written")
    parser.add_argument("--render", action="store_true", help="measure nothing, draw the tables again")
    chosen = parser.parse_args(arguments)
    unknown = [name for name in chosen.names if name not in NAMES]
    if unknown:
        print(f"benchmarks: one of {', '.join(NAMES)} is required, found {unknown[0]!r}", file=sys.stderr)
        return 2
    if not chosen.render:
        measure(chosen.names or NAMES, chosen.quick)
    if not chosen.quick:
        report.render()
    return 0


def measure(names: Sequence[str], quick: bool) -> None:
    """Measure and say each result; the file is written after every benchmark."""
    os.environ.setdefault("JAX_NUM_CPU_DEVICES", str(cores()))  # read when jax is first imported
    for name in names:
        before = load()
        results: list[Result] = importlib.import_module(f"benchmarks.{name}").run(quick)
        for result in results:
            print(" ".join(report.rows([result.plain() | {"verdict": result.verdict}])[-1].split()), flush=True)
        if not quick:
            report.merge(results, [name], before)


if __name__ == "__main__":
    sys.exit(main())
