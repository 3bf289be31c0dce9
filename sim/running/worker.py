"""python -m sim.running.worker <task.json> [--lifeline] [--beside=N]: do the runs of a task. A multirun starts it.

The task is {"runs": [canonical configuration, ...], "execution": {argument: value}}, with the arguments of
`sim.running.cohort.Execution`. The outcome of each run lies on the disk, see `sim.disk.ledger`; the output is only a
log. The exit status is 0 if the worker completed its task, even if runs failed.
"""

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

from sim.arguments import Parser, whole
from sim.numerics import SpecificationError
from sim.places import reason
from sim.running.environment import load_jax, prepare
from sim.running.identity import target
from sim.streams import command

REFUSED = 2
"""Exit status for a bad task file."""

EXECUTION = ("max_runs", "mapping", "checkpoint_seconds")
"""The arguments of `sim.running.cohort.Execution`, which is slow to import."""

STDIN = 0
"""The descriptor of the standard input."""

DRIVER_DIED = 143
"""Exit status of a worker that ends because its driver has ended. Nothing reads it."""


def read_task(task: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the runs and the execution of a task file. It raises SpecificationError for any other file."""
    try:
        if not task.is_file():  # a device or a pipe may never end
            raise SpecificationError("a folder" if task.is_dir() else "no such file")
        content = json.loads(task.read_text(encoding="utf-8"))
        runs, execution = content["runs"], content["execution"]
        if not (isinstance(runs, list) and runs and all(isinstance(run["outputs"], str) for run in runs)):
            raise SpecificationError("no list of runs with outputs")
        for run in runs:
            target(run)
        unknown = sorted(set(execution) - set(EXECUTION))
        if unknown:
            raise SpecificationError(f"the unknown key execution.{unknown[0]}")
    except SpecificationError as problem:
        found = str(problem)
    except OSError as problem:
        found = reason(problem)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as problem:
        found = f"{type(problem).__name__}: {problem}"
    else:
        return runs, execution
    raise SpecificationError(
        f"{task}: a task file of a multirun is required, found {found}; "
        "give outputs/<name>/multirun/<time>/worker-<number>.json"
    )


def work(task: Path) -> None:
    """Do the runs of a task in this process."""
    from sim.running.cohort import Execution
    from sim.running.work import perform

    runs, execution = read_task(task)
    for outcome in perform(runs, Execution(**execution)):
        print(f"{outcome.target}: {outcome.state}{f' ({outcome.reason})' if outcome.reason else ''}", flush=True)


def hold_on_to(lifeline: int) -> None:
    """End this process, whatever it is doing, when a pipe closes. The driver holds the other end of the pipe."""

    def wait() -> None:
        while os.read(lifeline, 1024):
            pass
        os._exit(DRIVER_DIED)

    threading.Thread(target=wait, name="lifeline", daemon=True).start()


def main(arguments: list[str] | None = None) -> int:
    """Entry point of a worker process. Return the exit status."""
    parser = Parser(prog="python -m sim.running.worker", description="Do a task of a multirun.")
    parser.add_argument("task", type=Path)
    parser.add_argument("--lifeline", action="store_true", help="end this process when stdin is closed")
    parser.add_argument(
        "--beside", type=whole(1), default=1, help="number of workers that run side by side on this machine"
    )
    given = parser.parse_args(arguments)
    if given.lifeline:
        hold_on_to(STDIN)
    print(f"process {os.getpid()}", flush=True)
    try:
        runs, _ = read_task(given.task)
    except SpecificationError as problem:
        print(" ".join(str(problem).split()), file=sys.stderr)
        return REFUSED
    prepare(str(runs[0]["outputs"]), given.beside)
    try:
        load_jax()
    except SpecificationError as problem:
        print(problem, file=sys.stderr)
        return REFUSED
    work(given.task)
    return 0


if __name__ == "__main__":
    sys.exit(command(main))
