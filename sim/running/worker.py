"""python -m sim.running.worker <task.json> [--lifeline] [--beside=N]: do the points of a task; a multirun starts it.

The task is {"points": [canonical configuration, ...], "execution": {argument: value}}, with the arguments of
`sim.running.cohort.Execution`. What became of each point lies on the disk, see `sim.disk.ledger`; what is printed is a
log. The exit status is 0 if the worker came to its end, whatever became of the points.
"""

import argparse
import json
import os
import sys
import threading
from pathlib import Path

from sim.running.environment import prepare

DRIVER_DIED = 143
"""Exit status of a worker whose driver is gone; nobody is left to read it."""


def work(task: Path) -> None:
    """Do the points of a task in this process."""
    from sim.running.cohort import Execution
    from sim.running.work import perform

    content = json.loads(task.read_text(encoding="utf-8"))
    for outcome in perform(content["points"], Execution(**content["execution"])):
        print(f"{outcome.target}: {outcome.state}{f' ({outcome.reason})' if outcome.reason else ''}", flush=True)


def hold_on_to(lifeline: int) -> None:
    """End this process, whatever it does, at the end of file of a pipe whose other end its driver holds."""

    def wait() -> None:
        while os.read(lifeline, 1024):
            pass
        os._exit(DRIVER_DIED)

    threading.Thread(target=wait, name="lifeline", daemon=True).start()


def main(arguments: list[str] | None = None) -> None:
    """Entry point of a worker process."""
    parser = argparse.ArgumentParser(prog="python -m sim.running.worker", description="Does a task of a multirun.")
    parser.add_argument("task", type=Path)
    parser.add_argument("--lifeline", action="store_true", help="end when stdin does")
    parser.add_argument("--beside", type=int, default=1, help="workers side by side on this machine")
    given = parser.parse_args(arguments)
    if given.lifeline:
        hold_on_to(sys.stdin.fileno())
    print(f"process {os.getpid()}", flush=True)
    outputs = json.loads(given.task.read_text(encoding="utf-8"))["points"][0]["outputs"]
    prepare(outputs, given.beside)
    work(given.task)


if __name__ == "__main__":
    main()
