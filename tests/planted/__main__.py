"""`python -m tests.planted`: plant each fault in a copy of the source and run the tests that must notice it."""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from tests.planted.faults import ROOT, Fault, copy_tree, faults, planted

FAILED = 1
"""What pytest returns when tests ran and some failed; other numbers but 0 say that they did not run."""


def run_tests(tree: Path, tests: Sequence[str], stop_at_first: bool) -> subprocess.CompletedProcess[str]:
    """The tests, in a process of their own that sees the copy alone and keeps no bytecode of it."""
    options = ["-q", "--tb=line", "-p", "no:cacheprovider", *(["-x"] if stop_at_first else [])]
    environment = os.environ | {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, *tests],
        cwd=tree, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def trial(fault: Fault, trees: "SimpleQueue[Path]") -> tuple[bool, str]:
    """Whether a fault is noticed, and by which test."""
    tree = trees.get()
    try:
        with planted(fault, tree):
            done = run_tests(tree, fault.tests, stop_at_first=True)
    finally:
        trees.put(tree)
    if done.returncode == FAILED:
        found = re.search(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
        return True, found.group(1) if found else "a test"
    if done.returncode == 0:
        return False, "MISSED: " + " ".join(fault.tests) + " pass"
    return False, f"DID NOT RUN (pytest returned {done.returncode}): {(done.stdout + done.stderr)[-300:]!r}"


def main(arguments: Sequence[str] | None = None) -> int:
    """0 if the tests pass as they are and every fault makes one of them fail."""
    parser = argparse.ArgumentParser(prog="python -m tests.planted", description=__doc__)
    parser.add_argument("words", nargs="*", help="only faults whose name or file holds one of these (default: all)")
    parser.add_argument("--workers", type=int, default=2, help="test processes side by side (default: 2)")
    options = parser.parse_args(arguments)
    chosen = [f for f in faults() if not options.words or any(word in f.name + f.file for word in options.words)]
    if not chosen or options.workers < 1:
        parser.error(f"faults to plant and at least one worker are required, found {len(chosen)}, {options.workers}")
    with tempfile.TemporaryDirectory(prefix="planted-") as folder:
        trees: SimpleQueue[Path] = SimpleQueue()
        for number in range(options.workers):
            copy_tree(ROOT, Path(folder) / str(number))
            trees.put(Path(folder) / str(number))
        sound = run_tests(Path(folder) / "0", sorted({test for fault in chosen for test in fault.tests}), False)
        if sound.returncode:
            print(sound.stdout[-3000:], "the tests must pass before a fault is planted", sep="\n", file=sys.stderr)
            return 1
        caught = 0
        with ThreadPoolExecutor(options.workers) as pool:
            trials = pool.map(lambda fault: trial(fault, trees), chosen)
            for fault, (noticed, by) in zip(chosen, trials, strict=True):
                caught += noticed
                print(f"{'caught' if noticed else 'NOT   '}  {fault.name}  [{fault.file}]\n        {by}", flush=True)
    print(f"{caught} of {len(chosen)} planted faults are caught")
    return 0 if caught == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
