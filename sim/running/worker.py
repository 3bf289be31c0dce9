"""python -m sim.running.worker <task.json> [--lifeline] [--beside=N]: do the runs of a task. A multirun starts it.

The task is {"runs": [canonical configuration, ...], "execution": {argument: value}}, with the arguments of
`sim.running.cohort.Execution`. The outcome of each run lies on the disk, see `sim.disk.ledger`; the output is only a
log. The exit status is 0 if the worker completed its task, even if runs failed.
"""

import argparse
import json
import os
import sys
import threading
from pathlib import Path

from sim.numerics import visible
from sim.running.environment import prepare
from sim.streams import command

REFUSED = 2
"""Exit status for a bad task file."""

DRIVER_DIED = 143
"""Exit status of a worker that ends because its driver has ended. Nothing reads it."""


def work(task: Path) -> None:
    """Do the runs of a task in this process."""
    from sim.running.cohort import Execution
    from sim.running.work import perform

    content = json.loads(task.read_text(encoding="utf-8"))
    for outcome in perform(content["runs"], Execution(**content["execution"])):
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
    parser = argparse.ArgumentParser(prog="python -m sim.running.worker", description="Do a task of a multirun.")
    parser.add_argument("task", type=Path)
    parser.add_argument("--lifeline", action="store_true", help="end this process when stdin is closed")
    parser.add_argument("--beside", type=int, default=1, help="number of workers that run side by side on this machine")
    given = parser.parse_args(arguments)
    if given.lifeline:
        hold_on_to(sys.stdin.fileno())
    print(f"process {os.getpid()}", flush=True)
    try:
        outputs = str(json.loads(given.task.read_text(encoding="utf-8"))["runs"][0]["outputs"])
    except (OSError, ValueError, KeyError, IndexError, TypeError) as problem:
        what = " ".join(f"{type(problem).__name__}: {problem}".split())
        print(f"{given.task}: a task file of a multirun is required, found {visible(what)}", file=sys.stderr)
        return REFUSED
    prepare(outputs, given.beside)
    work(given.task)
    return 0


if __name__ == "__main__":
    sys.exit(command(main))
